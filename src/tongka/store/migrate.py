"""The schema's history: files `NNNN_name.sql` in `migrations/`, applied in order, each in its own transaction.

Plain SQL and this page, rather than a library: what runs is what stands in the file. A file that was applied never
changes afterwards (its checksum is recorded), and numbers only grow.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from tongka.errors import Misconfigured
from tongka.store.db import Database

LOCK = 0x746F_6E67
"""The advisory lock that keeps two upgrades apart."""

_FILE = re.compile(r"([0-9]{4})_([a-z0-9_]+)\.sql")

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number      int PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)
"""

_SERVING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'tongka%'
  AND application_name <> current_setting('application_name')
"""
"""Sessions name their process and version; commands are not counted, nor we."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"


@dataclass(frozen=True, slots=True)
class Applied:
    """A row of `schema_migration`."""

    name: str
    checksum: str
    at: datetime


@cache
def migrations() -> tuple[Migration, ...]:
    """Those of this version, in order."""
    folder = files("tongka.store").joinpath("migrations")
    named = {file: match for file in folder.iterdir() if (match := _FILE.fullmatch(file.name))}
    found = [Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")) for file, match in named.items()]
    return tuple(sorted(found, key=lambda migration: migration.number))


async def applied(database: Database) -> Mapping[int, Applied]:
    """What the database has recorded, by number."""
    if not await database.read_value("SELECT to_regclass('schema_migration') IS NOT NULL"):
        return {}
    rows = await database.read("SELECT number, name, checksum, applied_at FROM schema_migration")
    return {row["number"]: Applied(row["name"], row["checksum"], row["applied_at"]) for row in rows}


def pending(known: Iterable[Migration], recorded: Mapping[int, Applied]) -> list[Migration]:
    """What is still to be applied.

    Raises:
        Misconfigured: the database and this version of the software do not belong together; says how.

    """
    known = list(known)
    for migration in known:
        record = recorded.get(migration.number)
        if record and record.checksum != migration.checksum:
            raise Misconfigured(f"migration {migration} was changed after it was applied; restore the file as released")
    if unknown := recorded.keys() - {migration.number for migration in known}:
        newest = recorded[max(unknown)].name
        raise Misconfigured(f"the database is newer than this software (it has {newest!r}); install the newer release")
    todo = [migration for migration in known if migration.number not in recorded]
    if todo and recorded and todo[0].number < max(recorded):
        raise Misconfigured(f"migration {todo[0]} is older than what the database has; give it a number above the last")
    return todo


async def upgrade(
    database: Database,
    known: Iterable[Migration] | None = None,
    on_applied: Callable[[Migration], None] = lambda _: None,
) -> list[Migration]:
    """Apply what is pending; answers what was applied. Upgrades at the same time wait for each other."""
    done: list[Migration] = []
    while migration := await _apply_next(database, migrations() if known is None else known):
        done.append(migration)
        on_applied(migration)
    return done


async def _apply_next(database: Database, known: Iterable[Migration]) -> Migration | None:
    async with database.transaction(unhurried=True) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(_TABLE)
        rows = await connection.fetch("SELECT number, name, checksum, applied_at FROM schema_migration")
        recorded = {row["number"]: Applied(row["name"], row["checksum"], row["applied_at"]) for row in rows}
        todo = pending(known, recorded)
        if not todo:
            return None
        await connection.execute(todo[0].sql)
        await connection.execute(
            "INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3)",
            todo[0].number, todo[0].name, todo[0].checksum,
        )  # fmt: skip
        return todo[0]


async def others_at_work(database: Database) -> int:
    """How many sessions of serving processes there are: they would fail on tables that change under them."""
    count: int = await database.read_value(_SERVING)
    return count


async def require_current(database: Database) -> None:
    """Refuse to serve on a schema that is not this version's.

    Raises:
        Misconfigured: something is pending; names the command.

    """
    if todo := pending(migrations(), await applied(database)):
        raise Misconfigured(f"the database lacks {len(todo)} migrations, from {todo[0]} on; run `tongka db upgrade`")
