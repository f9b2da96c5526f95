"""Notices of low balances on their way to merchants. They are made where a low balance is noticed: `store.prepaid`."""

from dataclasses import dataclass, field
from datetime import datetime

from tongka.store.db import Database


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice, and where its merchant is told by now; `attempts` counts the one that it was claimed for."""

    notice_no: int
    merchant: str
    domain: str
    url: str
    sealed_key: bytes = field(repr=False)
    balance_fen: int
    low_balance_fen: int
    low_since: datetime
    attempts: int


_CLAIM = """
WITH due AS (
    SELECT notice_no FROM prepaid_notice WHERE next_at <= $1 ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE prepaid_notice n SET attempts = attempts + 1, next_at = $2
FROM due, prepaid_account p
WHERE n.notice_no = due.notice_no AND p.merchant = n.merchant AND p.notify_url <> ''
RETURNING n.notice_no, n.merchant, p.domain, p.notify_url, p.notify_key, n.balance_fen, n.low_balance_fen, n.low_since,
          n.attempts
"""

_END = """
WITH ended AS (
    UPDATE prepaid_notice SET next_at = NULL, taken_at = CASE WHEN $3 THEN $2::timestamptz END
    WHERE notice_no = $1 AND next_at IS NOT NULL RETURNING merchant
)
INSERT INTO audit (at, actor, action, subject, detail)
SELECT $2, 'prepaid', 'low balance notice ' || CASE WHEN $3 THEN 'taken' ELSE 'given up' END, merchant, $1::text
FROM ended
"""

_ADDRESS = """
WITH changed AS (
    UPDATE prepaid_account SET notify_url = $3, notify_key = $4 WHERE merchant = $1 AND domain = $2 RETURNING merchant
), dropped AS (
    UPDATE prepaid_notice n SET next_at = NULL FROM changed WHERE n.merchant = changed.merchant AND $3 = ''
)
INSERT INTO audit (at, actor, action, subject, detail)
SELECT $5, $6, 'prepaid notices', merchant, CASE $3 WHEN '' THEN 'none' ELSE $3 END FROM changed RETURNING id
"""


async def set_address(  # noqa: PLR0917 - the columns of one change
    database: Database, merchant: str, domain: str, url: str, sealed_key: bytes | None, at: datetime, actor: str
) -> bool:
    """Where a merchant is told, and what signs it; an empty `url`: nowhere. False if the domain has no such account."""
    return await database.fetchval(_ADDRESS, merchant, domain, url, sealed_key, at, actor) is not None


async def claim(database: Database, now: datetime, lease_until: datetime, limit: int) -> list[Notice]:
    """Notices that are due, for this worker until the lease is over; then another may claim them."""
    return [Notice(*row) for row in await database.fetch(_CLAIM, now, lease_until, limit)]


async def again(database: Database, notice: Notice, next_at: datetime) -> None:
    """It was not taken; try again then."""
    await database.execute(
        "UPDATE prepaid_notice SET next_at = $2 WHERE notice_no = $1 AND next_at IS NOT NULL", notice.notice_no, next_at
    )


async def end(database: Database, notice: Notice, at: datetime, *, taken: bool) -> None:
    """It was taken, or is given up; audited."""
    await database.execute(_END, notice.notice_no, at, taken)
