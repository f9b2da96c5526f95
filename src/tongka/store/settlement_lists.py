"""Settlement lists of closed days, and what came of comparing them with partners' own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tongka.reconcile import Difference, Line
from tongka.store.db import Database
from tongka.store.stamp import Stamp

_LINES = """
SELECT business_date, role, party, to_char(min(posted_at) AT TIME ZONE 'Asia/Shanghai', 'HH24:MI:SS') AS time, kind,
    order_no, their_no, CASE WHEN role = 'payments' THEN '' ELSE card_no END AS card_no, channel, account,
    sum(amount_fen)::bigint AS amount_fen
FROM settlement_leg WHERE business_date = $1 AND role = $2 AND party = $3
GROUP BY business_date, role, party, line, kind, order_no, their_no, card_no, channel, account
ORDER BY min(id), kind, account
"""

_PARTNERS = """
SELECT role, party, sum(lines)::bigint, sum(amount_fen)::bigint FROM day_figure
WHERE business_date = $1 GROUP BY role, party ORDER BY role, party
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of a day: how many lines, and what they come to; above zero the partner owes us."""

    role: str
    party: str
    lines: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class NotedDifference:
    """A difference on record; `resolved_by` is empty while it is open."""

    id: int
    business_date: date
    role: str
    party: str
    kind: str
    number: str
    what: str
    ours_fen: int
    theirs_fen: int
    found_at: datetime
    resolved_by: str
    note: str


async def partners(database: Database, day: date) -> list[Listed]:
    """Whom a closed day has lists of."""
    return [Listed(*row) for row in await database.read(_PARTNERS, day)]


async def lines(database: Database, day: date, role: str, party: str) -> list[Line]:
    """A partner's list, in the order in which it came about."""
    return [Line(*row) for row in await database.read(_LINES, day, role, party)]


_NOTE = """
WITH found AS (
    SELECT * FROM unnest($4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[])
        AS f (kind, number, what, ours_fen, theirs_fen)
), noted AS (
    INSERT INTO list_difference (business_date, role, party, kind, number, what, ours_fen, theirs_fen, found_at)
    SELECT $1, $2, $3, kind, number, what, ours_fen, theirs_fen, $9 FROM found
    ON CONFLICT ON CONSTRAINT difference_noted_once DO NOTHING
), agreed AS (
    UPDATE list_difference d SET resolved_at = $9, resolved_by = $10, note = 'a later list agrees'
    WHERE (d.business_date, d.role, d.party) = ($1, $2, $3) AND d.resolved_at IS NULL AND NOT EXISTS (
        SELECT FROM found f WHERE (f.kind, f.number, f.what, f.ours_fen, f.theirs_fen)
                                = (d.kind, d.number, d.what, d.ours_fen, d.theirs_fen))
)
INSERT INTO audit (at, actor, action, subject, detail)
SELECT $9, $10, 'compare list', concat_ws(' ', $1::date, $2, $3), count(*) || ' differences' FROM found
"""

_DIFFERENCES = """
SELECT id, business_date, role, party, kind, number, what, ours_fen, theirs_fen, found_at, resolved_by, note
FROM list_difference
"""


async def note(
    database: Database, key: tuple[date, str, str], found: Sequence[Difference], stamp: Stamp
) -> list[NotedDifference]:
    """Write differences down; those noted before that are gone are resolved. Answers those of this list still open.

    `key`: day, role and party of the list.
    """
    parts = [(one.kind, one.number, one.what.value, one.ours_fen, one.theirs_fen) for one in found]
    columns = list(map(list, zip(*parts, strict=True))) or [[]] * 5
    await database.execute(_NOTE, *key, *columns, stamp.at, stamp.actor)
    rows = await database.read(
        f"{_DIFFERENCES} WHERE (business_date, role, party) = ($1, $2, $3) AND resolved_at IS NULL ORDER BY id", *key
    )
    return [NotedDifference(*row) for row in rows]


async def differences(database: Database, *, every: bool, limit: int) -> list[NotedDifference]:
    """Those that are open, or every one, the latest first."""
    rows = await database.read(
        f"{_DIFFERENCES} WHERE $1 OR resolved_at IS NULL ORDER BY business_date DESC, id LIMIT $2", every, limit
    )
    return [NotedDifference(*row) for row in rows]


_RESOLVE = """
WITH resolved AS (
    UPDATE list_difference SET resolved_at = $2, resolved_by = $3, note = $4 WHERE id = $1 AND resolved_at IS NULL
    RETURNING id, number
)
INSERT INTO audit (at, actor, action, subject, detail)
SELECT $2, $3, 'resolve difference', id::text, number || ': ' || $4 FROM resolved RETURNING id
"""


async def resolve(database: Database, number: int, text: str, stamp: Stamp) -> bool:
    """Say what came of an open difference; False if there is none of that number."""
    return await database.fetchval(_RESOLVE, number, stamp.at, stamp.actor, text) is not None
