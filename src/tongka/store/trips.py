"""Fare tables, what riders spent, and their trips. Who prices a rider's trips is decided by the rider's version."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from datetime import date, datetime
from functools import lru_cache

from tongka.days import ZONE
from tongka.errors import Refused
from tongka.fares import FareTable, Spent, parse_fare_table
from tongka.store.db import Database
from tongka.store.taps import Rider, columns_of
from tongka.trips import TradeState

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
        *columns([turn.spending_row for turn in turns], 9),
        *columns([astuple(turn.rider) + astuple(trip) for turn in turns for trip in turn.trips], 16),
        *columns([astuple(turn.rider) + astuple(tap) for turn in turns for tap in turn.taps], 7),
    )
    return made


def columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
