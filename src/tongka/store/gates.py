"""Gates, and the journals that they upload.

A gate numbers its records from 1 on, and its journal is stored without gaps: what is sent twice is compared with what
is there, what would leave a gap is refused with the number to go on from. So an upload can break anywhere and be
repeated, whole or in part, and new records go straight from the wire into the table with COPY.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from tongka.errors import Refused, RepeatedWithOtherContents, UnknownParty
from tongka.store.db import Database
from tongka.store.leases import Leased

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Gate:
    """One row; the columns' meaning stands beside them in 0030_merchant.sql."""

    gate_id: str
    service: str
    station: str
    role: str
    vehicle: str = ""
    active: bool = True
    next_serial: int = 1
    next_reading: int = 1
    read_until: datetime = EPOCH
    told_until: datetime = EPOCH

    @property
    def heard_until(self) -> datetime:
        """Up to where the gate has told everything."""
        return max(self.read_until, self.told_until)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """How an upload ended: `stored` were new, `known` were there before, `next` is what the gate sends next."""

    stored: int
    known: int
    next: int


class JournalGap(Refused):
    """Records before these were not uploaded yet; `next` is the serial to go on from."""

    code = "journal_gap"

    def __init__(self, expected: int, first: int) -> None:
        super().__init__(f"records {expected} to {first - 1} are missing; go on from {expected}")
        self.next = expected


_COLUMNS = ("gate_id", "serial", "record", "received_at")
_NAMES = ", ".join(field.name for field in fields(Gate))
_ALL = f"SELECT {_NAMES} FROM gate ORDER BY gate_id"  # noqa: S608 - our own constants
_BY_TOKEN = f"SELECT {_NAMES} FROM gate WHERE token_digest = $1 AND active"  # noqa: S608 - our own constants

_SAVE = """
INSERT INTO gate (gate_id, service, station, role, vehicle, token_digest)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
ON CONFLICT (gate_id) DO UPDATE SET
    service = excluded.service, station = excluded.station, role = excluded.role, vehicle = excluded.vehicle,
    token_digest = excluded.token_digest, active = true
"""


async def save(database: Database, gates: Sequence[tuple[Gate, bytes]]) -> None:
    """Add gates with the SHA-256 of their tokens, or replace what they are; their journals stay. All or none."""
    rows = [(gate.gate_id, gate.service, gate.station, gate.role, gate.vehicle, digest) for gate, digest in gates]
    if rows:
        await database.execute(_SAVE, *map(list, zip(*rows, strict=True)))


async def every(database: Database) -> list[Gate]:
    return [Gate(*row) for row in await database.read(_ALL)]


async def by_token(database: Database, digest: bytes) -> Gate | None:
    """The active gate whose token has this SHA-256. A token has 256 random bits: finding one by guessing the digest
    bit by bit is not to be had from an index.
    """
    row = await database.read_row(_BY_TOKEN, digest)
    return Gate(*row) if row else None


async def set_active(database: Database, gate_id: str, *, active: bool) -> None:
    """Take a gate out of service, or back in; out of service it may not upload and nothing waits for it.

    Raises:
        UnknownParty: there is none of this name.

    """
    if await database.execute("UPDATE gate SET active = $2 WHERE gate_id = $1", gate_id, active) == "UPDATE 0":
        raise UnknownParty("gate", gate_id)


# --- uploads ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """Records `first`, `first` + 1, … of a gate's journal.

    Attributes:
        told_until: everything up to and with this moment is uploaded with this part; None says nothing.

    """

    first: int
    records: Sequence[bytes]
    told_until: datetime | None = None


async def append(database: Database, gate_id: str, part: Part, now: datetime) -> Uploaded:
    """Store a part of a gate's journal; what is there already is compared.

    Raises:
        JournalGap: `first` lies beyond what is next.
        RepeatedWithOtherContents: a serial was uploaded before with another record.

    """
    first, records = part.first, part.records
    async with database.transaction() as connection:
        expected = await connection.fetchval("SELECT next_serial FROM gate WHERE gate_id = $1 FOR UPDATE", gate_id)
        if first > expected:
            raise JournalGap(expected, first)
        known = min(expected - first, len(records))
        await _compare(connection, gate_id, first, records[:known])
        new = [(gate_id, first + nth, records[nth], now) for nth in range(known, len(records))]
        if new:
            await connection.copy_records_to_table("gate_record", records=new, columns=_COLUMNS)
        after: int = await connection.fetchval(
            "UPDATE gate SET next_serial = next_serial + $2, told_until = greatest(told_until, $3)"
            " WHERE gate_id = $1 RETURNING next_serial",
            gate_id,
            len(new),
            part.told_until,
        )
    return Uploaded(len(new), known, after)


async def _compare(connection: Leased, gate_id: str, first: int, records: Sequence[bytes]) -> None:
    if not records:
        return
    other = await connection.fetchval(
        "SELECT min(serial) FROM unnest($2::bigint[], $3::bytea[]) AS sent (serial, record)"
        " JOIN gate_record AS stored USING (serial) WHERE stored.gate_id = $1 AND stored.record <> sent.record",
        gate_id,
        list(range(first, first + len(records))),
        list(records),
    )
    if other is not None:
        raise RepeatedWithOtherContents(f"record {other} of gate {gate_id} was uploaded before with other contents")


async def refused_count(database: Database) -> int:
    """How many records could not be read, or repeat a record id."""
    found: int = await database.read_value("SELECT count(*) FROM gate_record_refused")
    return found


@dataclass(frozen=True, slots=True)
class Unread:
    """A record that waits to be read."""

    serial: int
    record: bytes


async def unread(database: Database, gate: Gate, limit: int) -> list[Unread]:
    """The next records of a gate's journal that were not read yet."""
    rows = await database.read(
        "SELECT serial, record FROM gate_record WHERE gate_id = $1 AND serial >= $2 ORDER BY serial LIMIT $3",
        gate.gate_id,
        gate.next_reading,
        limit,
    )
    return [Unread(*row) for row in rows]


# --- what gates verify with -------------------------------------------------------------------------------------------

_KEYS_VERSION = """
INSERT INTO gate_keys_version AS known (version, digest, at) VALUES (1, $1, $2)
ON CONFLICT (only_one) DO UPDATE SET version = known.version + 1, digest = excluded.digest, at = excluded.at
WHERE known.digest <> excluded.digest
"""


async def keys_version(database: Database, digest: bytes, now: datetime) -> tuple[int, datetime]:
    """The version of keys and card types of that digest, and since when; another digest than the last is a new one."""
    known = "SELECT version, at FROM gate_keys_version WHERE digest = $1"
    row = await database.read_row(known, digest)
    if row is None:
        await database.execute(_KEYS_VERSION, digest, now)
        row = await database.fetchrow("SELECT version, at FROM gate_keys_version")
    if row is None:
        raise AssertionError  # it was written just now
    return row["version"], row["at"]
