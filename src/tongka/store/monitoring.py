"""What monitoring reads when it is asked: nothing here is read or written on the way of a request.

The table: 0082_job_runs.sql. Each statement goes by a partial index of `orders`, so that what is done costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tongka.audit import SEALED
from tongka.store.db import Database

_STANDING = """
SELECT kind, state, count(*), min(moved_at) FROM orders WHERE state IN ('2', '6', '7', 'A') GROUP BY kind, state
UNION ALL
SELECT kind, state, count(*), min(moved_at) FROM orders WHERE state IN ('4', '9', 'C') GROUP BY kind, state
UNION ALL
SELECT kind, state, count(*), min(moved_at) FROM orders WHERE state IN ('1', '3') AND paid GROUP BY kind, state
ORDER BY 1, 2
"""

_DAYS_NOT_CLOSED = """
SELECT greatest(0, $1::date - 1 - coalesce(
    (SELECT max(business_date) FROM closed_day), (SELECT min(business_date) - 1 FROM transfer), $1::date - 1
))
"""

_UNSEALED = """
SELECT count(*), min(at) FROM audit
WHERE txid >= coalesce((SELECT horizon FROM audit_seal ORDER BY number DESC LIMIT 1), 0) AND action <> $1
"""

_SAVE = """
INSERT INTO job_run AS run (name, succeeded_at, failed_at, failures, error)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::text[])
ON CONFLICT (name) DO UPDATE SET
    succeeded_at = greatest(run.succeeded_at, excluded.succeeded_at),
    failed_at = greatest(run.failed_at, excluded.failed_at),
    failures = run.failures + excluded.failures,
    error = CASE WHEN excluded.failures > 0 THEN excluded.error ELSE run.error END
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Orders of one kind in one state that something is still to happen with."""

    kind: str
    state: str
    orders: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class JobRun:
    """A job: when it last succeeded and failed, how often it failed; of `save`, since the last time."""

    name: str
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    failures: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Unsealed:
    """Audit rows that no seal covers yet."""

    rows: int
    oldest: datetime | None


async def standing(database: Database) -> list[Standing]:
    """Orders that are undecided, under way, or paid and not on the card."""
    return [Standing(*row) for row in await database.read(_STANDING)]


async def days_not_closed(database: Database, today: date) -> int:
    """Business days before this one whose books are still open."""
    days: int = await database.read_value(_DAYS_NOT_CLOSED, today)
    return days


async def unsealed(database: Database) -> Unsealed:
    row = await database.read_row(_UNSEALED, SEALED)
    return Unsealed(*row) if row else Unsealed(0, None)


async def job_runs(database: Database) -> list[JobRun]:
    rows = await database.read("SELECT name, succeeded_at, failed_at, failures, error FROM job_run ORDER BY name")
    return [JobRun(*row) for row in rows]


async def save_job_runs(database: Database, runs: Sequence[JobRun]) -> None:
    """Add to what is there."""
    columns = zip(*((r.name, r.succeeded_at, r.failed_at, r.failures, r.error) for r in runs), strict=True)
    await database.execute(_SAVE, *map(list, columns))
