"""Trades: trips on their way to the gateway, what became of them, and what people decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tongka.errors import Refused
from tongka.store.db import Database
from tongka.store.trips import columns
from tongka.trips import TradeEvent, TradeState, next_trade_state


@dataclass(frozen=True, slots=True)
class Trade:
    """A trip as it is sent: the same each time (Alipay 4.2.3.2). `attempts` counts this one too."""

    user_id: str
    out_trade_no: str
    card_type: str
    started_at: datetime
    subject: str
    amount_fen: int
    state: TradeState
    attempts: int
    service: str
    first_gate: str
    first_station: str
    first: bytes
    last_gate: str
    last_station: str | None
    last: bytes | None

    @property
    def records(self) -> tuple[bytes, ...]:
        return (self.first,) if self.last is None else (self.first, self.last)


_CLAIM = """
WITH claimed AS (
    UPDATE trip SET next_try_at = $1::timestamptz + $2::interval, attempts = attempts + 1
    WHERE (user_id, out_trade_no) IN (
        SELECT user_id, out_trade_no FROM trip
        WHERE state IN ('due', 'unknown') AND next_try_at <= $1 AND $4 = EXISTS (
            SELECT FROM prepaid_card p
            WHERE p.user_id = trip.user_id AND p.card_no = trip.card_no AND trip.card_type IN (p.card_type, ''))
        ORDER BY next_try_at LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING *
)
SELECT c.user_id, c.out_trade_no, c.card_type, c.started_at, c.subject, c.amount_fen, c.state, c.attempts, c.service,
       c.first_gate, ft.station AS first_station, fr.record AS first,
       c.last_gate, lt.station AS last_station, lr.record AS last
FROM claimed c
JOIN tap ft ON ft.user_id = c.user_id AND ft.gate_id = c.first_gate AND ft.record_id = c.first_record
JOIN gate_record fr ON fr.gate_id = ft.gate_id AND fr.serial = ft.serial
LEFT JOIN tap lt ON lt.user_id = c.user_id AND lt.gate_id = c.last_gate AND lt.record_id = c.last_record
LEFT JOIN gate_record lr ON lr.gate_id = lt.gate_id AND lr.serial = lt.serial
ORDER BY c.started_at, c.out_trade_no
"""


async def claim(database: Database, now: datetime, lease_s: int, limit: int, *, prepaid: bool = False) -> list[Trade]:
    """Trades that are to be sent now, or (`prepaid`) to be charged to prepaid cards of our own.

    Nobody else gets them for `lease_s`; a worker that dies meanwhile loses nothing, for they are sent again under the
    same number.
    """
    rows = await database.fetch(_CLAIM, now, timedelta(seconds=lease_s), limit, prepaid)
    return [Trade(**dict(row) | {"state": TradeState(row["state"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a trade that was sent."""

    trade: Trade
    event: TradeEvent
    next_try_at: datetime | None = None
    trade_no: str = ""
    error_code: str = ""
    message: str = ""

    @property
    def target(self) -> TradeState:
        return next_trade_state(self.trade.state, self.event)


_DECIDE = """
WITH moved AS (
    UPDATE trip SET state = new.state, next_try_at = new.next_try_at, trade_no = new.trade_no,
                    error_code = new.error_code, message = new.message, moved_at = $1
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::text[])
        AS new (user_id, out_trade_no, was, state, next_try_at, trade_no, error_code, message)
    WHERE trip.user_id = new.user_id AND trip.out_trade_no = new.out_trade_no AND trip.state = new.was
    RETURNING trip.user_id, trip.out_trade_no, trip.state
)
INSERT INTO trip_report (user_id, out_trade_no, report_at) SELECT user_id, out_trade_no, $1 FROM moved
WHERE state = 'settled' ON CONFLICT DO NOTHING
"""


async def decide(database: Database, verdicts: Sequence[Verdict], now: datetime) -> None:
    """Write down what became of trades; one that a person has moved meanwhile stays as it is."""
    rows = [
        (
            each.trade.user_id,
            each.trade.out_trade_no,
            each.trade.state.value,
            each.target.value,
            each.next_try_at,
            each.trade_no,
            each.error_code,
            each.message,
        )
        for each in verdicts
    ]
    if rows:
        await database.execute(_DECIDE, now, *columns(rows, 8))


# --- people -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TripRow:
    """A trip as people are shown it."""

    out_trade_no: str
    user_id: str
    card_no: str
    kind: str
    service: str
    started_at: datetime
    amount_fen: int
    state: str
    next_try_at: datetime | None
    attempts: int
    trade_no: str
    error_code: str
    message: str


_ROWS = f"""
SELECT {", ".join(TripRow.__slots__)} FROM trip
WHERE ($1 = '' OR state = $1) AND ($2 = '' OR user_id = $2) ORDER BY started_at DESC, out_trade_no LIMIT $3
"""  # noqa: S608 - our own names

_PERSON = """
WITH moved AS (
    UPDATE trip SET state = $3, next_try_at = CASE WHEN $3 IN ('due', 'unknown') THEN $4::timestamptz END,
                    moved_at = $4, amount_fen = coalesce($7, amount_fen)
    WHERE out_trade_no = $1 AND state = $2 RETURNING out_trade_no
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail) SELECT $4, $5, 'trade ' || $6, out_trade_no, $2 || ' ' || $3
    FROM moved
)
SELECT count(*) FROM moved
"""


async def listed(database: Database, state: str = "", user_id: str = "", limit: int = 50) -> list[TripRow]:
    """The latest trips, of one state or user if named."""
    return [TripRow(*row) for row in await database.read(_ROWS, state, user_id, limit)]


async def counts(database: Database) -> dict[str, tuple[int, int]]:
    """By state: how many trips, and what they come to in fen."""
    rows = await database.read(
        "SELECT state, count(*), sum(amount_fen)::bigint FROM trip GROUP BY state ORDER BY state"
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def move_by_person(
    database: Database,
    out_trade_no: str,
    event: TradeEvent,
    now: datetime,
    actor: str,
    *,
    amount_fen: int | None = None,
) -> None:
    """RETRY, CHARGE or WAIVE a trade; `amount_fen` is what a held trip is charged instead of its price.

    Raises:
        Refused: there is no such trade, or no price to charge.
        TradeMoveForbidden: its state does not allow it.

    """
    row = await database.read_row("SELECT state, amount_fen FROM trip WHERE out_trade_no = $1", out_trade_no)
    if row is None:
        raise Refused(f"there is no trade {out_trade_no!r}")
    target = next_trade_state(TradeState(row["state"]), event)
    if event is TradeEvent.CHARGE and not (amount_fen or row["amount_fen"]):
        raise Refused(f"trade {out_trade_no} has no price; give an amount, or waive it")
    moved = (out_trade_no, row["state"], target.value, now, actor, event.value, amount_fen)
    if not await database.fetchval(_PERSON, *moved):
        raise Refused(f"trade {out_trade_no} was moved meanwhile; look again")
