"""Trips and the trades that they are paid with. Who prices a rider's trips is decided by the rider's version."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache

from tongka.days import ZONE
from tongka.errors import Refused
from tongka.fares import FareTable, Spent, parse_fare_table
from tongka.store.db import Database
from tongka.store.taps import Rider, columns_of
from tongka.trips import TradeEvent, TradeState, next_trade_state

# --- fare tables ------------------------------------------------------------------------------------------------------


async def save_fare_table(database: Database, table: FareTable, contents: str, now: datetime) -> None:
    """Keep a table for trips from its first day on.

    Raises:
        Refused: there is one of that version or day; tables are not changed, for trips were priced by them.

    """
    tag = await database.execute(
        "INSERT INTO fare_table (version, valid_from, contents, imported_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        table.version,
        table.valid_from,
        contents,
        now,
    )
    if tag != "INSERT 0 1":
        raise Refused(
            f"there is a fare table of version {table.version} or from {table.valid_from} on;"
            " give a new one another version and day"
        )


async def fare_tables(database: Database) -> list[FareTable]:
    """All tables, the latest first."""
    rows = await database.read("SELECT contents FROM fare_table ORDER BY valid_from DESC")
    return [_parsed(row["contents"]) for row in rows]


_parsed = lru_cache(maxsize=64)(parse_fare_table)
"""A table that was imported never changes, and the shortest ways that it has found are kept with it."""


# --- riders and their trips -------------------------------------------------------------------------------------------


_SPENT = """
SELECT user_id, card_type, card_no, version, spent_day, day_fen, month_fen, last_service, last_end FROM rider_spending
JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked (user_id, card_type, card_no)
    USING (user_id, card_type, card_no)
"""


@dataclass(frozen=True, slots=True)
class Spending:
    """What a rider spent; `version` is 0 for one who is new, and grows with each of his turns."""

    version: int = 0
    spent: Spent = field(default_factory=Spent)


async def spending(database: Database, riders: Sequence[Rider]) -> dict[Rider, Spending]:
    """What riders spent; of those who are new, nothing."""
    rows = await database.read(_SPENT, *columns_of(riders))
    known = {Rider(*list(row)[:3]): Spending(row["version"], _spent(*list(row)[4:])) for row in rows}
    return {rider: known.get(rider, Spending()) for rider in riders}


def _spent(day: date | None, day_fen: int, month_fen: int, last_service: str, last_end: datetime | None) -> Spent:
    if day is None or last_end is None:
        return Spent()
    return Spent(day, day_fen, month_fen, last_service, int(last_end.timestamp()))


@dataclass(frozen=True, slots=True)
class NewTrip:
    """A trip with its price; the columns' meaning stands beside them in 0030_merchant.sql."""

    out_trade_no: str
    kind: str
    service: str
    started_at: datetime
    business_date: date
    first_gate: str
    first_record: str
    last_gate: str
    last_record: str
    subject: str
    fare_version: str
    amount_fen: int
    state: TradeState


@dataclass(frozen=True, slots=True)
class SeenTap:
    """A tap that now belongs to a trip (`trip`), is a copy of one that does (`copy`), or waits on (`open`)."""

    gate_id: str
    record_id: str
    state: str
    look_at: datetime


_MAKE = """
WITH moved AS (
    INSERT INTO rider_spending (user_id, card_type, card_no, version, spent_day, day_fen, month_fen, last_service,
                                last_end)
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::date[], $7::bigint[], $8::bigint[],
                         $9::text[], $10::timestamptz[])
    ON CONFLICT (user_id, card_type, card_no) DO UPDATE SET
        version = excluded.version, spent_day = excluded.spent_day, day_fen = excluded.day_fen,
        month_fen = excluded.month_fen, last_service = excluded.last_service, last_end = excluded.last_end
    WHERE rider_spending.version = excluded.version - 1
    RETURNING user_id, card_type, card_no
), made AS (
    INSERT INTO trip (user_id, card_type, card_no, out_trade_no, kind, service, started_at, business_date, first_gate,
                      first_record, last_gate, last_record, subject, fare_version, amount_fen, state, made_at, moved_at,
                      next_try_at)
    SELECT new.*, $1, $1, CASE new.state WHEN 'due' THEN $1::timestamptz END
    FROM unnest($11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::timestamptz[],
                $18::date[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[],
                $25::bigint[], $26::text[])
        AS new (user_id, card_type, card_no, out_trade_no, kind, service, started_at, business_date, first_gate,
                first_record, last_gate, last_record, subject, fare_version, amount_fen, state)
    JOIN moved USING (user_id, card_type, card_no)
    RETURNING 1
), seen AS (
    UPDATE tap SET state = new.state, look_at = new.look_at
    FROM unnest($27::text[], $28::text[], $29::text[], $30::text[], $31::text[], $32::text[], $33::timestamptz[])
        AS new (user_id, card_type, card_no, gate_id, record_id, state, look_at)
    JOIN moved USING (user_id, card_type, card_no)
    WHERE tap.user_id = new.user_id AND tap.gate_id = new.gate_id AND tap.record_id = new.record_id
)
SELECT count(*) FROM made
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of a rider's open taps; `version` is that of the knowledge it came from, `spent` what is new."""

    rider: Rider
    version: int
    spent: Spent
    trips: Sequence[NewTrip]
    taps: Sequence[SeenTap]

    @property
    def spending_row(self) -> tuple[object, ...]:
        spent, known = self.spent, self.spent.day != date.min
        last_end = datetime.fromtimestamp(spent.last_end, ZONE) if known else None
        day = spent.day if known else None
        row = (self.version + 1, day, spent.day_fen, spent.month_fen, spent.last_service, last_end)
        return astuple(self.rider) + row


async def make(database: Database, turns: Sequence[Turn], now: datetime) -> int:
    """Write riders' new trips, with their taps and what they have spent now, in one statement; how many trips.

    A rider whose turn another worker has made meanwhile is left out.
    """
    made: int = await database.fetchval(
        _MAKE,
        now,
        *_columns([turn.spending_row for turn in turns], 9),
        *_columns([astuple(turn.rider) + astuple(trip) for turn in turns for trip in turn.trips], 16),
        *_columns([astuple(turn.rider) + astuple(tap) for turn in turns for tap in turn.taps], 7),
    )
    return made


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


# --- trades -----------------------------------------------------------------------------------------------------------


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
        WHERE state IN ('due', 'unknown') AND next_try_at <= $1
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


async def claim(database: Database, now: datetime, lease_s: int, limit: int) -> list[Trade]:
    """Trades that are to be sent now. Nobody else gets them for `lease_s`; a worker that dies meanwhile loses nothing,
    for they are sent again under the same number.
    """
    rows = await database.fetch(_CLAIM, now, timedelta(seconds=lease_s), limit)
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
UPDATE trip SET state = new.state, next_try_at = new.next_try_at, trade_no = new.trade_no,
                error_code = new.error_code, message = new.message, moved_at = $1
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::text[])
    AS new (user_id, out_trade_no, was, state, next_try_at, trade_no, error_code, message)
WHERE trip.user_id = new.user_id AND trip.out_trade_no = new.out_trade_no AND trip.state = new.was
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
        await database.execute(_DECIDE, now, *_columns(rows, 8))


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
