"""What needs two operators: one says it, another says the same. The table: 0077_administration.sql."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tongka.store.db import Database
from tongka.store.stamp import Stamp

STANDS_FOR = timedelta(days=7)
"""How long a proposal waits for another person."""
DONE_FOR = timedelta(hours=1)
"""How long either of the two may do it again, where the work broke off after they agreed."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody has said; agreed upon where another has too."""

    command: str
    contents: str
    proposed_by: str
    proposed_at: datetime
    confirmed_by: str | None = None


_EXPIRE = """
DELETE FROM proposal WHERE command = $1 AND contents = $2
    AND CASE WHEN confirmed_at IS NULL THEN proposed_at < $3 ELSE confirmed_at < $4 END
"""

_PROPOSE = """
WITH proposed AS (
    INSERT INTO proposal (command, contents, proposed_by, proposed_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING RETURNING command
)
INSERT INTO audit (at, actor, action, subject, detail) SELECT $4, $3, 'propose', command, $2 FROM proposed RETURNING id
"""

_CONFIRM = """
WITH confirmed AS (
    UPDATE proposal SET confirmed_by = $3, confirmed_at = $4
    WHERE command = $1 AND contents = $2 AND confirmed_by IS NULL AND lower(proposed_by) <> lower($3)
    RETURNING command, proposed_by
)
INSERT INTO audit (at, actor, action, subject, detail)
SELECT $4, $3, 'confirm', command, format('%s; proposed by %s', $2::text, proposed_by) FROM confirmed RETURNING id
"""

_FIND = "SELECT command, contents, proposed_by, proposed_at, confirmed_by FROM proposal"


async def say(database: Database, command: str, contents: str, stamp: Stamp) -> Proposal:
    """Say it; where another has said the same before, it is agreed upon. Saying it again changes nothing."""
    said = (command, contents)
    async with database.transaction() as connection:
        await connection.execute(_EXPIRE, *said, stamp.at - STANDS_FOR, stamp.at - DONE_FOR)
        if await connection.fetchval(_PROPOSE, *said, stamp.actor, stamp.at) is None:
            await connection.fetchval(_CONFIRM, *said, stamp.actor, stamp.at)
        row = await connection.fetchrow(f"{_FIND} WHERE command = $1 AND contents = $2", *said)
    if row is None:
        raise AssertionError  # it was made above, or was there
    return Proposal(*row)


async def waiting(database: Database, since: datetime) -> list[Proposal]:
    """Those that wait for another person, made after a moment; the oldest first."""
    rows = await database.read(
        f"{_FIND} WHERE confirmed_by IS NULL AND proposed_at > $1 ORDER BY proposed_at, command",
        since,
    )
    return [Proposal(*row) for row in rows]
