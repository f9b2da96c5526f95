"""Damage to the books that a check has to find: each in a transaction of its own that is taken back."""

from collections.abc import Iterable, Mapping

from tongka.store.check import Check
from tongka.store.db import Database


async def missed(
    database: Database, checks: Iterable[Check], damage: Mapping[str, Iterable[str]]
) -> list[tuple[str, str]]:
    """What was not found: done as somebody would who owns the database, with triggers asleep. `damage`: by check."""
    queries = {one.name: one.sql for one in checks}
    left = []
    for name, statements in damage.items():
        for statement in statements:
            async with database.transaction() as connection:
                await connection.execute("SAVEPOINT whole; SET LOCAL session_replication_role = replica")
                await connection.execute(statement)
                if not await connection.fetch(queries[name]):
                    left.append((name, statement))
                await connection.execute("ROLLBACK TO whole")
    return left
