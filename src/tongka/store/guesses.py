"""What can be guessed at, and how often it was: MACs of 32 bits, and passwords."""

from collections.abc import Sequence
from datetime import datetime

from tongka.store.db import Database

_COUNT_WRONG = """
WITH counted AS (
    INSERT INTO wrong_password (scope, at)
    SELECT scope, ARRAY[$2::timestamptz] FROM unnest($1::text[]) AS scope ORDER BY scope
    ON CONFLICT (scope) DO UPDATE SET
        at = ARRAY(SELECT one FROM unnest(wrong_password.at) AS one WHERE one > $3) || $2::timestamptz
    RETURNING cardinality(at) AS times
), audited AS (
    INSERT INTO audit (at, actor, action, subject)
    SELECT $2, $4, 'wrong_password', array_to_string($1, ', ') WHERE $4 <> ''
)
SELECT max(times) FROM counted
"""

_MOST_WRONG = """
SELECT coalesce(max(times), 0) FROM (
    SELECT count(*) AS times FROM wrong_password, unnest(at) AS one
    WHERE scope = ANY ($1::text[]) AND one > $2 GROUP BY scope
) AS counted
"""


_COUNT_MAC = """
WITH counted AS (
    INSERT INTO wrong_password (scope, at) VALUES ('mac|' || $1, ARRAY[$2::timestamptz])
    ON CONFLICT (scope) DO UPDATE SET
        at = ARRAY(SELECT one FROM unnest(wrong_password.at) AS one WHERE one > $3) || $2::timestamptz
    RETURNING cardinality(at) AS times
), held AS (
    INSERT INTO mac_failure (card_no, at) VALUES ($1, $2)
)
SELECT times FROM counted
"""


async def count_mac_failure(database: Database, card_no: str, at: datetime, since: datetime) -> int:
    """Hold a failed MAC against a card; how many there were since a moment, this one included.

    As with passwords, each of many at the same time gets its own number. The refusal or move that follows is what the
    audit trail tells of it.
    """
    return int(await database.fetchval(_COUNT_MAC, card_no, at, since))


async def mac_failures_since(database: Database, card_no: str, since: datetime) -> int:
    found = await database.read_value("SELECT count(*) FROM mac_failure WHERE card_no = $1 AND at > $2", card_no, since)
    return int(found)


async def wrong_passwords_since(database: Database, scopes: Sequence[str], since: datetime) -> int:
    """The most wrong passwords of any of the scopes since a moment."""
    return int(await database.read_value(_MOST_WRONG, list(scopes), since))


async def count_wrong_password(
    database: Database, scopes: Sequence[str], at: datetime, since: datetime, actor: str
) -> int:
    """Count a wrong password for every scope; the most of any of them since a moment, this one included.

    Each scope is a row under its lock, so that of many wrong ones at the same time each gets its own number. It is
    audited as the actor's; what anybody may send has none.
    """
    return int(await database.fetchval(_COUNT_WRONG, list(scopes), at, since, actor))
