"""What can be guessed at, and how often it was: MACs of 32 bits, and passwords."""

from collections.abc import Sequence
from datetime import datetime

from tongka.store.db import Database

_COUNT_WRONG = """
WITH counted AS (
    INSERT INTO wrong_guess (scope, at)
    SELECT scope, ARRAY[$2::timestamptz] FROM unnest($1::text[]) AS scope ORDER BY scope
    ON CONFLICT (scope) DO UPDATE SET
        at = ARRAY(SELECT one FROM unnest(wrong_guess.at) AS one WHERE one > $3) || $2::timestamptz
    RETURNING cardinality(at) AS times
), audited AS (
    INSERT INTO audit (at, actor, action, subject)
    SELECT $2, $4, 'wrong_password', array_to_string($1, ', ') WHERE $4 <> ''
)
SELECT max(times) FROM counted
"""

_MOST_WRONG = """
SELECT coalesce(max(times), 0) FROM (
    SELECT count(*) AS times FROM wrong_guess, unnest(at) AS one
    WHERE scope = ANY ($1::text[]) AND one > $2 GROUP BY scope
) AS counted
"""

_MAC = "mac|"
MAC_FAILURES = f"""(
    SELECT count(*) FROM wrong_guess, unnest(at) AS one WHERE scope = '{_MAC}' || {{card_no}} AND one > {{since}}
)"""  # noqa: S608 - our own name
"""The failed MACs of a card since a moment, for statements that look at more; to be filled with two expressions."""


async def count_mac_failure(database: Database, card_no: str, at: datetime, since: datetime) -> int:
    """Hold a failed MAC against a card; how many there were since a moment, this one included.

    The refusal or move that follows is what the audit trail tells of it.
    """
    return await count_wrong_password(database, [_MAC + card_no], at, since, actor="")


async def mac_failures_since(database: Database, card_no: str, since: datetime) -> int:
    return await wrong_passwords_since(database, [_MAC + card_no], since)


async def wrong_passwords_since(database: Database, scopes: Sequence[str], since: datetime) -> int:
    """The most wrong passwords of any of the scopes since a moment."""
    return int(await database.read_value(_MOST_WRONG, list(scopes), since))


async def moments_since(database: Database, scope: str, since: datetime) -> list[datetime]:
    """When wrong ones of a scope were shown since a moment, the first first."""
    rows = await database.read(
        "SELECT one FROM wrong_guess, unnest(at) AS one WHERE scope = $1 AND one > $2 ORDER BY one", scope, since
    )
    return [row["one"] for row in rows]


async def count_wrong_password(
    database: Database, scopes: Sequence[str], at: datetime, since: datetime, actor: str
) -> int:
    """Count a wrong password for every scope; the most of any of them since a moment, this one included.

    Each scope is a row under its lock, so that of many wrong ones at the same time each gets its own number. It is
    audited as the actor's; what anybody may send has none.
    """
    return int(await database.fetchval(_COUNT_WRONG, list(scopes), at, since, actor))
