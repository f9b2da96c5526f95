"""The installation's own mark in the database, and what its key store has to hold."""

from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

import asyncpg

from tongka.errors import Misconfigured
from tongka.installation import Installation, Stamp, keys_complaint, mode_complaint, new_keys
from tongka.store.db import Database

_READ = """
SELECT id::text, mode, since, ARRAY(SELECT label FROM installation_key ORDER BY label),
       ARRAY(SELECT fingerprint FROM installation_key ORDER BY label)
FROM installation
"""

_MODE = "SELECT id::text, mode, since FROM installation"

_FIRST = """
WITH stamped AS (
    INSERT INTO installation (id, mode, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id, mode
), kept AS (
    INSERT INTO installation_key (label, fingerprint, since)
    SELECT label, fingerprint, $3 FROM unnest($4::text[], $5::text[]) AS key (label, fingerprint), stamped
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $3, $6, 'stamp installation', id::text, mode || ', ' || cardinality($4) || ' keys' FROM stamped
)
SELECT count(*) FROM stamped
"""

_ADD = """
WITH kept AS (
    INSERT INTO installation_key (label, fingerprint, since)
    SELECT label, fingerprint, $1 FROM unnest($2::text[], $3::text[]) AS key (label, fingerprint)
    ON CONFLICT (label) DO UPDATE SET fingerprint = excluded.fingerprint, since = excluded.since
        WHERE installation_key.fingerprint = ''
    RETURNING label, fingerprint
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $1, $4, 'key added', label, left(fingerprint, 66) FROM kept
)
SELECT count(*) FROM kept
"""

_EXCHANGE = """
WITH gone AS (
    DELETE FROM installation_key WHERE label <> ALL ($2::text[]) RETURNING label, fingerprint
), kept AS (
    INSERT INTO installation_key (label, fingerprint, since)
    SELECT label, fingerprint, $1 FROM unnest($2::text[], $3::text[]) AS key (label, fingerprint)
    ON CONFLICT (label) DO UPDATE SET fingerprint = excluded.fingerprint, since = excluded.since
        WHERE installation_key.fingerprint <> excluded.fingerprint
    RETURNING label, fingerprint
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $1, $4, 'key gone', label, left(fingerprint, 66) FROM gone
    UNION ALL
    SELECT $1, $4, 'key accepted', label, left(fingerprint, 66) FROM kept
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept)
"""


async def read(database: Database) -> Stamp | None:
    """The stamp; None on a database that nobody has stamped yet."""
    row = await _find(database, _READ)
    return Stamp(Installation(*row[:3]), dict(zip(row[3], row[4], strict=True))) if row else None


async def require_mode(database: Database, mode: str) -> None:
    """Refuse a database of the other mode; one that is not stamped, or has no schema yet, is nobody's.

    Raises:
        Misconfigured: says which it is, and the remedy.

    """
    row = await _find(database, _MODE)
    if row and (complaint := mode_complaint(Installation(*row), mode)):
        raise Misconfigured(complaint)


async def recognise(database: Database, mode: str, held: Mapping[str, str], at: datetime) -> Installation:
    """Compare mode and key store with the stamp; a database without one gets it, and keys that are new are added.

    Raises:
        Misconfigured: another mode, or another key store; says the remedy.

    """
    stamp = await read(database)
    if stamp is None:
        await database.fetchval(_FIRST, str(uuid4()), mode, at, *_columns(held), database.actor)
        stamp = await read(database)
    if stamp is None:
        raise Misconfigured("the database does not keep its stamp; look at its table installation")
    found = (mode_complaint(stamp.installation, mode), keys_complaint(stamp.keys, held))
    if any(found):
        raise Misconfigured("\n".join(filter(None, found)))
    if new := new_keys(stamp.keys, held):
        await database.fetchval(_ADD, at, *_columns(new), database.actor)
    return stamp.installation


async def accept(database: Database, held: Mapping[str, str], at: datetime) -> int:
    """Make a key store the installation's; how many keys are new, other or gone. Each is audited."""
    changed: int = await database.fetchval(_EXCHANGE, at, *_columns(held), database.actor)
    return changed


async def _find(database: Database, sql: str) -> asyncpg.Record | None:
    """The row; none either where there is no schema yet."""
    try:
        return await database.read_row(sql)
    except asyncpg.UndefinedTableError:
        return None


def _columns(keys: Mapping[str, str]) -> tuple[list[str], list[str]]:
    return list(keys), list(keys.values())
