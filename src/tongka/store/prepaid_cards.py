"""Prepaid virtual cards that we issue as a merchant: their money, and what the gateway was told of them.

Rules and locks: 0024_prepaid_cards.sql. What a card says of itself follows from its money: `disabled_code` is worked
out when it is told, and kept nowhere.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import asyncpg

from tongka.errors import Refused, RepeatedWithOtherContents
from tongka.store.db import Database
from tongka.store.stamp import Stamp

CARD_OVERDUE, CARD_REVOKING = "CARD_OVERDUE", "CARD_REVOKING"
"""disabled_code (Alipay 4.2.4.5): 卡欠费, 退卡中."""


@dataclass(frozen=True, slots=True)
class PrepaidCard:
    """One card; `waiting_fen` are rides that wait for money, `told` is whether the gateway knows all this."""

    user_id: str
    card_type: str
    card_no: str
    state: str
    balance_fen: int
    waiting_fen: int
    changed_at: datetime
    ends_at: datetime | None
    told: bool
    tell_error: str

    @property
    def disabled_code(self) -> str:
        """Why no codes are made of it; empty: they are."""
        if self.state != "active":
            return CARD_REVOKING
        return CARD_OVERDUE if self.waiting_fen or not self.balance_fen else ""


@dataclass(frozen=True, slots=True)
class CardNews:
    """What is to be told of a card; `new` if the gateway has heard nothing of it yet."""

    card: PrepaidCard
    version: int
    attempts: int
    new: bool


class PrepaidCardUnknown(Refused):
    """No card of that type and number, or none that takes this any more."""

    code = "prepaid_card_unknown"

    def __init__(self) -> None:
        super().__init__("card_no: there is no such prepaid card, or it was given back")


class PrepaidCardTaken(Refused):
    """The number belongs to another rider's card."""

    code = "prepaid_card_taken"


_ISSUE = """
WITH made AS (
    INSERT INTO prepaid_card (card_type, card_no, user_id, account, changed_at, tell_at)
    VALUES ($1, $2, $3, nextval('rider_account_seq')::int, $4, $4)
    ON CONFLICT DO NOTHING RETURNING account
), opened AS (
    INSERT INTO account (id, name, kind, note)
    SELECT account, 'prepaid card ' || $1 || ' ' || $2, 'liability', '' FROM made
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $4, $5, 'issue prepaid card', $1 || ' ' || $2, $3 FROM made
)
SELECT count(*) FROM made
"""

_WAITING = """
(SELECT coalesce(sum(t.amount_fen), 0) FROM trip t
 WHERE t.user_id = p.user_id AND t.card_no = p.card_no AND t.card_type IN (p.card_type, '')
   AND t.state = 'due' AND t.error_code = 'BALANCE_NOT_ENOUGH')::bigint
"""

_CARDS = f"""
SELECT p.user_id, p.card_type, p.card_no, p.state, a.balance_fen, {_WAITING} AS waiting_fen, p.changed_at, p.ends_at,
       p.told = p.version AS told, p.tell_error
FROM prepaid_card p JOIN account a ON a.id = p.account
"""  # noqa: S608 - our own constants

_REVOKE = """
WITH moved AS (
    UPDATE prepaid_card SET state = 'revoking', ends_at = $4, version = version + 1,
           changed_at = greatest(changed_at, $3), tell_at = $3, tell_attempts = 0
    WHERE card_type = $1 AND card_no = $2 AND state = 'active' RETURNING card_no
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $3, $5, 'revoke prepaid card', $1 || ' ' || $2, '' FROM moved
)
SELECT count(*) FROM moved
"""

_CLAIM = """
UPDATE prepaid_card SET tell_at = $2, tell_attempts = tell_attempts + 1
WHERE (card_type, card_no) IN (
    SELECT card_type, card_no FROM prepaid_card WHERE tell_at <= $1
    ORDER BY tell_at LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING card_type, card_no
"""

_NEWS = f"""
{_CARDS.replace("p.tell_error", "p.tell_error, p.version, p.tell_attempts, p.told = 0 AS new")}
WHERE (p.card_type, p.card_no) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""  # noqa: S608 - our own constants
"""A version and its balance from one snapshot."""

_TOLD = """
UPDATE prepaid_card SET told = $3, tell_error = '', tell_at = CASE WHEN version > $3 THEN $4::timestamptz END
WHERE card_type = $1 AND card_no = $2
"""

_NOT_TOLD = """
UPDATE prepaid_card SET tell_at = $4, tell_error = $5 WHERE card_type = $1 AND card_no = $2 AND version = $3
"""


async def issue(database: Database, card_type: str, card_no: str, user_id: str, stamp: Stamp) -> None:
    """A new card with nothing on it; the same again changes nothing.

    Raises:
        PrepaidCardTaken: the number is another rider's.

    """
    if not await database.fetchval(_ISSUE, card_type, card_no, user_id, stamp.at, stamp.actor):
        known = await find(database, card_type, card_no)
        if known is None or known.user_id != user_id:
            raise PrepaidCardTaken(f"card_no: {card_no} belongs to another rider's card")


async def supply(
    database: Database, card_type: str, card_no: str, amount_fen: int, *, reference: str, stamp: Stamp, source: int
) -> None:
    """Money in, once under its reference; rides that waited for it are charged at once.

    Raises:
        PrepaidCardUnknown: there is none, or it was given back.
        RepeatedWithOtherContents: the reference was used with another amount.

    """
    given = (card_type, card_no, reference, amount_fen, source, stamp.at, stamp.day, stamp.actor)
    known = await database.fetchval("SELECT prepaid_card_supply_money($1, $2, $3, $4, $5, $6, $7, $8)", *given)
    if known is None:
        raise PrepaidCardUnknown
    if known != amount_fen:
        raise RepeatedWithOtherContents(f"reference {reference!r} was used with {known} fen")


async def revoke(database: Database, card_type: str, card_no: str, ends_at: datetime, stamp: Stamp) -> None:
    """A card is given back: no codes from now on; rides until now may come in up to `ends_at`.

    Raises:
        PrepaidCardUnknown: there is none, or it was given back.

    """
    if not await database.fetchval(_REVOKE, card_type, card_no, stamp.at, ends_at, stamp.actor):
        raise PrepaidCardUnknown


async def find(database: Database, card_type: str, card_no: str) -> PrepaidCard | None:
    row = await database.read_row(f"{_CARDS} WHERE p.card_type = $1 AND p.card_no = $2", card_type, card_no)
    return PrepaidCard(*row) if row else None


async def page(database: Database, user_id: str = "", after: str = "", size: int = 100) -> list[PrepaidCard]:
    """Cards by number, of one rider if named, from beyond the number `after`."""
    sql = f"{_CARDS} WHERE ($1 = '' OR p.user_id = $1) AND p.card_no > $2 ORDER BY p.card_no, p.card_type LIMIT $3"
    return [PrepaidCard(*row) for row in await database.read(sql, user_id, after, size)]


async def charge(
    database: Database, user_id: str, out_trade_no: str, *, at: datetime, day: date, again_at: datetime
) -> str:
    """Charge a trip to its card: `settled`, `short` (to be tried again), or `moved` by somebody else."""
    sql = "SELECT prepaid_card_charge($1, $2, $3, $4, $5)"
    outcome: str = await database.fetchval(sql, user_id, out_trade_no, at, day, again_at)
    return outcome


async def end_due(database: Database, at: datetime, day: date, limit: int) -> int:
    """End cards that were given back long enough ago; how many."""
    sql = "SELECT card_type, card_no FROM prepaid_card WHERE state = 'revoking' AND ends_at <= $1 LIMIT $2"
    due: list[asyncpg.Record] = await database.read(sql, at, limit)
    ended = [
        await database.fetchval("SELECT prepaid_card_end($1, $2, $3, $4)", one["card_type"], one["card_no"], at, day)
        for one in due
    ]
    return sum(ended)


# --- what the gateway is told -----------------------------------------------------------------------------------------


async def claim_news(database: Database, now: datetime, lease_s: int, limit: int) -> list[CardNews]:
    """Cards of which the gateway is to hear; nobody else gets them for `lease_s`."""
    claimed = await database.fetch(_CLAIM, now, now + timedelta(seconds=lease_s), limit)
    rows = await database.read(_NEWS, [one["card_type"] for one in claimed], [one["card_no"] for one in claimed])
    return [CardNews(PrepaidCard(*row[:-3]), *row[-3:]) for row in rows]


async def told(database: Database, news: CardNews, at: datetime) -> None:
    """The gateway has taken it; what changed meanwhile is told next."""
    await database.execute(_TOLD, news.card.card_type, news.card.card_no, news.version, at)


async def not_told(database: Database, news: CardNews, again_at: datetime, error: str) -> None:
    """It has not; tell it again then, unless there is something newer."""
    await database.execute(_NOT_TOLD, news.card.card_type, news.card.card_no, news.version, again_at, error[:256])
