"""What waits for people, over all business: one row for each kind of work, with its age. A new kind is a row here."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from tongka.store.db import Database
from tongka.store.proposals import STANDS_FOR


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of work.

    Attributes:
        sentence: what waits.
        remedy: the command that goes on from here.
        sql: the things that wait: their number or name, since when, and fen (null where there is no amount). It may ask
            `moment`, one row with the fields of `Moment`.

    """

    name: str
    sentence: str
    remedy: str
    sql: str


class Moment(NamedTuple):
    """When somebody looks, and what follows from it: bad cards returned before `bad_cards_before` are due."""

    now: datetime
    bad_cards_before: datetime
    proposals_since: datetime
    today: date


@dataclass(frozen=True, slots=True)
class Waiting:
    """One kind of work that waits: how much, since when, and the first thing to do."""

    name: str
    sentence: str
    things: int
    amount_fen: int | None
    since: datetime
    first: str
    remedy: str


_ORDERS = "SELECT order_no AS name, moved_at AS since, amount_fen FROM orders o"
_PROPOSED = """EXISTS (SELECT FROM decision d WHERE d.card_no = o.card_no AND d.order_no = o.order_no
    AND d.attempt = o.attempt AND d.confirmed_by IS NULL)"""

KINDS = (
    Kind(
        "orders_to_decide",
        "orders in state 9: nobody knows whether the card has it, and two people look",
        "tongka order show NUMBER, then order decide",
        f"{_ORDERS} WHERE state = '9' AND NOT {_PROPOSED}",
    ),
    Kind(
        "orders_to_confirm",
        "orders in state 9 that one has decided, and another is to",
        "tongka order show NUMBER, then order decide by another operator",
        f"{_ORDERS} WHERE state = '9' AND {_PROPOSED}",
    ),
    Kind(
        "refunds_refused",
        "orders in state C: the payment institution refused the refund",
        "tongka order show NUMBER, then order refund",
        f"{_ORDERS} WHERE state = 'C'",
    ),
    Kind(
        "bad_cards_due",
        "returned bad cards whose waiting period is over: their counter is to pay out and confirm",
        "tell the institution that the order names: it confirms the return",
        f"{_ORDERS}, moment WHERE kind = 'return' AND return_type = '1' AND state = '1'"
        " AND created_at <= bad_cards_before",
    ),
    Kind(
        "payouts_owed",
        "what riders of deleted cards are owed, and no institution pays back",
        "tongka payments owed, then payments paid-out",
        "SELECT order_no AS name, moved_at AS since, amount_fen FROM payout WHERE state = 'owed'",
    ),
    Kind(
        "phone_orders_unknown",
        "orders of phones of which nobody knows how they ended",
        "tongka order list --card CARD; a new session of the phone tells, or two people decide",
        "SELECT server_order_id AS name, contacted_at AS since, amount_fen FROM wallet_order WHERE state = 'unknown'",
    ),
    Kind(
        "trips_held",
        "trips without a price: an exit or an entry is missing",
        "tongka merchant charge NUMBER or merchant waive NUMBER",
        "SELECT out_trade_no AS name, moved_at AS since, amount_fen FROM trip WHERE state = 'held'",
    ),
    Kind(
        "trades_failed",
        "trips that the gateway refused to settle",
        "tongka merchant trips --state failed; merchant retry NUMBER when the reason is mended",
        "SELECT out_trade_no AS name, moved_at AS since, amount_fen FROM trip WHERE state = 'failed'",
    ),
    Kind(
        "prepaid_low",
        "prepaid accounts that are low",
        "tongka prepaid supply when the money has arrived",
        "SELECT merchant AS name, low_since AS since, balance_fen AS amount_fen FROM prepaid_account p"
        " JOIN account a ON a.id = p.account WHERE low_since IS NOT NULL",
    ),
    Kind(
        "proposals",
        "what one operator has said, and another is to say too",
        "the same command by another operator",
        "SELECT command || ': ' || contents AS name, proposed_at AS since, NULL::bigint AS amount_fen FROM proposal"
        " WHERE confirmed_by IS NULL AND proposed_at > (SELECT proposals_since FROM moment)",
    ),
    Kind(
        "card_batches",
        "cards of riders that are imported, and not confirmed",
        "tongka card-stock confirm BATCH by another operator",
        "SELECT name, imported_at AS since, balances_fen AS amount_fen FROM card_batch WHERE confirmed_by IS NULL",
    ),
    Kind(
        "operators",
        "operators who are saved, and not let in",
        "tongka operator activate NAME by another operator",
        "SELECT name, saved_at AS since, NULL::bigint AS amount_fen FROM operator WHERE saved_by IS NOT NULL",
    ),
    Kind(
        "days_open",
        "business days that are over and not closed",
        "tongka day close DAY",
        "SELECT business_date::text AS name, min(posted_at) AS since, NULL::bigint AS amount_fen FROM transfer"
        " WHERE business_date > coalesce((SELECT max(business_date) FROM closed_day), '-infinity')"
        " AND business_date < (SELECT today FROM moment) GROUP BY business_date",
    ),
)

_COUNT = """
WITH moment AS (SELECT $1::timestamptz AS now, $2::timestamptz AS bad_cards_before,
                       $3::timestamptz AS proposals_since, $4::date AS today)
SELECT count(*)::int, sum(amount_fen)::bigint, coalesce(min(since), (SELECT now FROM moment)),
       (array_agg(name ORDER BY since, name))[1]
FROM ({sql}) AS waiting
"""


async def waiting(database: Database, now: datetime, today: date, bad_cards_before: datetime) -> list[Waiting]:
    """Every kind of which something waits, in the order of the table."""
    moment = Moment(now, bad_cards_before, now - STANDS_FOR, today)
    return [found for kind in KINDS if (found := await _of(database, kind, moment))]


async def _of(database: Database, kind: Kind, moment: Moment) -> Waiting | None:
    row = await database.read_row(_COUNT.format(sql=kind.sql), *moment)
    if row is None or not row[0]:
        return None
    things, amount_fen, since, first = row
    return Waiting(kind.name, kind.sentence, things, amount_fen, since, first, kind.remedy)
