"""The audit trail after a dump was restored: what is unsealed is sealed, and numbers to come are lifted above all."""

import json
from dataclasses import dataclass
from datetime import datetime

from tongka.audit import Entry, Seal
from tongka.errors import Refused
from tongka.store.audit import BATCH_MAX, COLUMNS, NEW_ROW, lock_sealing, seal_after
from tongka.store.audit_epochs import begin, standing
from tongka.store.db import Database
from tongka.store.leases import Leased

CONTINUED = "audit.continue"
NAMED_MAX = 100
"""Rows that the entry of a new epoch names one by one."""

_TOP = "SELECT greatest($1, (SELECT max(txid) + 1 FROM audit))"

_UNSEALED = f"""
WITH sealed AS (SELECT unnest(ids) AS id FROM audit_seal)
SELECT {COLUMNS} FROM audit a
WHERE a.txid < $1 AND NOT EXISTS (SELECT FROM sealed s WHERE s.id = a.id)
ORDER BY a.id LIMIT $2
"""  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class Continued:
    """What beginning an epoch has done: `sealed` rows were not sealed, of which `late` stood below the horizon."""

    epoch: int
    seals: list[Seal]
    sealed: int
    late: int


async def continue_here(database: Database, at: datetime, actor: str) -> Continued:
    """Begin an epoch on this server: seal every row that is in no seal, and lift the numbers to come above all.

    Raises:
        Refused: the trail goes on by itself here, and rows that are missing in it are nobody's to seal afterwards.
        Misconfigured: the role is not the owner of the tables.

    """
    async with database.transaction(unhurried=True) as connection:
        await lock_sealing(connection)
        await connection.execute("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE")
        before = await standing(connection)
        if not before.broken:
            raise Refused("this is the server that the audit trail was written on; it goes on by itself")
        top = await connection.fetchval(_TOP, before.horizon)
        base = max(0, top - before.oldest)
        await connection.execute(
            f"ALTER TABLE audit ALTER txid SET DEFAULT pg_current_xact_id()::text::bigint + {base:d}"
        )
        epoch = await begin(connection, before, base, at)
        seals, rows = await _seal_unsealed(connection, at, top)
        late = [row.id for row in rows if row.txid < before.horizon]
        detail = {
            "server": before.here_server, "was": before.server, "base": base, "sealed": len(rows),
            "late": len(late), "late_rows": late[:NAMED_MAX],
        }  # fmt: skip
        await connection.execute(NEW_ROW, at, actor, CONTINUED, str(epoch), json.dumps(detail))
        return Continued(epoch, seals, len(rows), len(late))


async def _seal_unsealed(connection: Leased, at: datetime, horizon: int) -> tuple[list[Seal], list[Entry]]:
    """All of them, by their ids; nobody writes meanwhile, and every number so far is below the horizon."""
    seals: list[Seal] = []
    rows: list[Entry] = []
    while batch := [Entry(**row) for row in await connection.fetch(_UNSEALED, horizon, BATCH_MAX)]:
        seals.append(await seal_after(connection, horizon, batch, at))
        rows += batch
    return seals, rows
