"""What can be guessed at, and how often it was: MACs of 32 bits, and passwords. The one place that counts and locks.

Something is locked from the wrong one on that fills its limit until so many of them are an hour old. The log says so at
that moment, and an operator may lift it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from tongka.store.db import Database
from tongka.store.stamp import Stamp

HOUR = timedelta(hours=1)
"""How long a wrong one is held against whatever it was shown to."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Scope:
    """What wrong ones are counted for, by a name that is its own, and how many within an hour are borne."""

    name: str
    most: int


@dataclass(frozen=True, slots=True)
class Lock:
    """What is locked out. `until`: when the oldest of the wrong ones that count is an hour old."""

    name: str
    wrong: int
    most: int
    until: datetime


_COUNT_WRONG = """
WITH counted AS (
    INSERT INTO wrong_guess (scope, most, at)
    SELECT scope, most, ARRAY[$3::timestamptz] FROM unnest($1::text[], $2::int[]) AS wrong (scope, most) ORDER BY scope
    ON CONFLICT (scope) DO UPDATE SET
        most = excluded.most,
        at = ARRAY(SELECT one FROM unnest(wrong_guess.at) AS one WHERE one > $4) || $3::timestamptz
    RETURNING scope, most, cardinality(at) AS times
), audited AS (
    INSERT INTO audit (at, actor, action, subject)
    SELECT $3, $5, 'wrong_password', array_to_string($1, ', ') WHERE $5 <> ''
)
SELECT scope, most, times FROM counted
"""

_IS_LOCKED = """
SELECT EXISTS (
    SELECT FROM wrong_guess g JOIN unnest($1::text[], $2::int[]) AS wanted (scope, most) USING (scope)
    WHERE (SELECT count(*) FROM unnest(g.at) AS one WHERE one > $3) >= wanted.most
)
"""

_LOCKED = """
SELECT replace(scope, $2, 'mac card ') AS name, cardinality(recent) AS wrong, most,
       recent[cardinality(recent) - most + 1] AS since
FROM wrong_guess, LATERAL (SELECT ARRAY(SELECT one FROM unnest(at) AS one WHERE one > $1 ORDER BY one) AS recent) AS r
WHERE cardinality(recent) >= most ORDER BY scope
"""

_LIFT = """
WITH lifted AS (
    DELETE FROM wrong_guess WHERE scope = ANY ($1::text[]) OR ($2 <> '' AND starts_with(scope, $2)) RETURNING scope
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail) SELECT $3, $4, 'lift lock', scope, $5 FROM lifted
)
SELECT count(*) FROM lifted
"""

# --- names ------------------------------------------------------------------------------------------------------------

_MAC = "mac|"
MAC_FAILURES = f"""(
    SELECT count(*) FROM wrong_guess, unnest(at) AS one WHERE scope = '{_MAC}' || {{card_no}} AND one > {{since}}
)"""  # noqa: S608 - our own name
"""The failed MACs of a card since a moment, for statements that look at more; to be filled with two expressions."""

_MAC_FAILURES = f"SELECT {MAC_FAILURES.format(card_no='$1::text', since='$2')}"

RECHARGE, GROUP = "recharge", "group"
"""Whose passwords: recharge cards and group cards are counted apart."""


def of_domain(kind: str, domain: str) -> str:
    return f"{kind} domain {domain}"


def of_terminal(kind: str, domain: str, terminal: str = "") -> str:
    """Of a terminal, 12 hexadecimal digits; without one, how the names of all of the domain begin."""
    return f"{kind} terminal {domain} {terminal.lower()}"


def of_card(kind: str, card_no: str) -> str:
    """Of the card that is to be loaded."""
    return f"{kind} card {card_no}"


def all_of_card(card_no: str) -> list[str]:
    """Everything that is counted for a card: its MACs, and passwords that were to load it."""
    return [_MAC + card_no, of_card(RECHARGE, card_no), of_card(GROUP, card_no)]


# --- counting ---------------------------------------------------------------------------------------------------------


async def is_locked(database: Database, scopes: Sequence[Scope], at: datetime) -> bool:
    """Whether one of them is locked at a moment."""
    return bool(await database.read_value(_IS_LOCKED, *_columns(scopes), at - HOUR))


async def moments_since(database: Database, scope: str, since: datetime) -> list[datetime]:
    """When wrong ones of a scope were shown since a moment, the first first."""
    rows = await database.read(
        "SELECT one FROM wrong_guess, unnest(at) AS one WHERE scope = $1 AND one > $2 ORDER BY one", scope, since
    )
    return [row["one"] for row in rows]


async def count_wrong(database: Database, scopes: Sequence[Scope], at: datetime, actor: str) -> int:
    """Count a wrong one for every scope; by how many the worst of them is now beyond its limit.

    Each scope is a row under its lock, so that of many wrong ones at the same time each gets its own number. It is
    audited as the actor's; what anybody may send has none.
    """
    rows = await database.fetch(_COUNT_WRONG, *_columns(scopes), at, at - HOUR, actor)
    for row in rows:
        if row["times"] == row["most"]:
            log.warning("locked for an hour: too many wrong ones", what=row["scope"], wrong=row["times"])
    beyond: int = max(row["times"] - row["most"] for row in rows)
    return max(0, beyond)


async def count_mac_failure(database: Database, card_no: str, at: datetime, most: int) -> int:
    """Hold a failed MAC against a card; how many there were within the hour beyond the limit.

    The refusal or move that follows is what the audit trail tells of it.
    """
    return await count_wrong(database, [Scope(_MAC + card_no, most)], at, actor="")


async def mac_failures_since(database: Database, card_no: str, since: datetime) -> int:
    failures: int = await database.read_value(_MAC_FAILURES, card_no, since)
    return failures


# --- who is locked ----------------------------------------------------------------------------------------------------


async def locked(database: Database, at: datetime) -> list[Lock]:
    """Whatever is locked at a moment, in the order of the names."""
    rows = await database.read(_LOCKED, at - HOUR, _MAC)
    return [Lock(row["name"], row["wrong"], row["most"], row["since"] + HOUR) for row in rows]


async def lift(database: Database, names: Sequence[str], stamp: Stamp, reason: str = "", *, beginning: str = "") -> int:
    """Forget the wrong ones of these names, and of all that begin so; how many there were. Each is audited."""
    lifted: int = await database.fetchval(_LIFT, list(names), beginning, stamp.at, stamp.actor, reason)
    return lifted


def _columns(scopes: Sequence[Scope]) -> tuple[list[str], list[int]]:
    return [scope.name for scope in scopes], [scope.most for scope in scopes]
