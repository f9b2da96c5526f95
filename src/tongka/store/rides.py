"""Rides in the database: settling trades, what was settled, and the notices that merchants get.

Settling is one statement for a whole list (`settle_rides` of 0021_rides.sql): it locks the riders, decides each trade,
charges, books debts, uses codes and records up, and writes the audit; all of the list or nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec

from tongka.errors import Busy, Refused
from tongka.settlement import CheckedRecord, Refusal, Trade, Why
from tongka.store.db import Database

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trade that is to be settled, with what its records say; or one that is refused already."""

    trade: Trade
    trade_no: str
    records: Sequence[CheckedRecord] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a trade: settled under its number, or refused; for now, if there is a time to try again."""

    trade_no: str
    refusal: Refusal | None = None
    next_try_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Settling:
    """The circumstances of a call.

    Attributes:
        retry_at: told to those who could not be charged.
        notify_url: where the application is told of each settled trade; may be empty.

    """

    app_id: str
    at: datetime
    day: date
    retry_at: datetime
    notify_url: str = ""


SETTLE = "SELECT * FROM settle_rides($1, $2::text::jsonb, $3, $4, $5, $6) ORDER BY nth"


async def settle(database: Database, call: Settling, candidates: Sequence[Candidate]) -> list[Settled]:
    """Settle trades in their order; the results in the same.

    Raises:
        Busy: others used the same numbers at the same moment, again and again.

    """
    given = arguments(call, candidates)
    for _ in range(ATTEMPTS):
        try:
            return [_settled(row) for row in await database.fetch(SETTLE, *given)]
        except asyncpg.UniqueViolationError:
            continue  # another rider's trade took the number or the record just now: the next look sees it
    raise Busy("other calls settle the same numbers at this moment; try again")


_SETTLED_BEFORE = """
SELECT EXISTS (SELECT FROM ride_code_used WHERE user_id = $1 AND code = $2),
       EXISTS (SELECT FROM ride_record WHERE app_id = $3 AND pos_id = $4 AND record_id = $5)
"""


async def require_unsettled(database: Database, app_id: str, record: CheckedRecord) -> None:
    """That nobody was charged for a record's code, nor for the record.

    Raises:
        Refused: somebody was.

    """
    asked = (record.user_id, record.code, app_id, record.pos_id, record.record_id)
    row = await database.read_row(_SETTLED_BEFORE, *asked)
    if row and any(row):
        raise Refused("the record's code was settled before" if row[0] else "the record was settled before")


def arguments(call: Settling, candidates: Sequence[Candidate]) -> tuple[Any, ...]:
    """Of `SETTLE`."""
    trades = msgspec.json.encode([_row(nth, one) for nth, one in enumerate(candidates)]).decode()
    return (call.app_id, trades, call.at, call.day, call.retry_at, call.notify_url)


def _row(nth: int, one: Candidate) -> dict[str, Any]:
    trade, first = one.trade, one.records[0] if one.records else None
    return {
        "nth": nth,
        "user_id": trade.user_id,
        "out_trade_no": trade.out_trade_no,
        "trade_no": one.trade_no,
        "digest": trade.digest.hex(),
        "amount_fen": trade.amount_fen,
        "ordered_at": trade.ordered_at.isoformat(),
        "subject": trade.subject,
        "context": trade.context,
        "seller": trade.seller,
        "card_type": first.card_type if first else "",
        "card_no": first.card_no if first else "",
        "why": one.refusal.why.value if one.refusal else "",
        "reason": one.refusal.reason if one.refusal else "",
        "note": one.refusal.text if one.refusal else "",
        "records": [] if one.refusal else [_record(*pair) for pair in zip(one.records, trade.records, strict=True)],
    }


def _record(found: CheckedRecord, text: str) -> dict[str, Any]:
    return {
        "code": found.code.hex(),
        "pos_id": found.pos_id,
        "record_id": found.record_id,
        "at": found.at,
        "record": text,
    }


def _settled(row: asyncpg.Record) -> Settled:
    refusal = Refusal(Why(row["why"]), row["note"], row["reason"]) if row["why"] else None
    return Settled(row["trade_no"], refusal, row["next_try_at"])


# --- what merchants report --------------------------------------------------------------------------------------------

_REPORT = """
WITH told AS (
    INSERT INTO ride_report (app_id, type, biz_no, user_id, at, report)
    SELECT $1, r.type, r.biz_no, $2, $3, r.report::jsonb
    FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) AS r (type, biz_no, subject, body, report)
    ON CONFLICT DO NOTHING RETURNING type, biz_no
)
INSERT INTO rider_message (user_id, at, subject, body)
SELECT rider.user_id, $3, r.subject, r.body FROM told
JOIN unnest($4::text[], $5::text[], $6::text[], $7::text[]) AS r (type, biz_no, subject, body) USING (type, biz_no)
JOIN rider ON rider.user_id = $2
"""


@dataclass(frozen=True, slots=True)
class Report:
    """A ride as a merchant reports it: `type` order or event; `contents` are all fields as JSON."""

    type: str
    biz_no: str
    subject: str
    body: str
    contents: str


async def report(database: Database, app_id: str, user_id: str, reports: Sequence[Report], at: datetime) -> None:
    """Keep what a merchant reports, and tell the rider; what was reported before is passed over."""
    columns = zip(*((one.type, one.biz_no, one.subject, one.body, one.contents) for one in reports), strict=True)
    await database.execute(_REPORT, app_id, user_id, at, *map(list, columns))


# --- notices ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notice:
    """A settled trade that an application is to be told of; `attempts` counts this one."""

    app_id: str
    out_trade_no: str
    url: str
    attempts: int
    trade_no: str
    user_id: str
    amount_fen: int
    subject: str
    seller: str
    settled_at: datetime


_CLAIM = """
WITH claimed AS (
    UPDATE merchant_notice n SET attempts = attempts + 1, next_at = $2
    WHERE (app_id, out_trade_no) IN (
        SELECT app_id, out_trade_no FROM merchant_notice WHERE next_at <= $1
        ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED
    ) RETURNING app_id, out_trade_no, url, attempts
)
SELECT c.app_id, c.out_trade_no, c.url, c.attempts, t.trade_no, t.user_id, t.amount_fen, t.subject, t.seller,
       t.moved_at
FROM claimed c JOIN ride_trade t USING (app_id, out_trade_no)
"""


async def claim_notices(database: Database, now: datetime, lease_until: datetime, limit: int) -> list[Notice]:
    """Notices that are due, for this worker until the lease is over; then another may claim them."""
    return [Notice(*row) for row in await database.fetch(_CLAIM, now, lease_until, limit)]


async def notice_taken(database: Database, notice: Notice, at: datetime) -> None:
    """The application answered success."""
    await database.execute(
        "UPDATE merchant_notice SET next_at = NULL, taken_at = $3 WHERE app_id = $1 AND out_trade_no = $2",
        notice.app_id, notice.out_trade_no, at,
    )  # fmt: skip


async def notice_again(database: Database, notice: Notice, next_at: datetime | None) -> None:
    """It did not; try again then, or (None) never."""
    await database.execute(
        "UPDATE merchant_notice SET next_at = $3 WHERE app_id = $1 AND out_trade_no = $2 AND taken_at IS NULL",
        notice.app_id, notice.out_trade_no, next_at,
    )  # fmt: skip
