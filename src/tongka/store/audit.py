"""The audit trail in PostgreSQL: writing by hand, sealing, verifying, exporting.

State moves insert into `audit` inside their own statement. Sealing takes the rows of transactions that have all ended
(below the snapshot's horizon), which nobody can add to any more, so it needs no lock against writers.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from datetime import datetime

import asyncpg

from tongka.audit import SEALED, Break, Entry, Seal, verify_seal
from tongka.store.audit_epochs import Standing, begin, standing
from tongka.store.db import Database
from tongka.store.leases import Leased

BATCH_MAX = 50_000
"""Rows of one seal, if transactions allow it; bounds the memory of sealing and verifying."""

BREAKS_MAX = 100

SEAL_LOCK = 0x746F_6E69
PROMOTED = "audit.promoted"

COLUMNS = "id, at, actor, action, subject, detail, txid"
_XMIN = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint + $3"
"""Below it every transaction has ended; $3 is the epoch's base."""

NEW_ROW = "INSERT INTO audit (at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)"

_LAST_SEAL = "SELECT number, horizon, ids, leaves, seal FROM audit_seal ORDER BY number DESC LIMIT 1"
_NEXT_SEAL = "SELECT number, horizon, ids, leaves, seal FROM audit_seal WHERE number > $1 ORDER BY number LIMIT 1"

_HORIZON = f"""
SELECT coalesce((
    SELECT txid + 1 FROM audit WHERE txid >= $1 AND txid < {_XMIN} ORDER BY txid OFFSET $2 LIMIT 1
), {_XMIN}) AS horizon
"""  # noqa: S608 - our own constants

_BATCH = f"SELECT {COLUMNS} FROM audit WHERE txid >= $1 AND txid < $2"  # noqa: S608 - our own constants

_STORE_SEAL = """
INSERT INTO audit_seal (number, sealed_at, horizon, ids, leaves, seal) VALUES ($1, $2, $3, $4, $5, $6)
"""

_INSERTED = """
WITH sealed_ids AS (SELECT unnest(ids) AS id FROM audit_seal)
SELECT a.id FROM audit a
WHERE a.txid < $1 AND NOT EXISTS (SELECT FROM sealed_ids s WHERE s.id = a.id)
ORDER BY a.id LIMIT $2
"""

_SEAL_ROWS = f"SELECT {COLUMNS} FROM audit WHERE action = $1 AND actor = $1 ORDER BY id"  # noqa: S608 - our own constants


async def record(database: Database, at: datetime, *, actor: str, action: str, subject: str, detail: str = "") -> None:
    """Write one row, for what happens outside of state moves: administration, sign-ins, refusals."""
    await database.execute(NEW_ROW, at, actor, action, subject, detail)


async def seal(database: Database, at: datetime) -> list[Seal]:
    """Seal what is committed and not sealed yet; answers the new seals, none if there was nothing.

    Raises:
        Misconfigured: a dump has brought the database to another server, whose transaction numbers began anew.

    """
    seals: list[Seal] = []
    while (one := await _seal_batch(database, at)) is not None:
        seals.append(one)
    return seals


async def _seal_batch(database: Database, at: datetime) -> Seal | None:
    async with database.transaction(unhurried=True) as connection:
        await lock_sealing(connection)
        now = await _noted(connection, at)
        horizon = await connection.fetchval(_HORIZON, now.horizon, BATCH_MAX - 1, now.base)
        entries = [Entry(**entry) for entry in await connection.fetch(_BATCH, now.horizon, horizon)]
        if all(entry.action == SEALED for entry in entries):
            return None
        return await seal_after(connection, horizon, entries, at)


async def _noted(connection: Leased, at: datetime) -> Standing:
    """Where the trail stands. A standby that took over, or a recovery to a point in time, is noted in it."""
    now = await standing(connection)
    now.refuse_if_broken()
    if now.timeline != now.here_timeline:
        epoch = await begin(connection, now, now.base, at)
        detail = json.dumps({"timeline": now.here_timeline, "was": now.timeline})
        await connection.execute(NEW_ROW, at, PROMOTED, PROMOTED, str(epoch), detail)
    return now


async def lock_sealing(connection: Leased) -> None:
    """One sealer at a time, until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", SEAL_LOCK)


async def seal_after(connection: Leased, horizon: int, entries: Iterable[Entry], at: datetime) -> Seal:
    """Seal rows as the batch after the last; the caller holds the lock of sealing."""
    sealed = Seal.over(_seal_of(await connection.fetchrow(_LAST_SEAL)), horizon, entries)
    await connection.execute(_STORE_SEAL, sealed.number, at, sealed.horizon, sealed.ids, sealed.leaves, sealed.digest)
    await connection.execute(NEW_ROW, at, SEALED, SEALED, str(sealed.number), sealed.digest.hex())
    return sealed


async def head(database: Database) -> Seal | None:
    """The last seal, which auditors keep."""
    return _seal_of(await database.read_row(_LAST_SEAL))


async def verify(
    database: Database, anchor: tuple[int, bytes] | None = None, on_seal: Callable[[Seal], None] = lambda _: None
) -> list[Break]:
    """Recompute every seal from the rows of today; no breaks means that nothing sealed was touched.

    Args:
        database: the database.
        anchor: a seal's number and digest as they were kept elsewhere; without one, a forger of all seals stays hidden.
        on_seal: told each batch before it is read.

    """
    breaks: list[Break] = []
    async with database.transaction(unhurried=True, snapshot=True) as connection:
        digests: dict[int, bytes] = {}
        previous: Seal | None = None
        async for one in _seals(connection):
            on_seal(one)
            breaks += verify_seal(previous, one, await _entries(connection, one))
            digests[one.number] = one.digest
            previous = one
        if previous:
            breaks += await _inserted(connection, previous)
        breaks += await _witnessed(connection, digests)
    if anchor and digests.get(anchor[0]) != anchor[1]:
        breaks.append(Break(anchor[0], None, "the seal is not the one that was kept"))
    return sorted(breaks, key=lambda one: (one.seal, one.entry or 0))[:BREAKS_MAX]


async def export(database: Database, after: int = 0) -> AsyncGenerator[Seal | Entry, None]:
    """Each seal after number `after`, followed by the rows of its batch."""
    async with database.transaction(unhurried=True, snapshot=True) as connection:
        async for one in _seals(connection, after):
            yield one
            entries = await _entries(connection, one)
            for identity in one.ids:
                if identity in entries:
                    yield entries[identity]


async def _seals(connection: Leased, after: int = 0) -> AsyncIterator[Seal]:
    while (one := _seal_of(await connection.fetchrow(_NEXT_SEAL, after))) is not None:
        yield one
        after = one.number


async def _entries(connection: Leased, one: Seal) -> dict[int, Entry]:
    rows = await connection.fetch(f"SELECT {COLUMNS} FROM audit WHERE id = ANY($1)", one.ids)  # noqa: S608 - constant
    return {row["id"]: Entry(**row) for row in rows}


async def _inserted(connection: Leased, last: Seal) -> list[Break]:
    """Rows of sealed transactions that are in no seal."""
    rows = await connection.fetch(_INSERTED, last.horizon, BREAKS_MAX)
    return [Break(last.number, row["id"], "the row was inserted after its time was sealed") for row in rows]


async def _witnessed(connection: Leased, digests: dict[int, bytes]) -> list[Break]:
    """Seals that the trail itself tells of, and that are gone or others."""
    notes = [Entry(**row) for row in await connection.fetch(_SEAL_ROWS, SEALED)]
    held = {str(number): digest.hex() for number, digest in digests.items()}
    return [
        Break(int(note.subject) if note.subject.isdecimal() else 0, note.id, "the seal this row tells of is gone")
        for note in notes
        if held.get(note.subject) != note.detail
    ]


def _seal_of(row: asyncpg.Record | None) -> Seal | None:
    return Seal(row["number"], row["horizon"], row["ids"], row["leaves"], row["seal"]) if row else None
