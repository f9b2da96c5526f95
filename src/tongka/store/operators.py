"""The people who act at the command line with money. The table: 0015_operators.sql."""

from dataclasses import dataclass, field

from tongka.errors import Refused, UnknownParty
from tongka.store.db import Database
from tongka.store.stamp import Stamp


@dataclass(frozen=True, slots=True)
class Operator:
    """One row."""

    name: str
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    active: bool = True
    saved_by: str | None = None


FIRST = 2
"""So many operators are let in with nobody to ask: the first, and the one whom he needs beside him."""

# Free: the first two, his own new passphrase, and where one person is enough. Anybody else waits for another.
_SAVE = """
WITH saving AS (
    SELECT $5 OR lower($1) = lower($4) AND EXISTS (SELECT FROM operator WHERE lower(name) = lower($1) AND active)
        OR NOT EXISTS (SELECT FROM operator WHERE lower(name) = lower($1)) AND (SELECT count(*) FROM operator) < $6
        AS free
), saved AS (
    INSERT INTO operator (name, salt, digest, active, saved_by, saved_at)
    SELECT $1, $2, $3, free, CASE WHEN NOT free THEN $4 END, $7 FROM saving
    ON CONFLICT (lower(name)) DO UPDATE SET salt = excluded.salt, digest = excluded.digest,
        active = excluded.active, saved_by = excluded.saved_by, saved_at = excluded.saved_at
    RETURNING name, active
), unlocked AS (
    DELETE FROM wrong_guess USING saved WHERE scope = 'operator ' || lower(saved.name)
)
SELECT active FROM saved
"""

_SET_ACTIVE = """
UPDATE operator SET active = $2, saved_by = CASE WHEN NOT $2 THEN saved_by END
WHERE lower(name) = lower($1) AND ($4 OR NOT $2 OR saved_by IS NULL OR lower(saved_by) <> lower($3)) RETURNING name
"""

_UNLOCK = """
WITH lifted AS (DELETE FROM wrong_guess WHERE scope = 'operator ' || lower($1) RETURNING scope)
INSERT INTO audit (at, actor, action, subject, detail) SELECT $2, $3, 'unlock operator', $1, scope FROM lifted
"""

_COLUMNS = "name, salt, digest, active, saved_by"


class SecondOperatorNeeded(Refused):
    """Who saved an operator does not let him in too."""

    code = "second_operator_needed"


async def find(database: Database, name: str) -> Operator | None:
    """An operator, active or not, whatever the case of the name."""
    row = await database.read_row(f"SELECT {_COLUMNS} FROM operator WHERE lower(name) = lower($1)", name)  # noqa: S608 - ours
    return Operator(*row) if row else None


async def every(database: Database) -> list[Operator]:
    """All operators, by name."""
    rows = await database.read(f"SELECT {_COLUMNS} FROM operator ORDER BY name")  # noqa: S608 - ours
    return [Operator(*row) for row in rows]


async def save(database: Database, operator: Operator, stamp: Stamp, *, alone: bool = False) -> bool:
    """Add an operator, or give one a new passphrase, which lifts the lock of wrong ones; whether he may act at once.

    He may if he is one of the first two, if it is his own new passphrase, or `alone`: where one person is enough.
    """
    secrets = (operator.name, operator.salt, operator.digest)
    return bool(await database.fetchval(_SAVE, *secrets, stamp.actor, alone, FIRST, stamp.at))


async def set_active(database: Database, name: str, stamp: Stamp, *, active: bool, alone: bool = False) -> None:
    """Let an operator act, or not.

    Raises:
        UnknownParty: there is no such operator.
        SecondOperatorNeeded: who saved him does not let him in too.

    """
    if await database.fetchval(_SET_ACTIVE, name, active, stamp.actor, alone) is not None:
        return
    if await find(database, name) is None:
        raise UnknownParty("operator", name)
    raise SecondOperatorNeeded(f"{stamp.actor} has saved operator {name}; another operator lets him in")


async def unlock(database: Database, name: str, stamp: Stamp) -> None:
    """Lift the lock of too many wrong passphrases."""
    await database.execute(_UNLOCK, name, stamp.at, stamp.actor)
