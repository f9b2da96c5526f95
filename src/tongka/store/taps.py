"""Taps: what uploaded records say, from the reading of a journal to the trip that a tap belongs to."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from tongka.days import ZONE
from tongka.store.db import Database
from tongka.store.gates import Gate
from tongka.trips import GateRole, Tap


@dataclass(frozen=True, slots=True, order=True)
class Rider:
    """A user, with the card that he rides with; both texts are empty for plain payment by code."""

    user_id: str
    card_type: str
    card_no: str


@dataclass(frozen=True, slots=True)
class NewTap:
    """A record that could be read."""

    user_id: str
    card_type: str
    card_no: str
    at: datetime
    record_id: str
    serial: int
    code: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that could not."""

    serial: int
    code: str
    reason: str


_STORE = """
WITH read AS (
    UPDATE gate SET next_reading = $3,
                    read_until = greatest(read_until, (SELECT max(at) FROM unnest($7::timestamptz[]) AS at))
    WHERE gate_id = $1 AND next_reading = $2
    RETURNING gate_id, service, station, vehicle, role
), inserted AS (
    INSERT INTO tap (user_id, card_type, card_no, at, gate_id, record_id, serial, code,
                     service, station, vehicle, role, late, look_at)
    SELECT new.user_id, new.card_type, new.card_no, new.at, read.gate_id, new.record_id, new.serial, new.code,
           read.service, read.station, read.vehicle, read.role, new.at <= (SELECT moved_to FROM watermark), new.at
    FROM read, unnest($4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::bigint[], $10::bytea[])
        AS new (user_id, card_type, card_no, at, record_id, serial, code)
    ON CONFLICT (user_id, gate_id, record_id) DO NOTHING
    RETURNING serial
), repeated AS (
    SELECT serial, 'record_id_repeated' AS code, 'this record id of the gate was read before' AS reason
    FROM unnest($9::bigint[]) AS sent (serial) WHERE EXISTS (SELECT FROM read)
    EXCEPT ALL SELECT serial, 'record_id_repeated', 'this record id of the gate was read before' FROM inserted
), refused AS (
    INSERT INTO gate_record_refused (gate_id, serial, code, reason, at)
    SELECT read.gate_id, bad.serial, bad.code, bad.reason, $14 FROM read,
        (SELECT * FROM unnest($11::bigint[], $12::text[], $13::text[]) AS one (serial, code, reason)
         UNION ALL SELECT * FROM repeated) AS bad
)
SELECT count(*) FROM inserted
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the next records of a gate's journal say, up to and with serial `upto`."""

    taps: Sequence[NewTap]
    bad: Sequence[Unreadable]
    upto: int


async def store(database: Database, gate: Gate, reading: Reading, now: datetime) -> int:
    """Remember what a gate's records say; how many taps were new.

    One statement moves the gate's reading place on and stores what was read; if another worker has done so meanwhile,
    nothing happens.
    """
    columns = list(zip(*map(astuple, reading.taps), strict=True)) or [()] * 7
    wrong = list(zip(*map(astuple, reading.bad), strict=True)) or [()] * 3
    new: int = await database.fetchval(
        _STORE, gate.gate_id, gate.next_reading, reading.upto + 1, *map(list, columns), *map(list, wrong), now
    )
    return new


# --- the watermark ----------------------------------------------------------------------------------------------------

_WATERMARK = """
WITH told AS (
    SELECT least($2::timestamptz, min(
        CASE WHEN next_reading < next_serial THEN read_until - interval '1 s'
             ELSE greatest(read_until - interval '1 s', told_until, $1::timestamptz) END)) AS until
    FROM gate WHERE active
), moved AS (
    UPDATE watermark SET moved_to = told.until FROM told WHERE watermark.moved_to < told.until
)
SELECT greatest(watermark.moved_to, told.until) FROM watermark, told
"""
"""A journal runs with time: what a gate has not told yet is not older than what was read, but may be of that second."""


async def move_watermark(database: Database, oldest: datetime, now: datetime) -> datetime:
    """Move the watermark to the moment up to which every active gate has told everything, and that was read.

    Gates are not waited for beyond `oldest`, unless they did upload and it is only not read yet.
    """
    moved: datetime = await database.fetchval(_WATERMARK, oldest, now)
    return moved


async def watermark(database: Database) -> datetime:
    """Up to where trips were made."""
    found: datetime = await database.read_value("SELECT moved_to FROM watermark")
    return found


# --- riders with open taps --------------------------------------------------------------------------------------------

_WAITING = """
SELECT DISTINCT user_id, card_type, card_no FROM tap
WHERE state = 'open' AND look_at <= $1 AND (user_id, card_type, card_no) > ($2, $3, $4)
ORDER BY user_id, card_type, card_no LIMIT $5
"""

_OPEN = """
SELECT user_id, card_type, card_no, at, gate_id, record_id, code, service, station, role, late, vehicle,
       EXISTS (SELECT FROM tap other WHERE other.user_id = tap.user_id AND other.code = tap.code
                                       AND other.state = 'trip') AS used
FROM tap JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked (user_id, card_type, card_no)
    USING (user_id, card_type, card_no)
WHERE state = 'open' AND at <= $4
"""


async def riders_with_open_taps(database: Database, until: datetime, after: Rider, limit: int) -> list[Rider]:
    """Riders beyond `after` of whose open taps one has its turn by `until`."""
    rows = await database.read(_WAITING, until, *astuple(after), limit)
    return [Rider(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class OpenTap:
    """A tap that belongs to no trip yet; `used`: its code belongs to one already."""

    tap: Tap
    late: bool
    used: bool
    vehicle: str


async def open_taps(database: Database, riders: Sequence[Rider], until: datetime) -> dict[Rider, list[OpenTap]]:
    """The open taps up to `until`, by rider."""
    found: dict[Rider, list[OpenTap]] = {rider: [] for rider in riders}
    for row in await database.read(_OPEN, *columns_of(riders), until):
        parts = dict(row)
        rider = Rider(parts.pop("user_id"), parts.pop("card_type"), parts.pop("card_no"))
        found[rider].append(_open_tap(**parts))
    return found


def _open_tap(*, at: datetime, role: str, late: bool, used: bool, vehicle: str, **parts: Any) -> OpenTap:
    return OpenTap(Tap(at=int(at.timestamp()), role=GateRole(role), **parts), late, used, vehicle)


def columns_of(riders: Sequence[Rider]) -> list[list[str]]:
    """Users, card types and numbers, as `unnest` takes them."""
    return [[r.user_id for r in riders], [r.card_type for r in riders], [r.card_no for r in riders]]


def moment(at: int) -> datetime:
    """Unix seconds as the database's moments."""
    return datetime.fromtimestamp(at, ZONE)
