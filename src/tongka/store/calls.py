"""How often each of many has called within a minute, in all processes together."""

from collections import Counter

from tongka.store.db import Database

# In one order everywhere, so that two processes never wait for each other; what is older than a minute is dropped.
_COUNT = """
WITH dropped AS (DELETE FROM calls WHERE minute < $1 - 1)
INSERT INTO calls AS c (minute, scope, times)
SELECT $1, * FROM unnest($2::text[], $3::int[]) AS told (scope, times) ORDER BY scope
ON CONFLICT (minute, scope) DO UPDATE SET times = c.times + excluded.times
RETURNING scope, times
"""


async def count(database: Database, minute: int, told: Counter[str]) -> Counter[str]:
    """Add a process's counts to a minute (since 1970) of everybody's; the sums."""
    rows = await database.fetch(_COUNT, minute, list(told), list(told.values()))
    return Counter({row["scope"]: row["times"] for row in rows})
