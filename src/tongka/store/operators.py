"""The people who act at the command line with money. The table: 0015_operators.sql."""

from dataclasses import dataclass, field

from tongka.errors import UnknownParty
from tongka.store.db import Database
from tongka.store.stamp import Stamp


@dataclass(frozen=True, slots=True)
class Operator:
    """One row."""

    name: str
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    active: bool = True


_SAVE = """
WITH saved AS (
    INSERT INTO operator (name, salt, digest) VALUES ($1, $2, $3)
    ON CONFLICT (lower(name)) DO UPDATE SET salt = excluded.salt, digest = excluded.digest, active = true
    RETURNING name
)
INSERT INTO audit (at, actor, action, subject) SELECT $4, $5, 'save operator', name FROM saved
"""

_SET_ACTIVE = """
WITH changed AS (UPDATE operator SET active = $2 WHERE lower(name) = lower($1) RETURNING name, active)
INSERT INTO audit (at, actor, action, subject)
SELECT $3, $4, CASE WHEN active THEN 'activate operator' ELSE 'deactivate operator' END, name FROM changed RETURNING id
"""


async def find(database: Database, name: str) -> Operator | None:
    """An operator, active or not, whatever the case of the name."""
    row = await database.read_row("SELECT name, salt, digest, active FROM operator WHERE lower(name) = lower($1)", name)
    return Operator(*row) if row else None


async def every(database: Database) -> list[Operator]:
    """All operators, by name."""
    rows = await database.read("SELECT name, salt, digest, active FROM operator ORDER BY name")
    return [Operator(*row) for row in rows]


async def save(database: Database, operator: Operator, stamp: Stamp) -> None:
    """Add an operator, or give one a new passphrase; he is active from now on."""
    await database.execute(_SAVE, operator.name, operator.salt, operator.digest, stamp.at, stamp.actor)


async def set_active(database: Database, name: str, stamp: Stamp, *, active: bool) -> None:
    """Let an operator act, or not.

    Raises:
        UnknownParty: there is no such operator.

    """
    if await database.fetchval(_SET_ACTIVE, name, active, stamp.at, stamp.actor) is None:
        raise UnknownParty("operator", name)
