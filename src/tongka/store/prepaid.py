"""Prepaid accounts of merchants: each is a guarded account of the books, which never goes below zero."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tongka.errors import RepeatedWithOtherContents, UnknownParty
from tongka.ledger import Account
from tongka.store.db import Database
from tongka.store.stamp import Stamp


@dataclass(frozen=True, slots=True)
class PrepaidAccount:
    """A merchant's account; `low_since` is when its low balance was noticed, `notify_url` where it is told."""

    merchant: str
    domain: str
    account: int
    balance_fen: int
    low_balance_fen: int
    low_since: datetime | None
    notify_url: str


_SELECT = """
SELECT p.merchant, p.domain, p.account, a.balance_fen, p.low_balance_fen, p.low_since, p.notify_url
FROM prepaid_account p JOIN account a ON a.id = p.account
"""

_OPEN = """
WITH numbered AS (
    SELECT nextval('guarded_account_seq') AS account WHERE NOT EXISTS (SELECT FROM prepaid_account WHERE merchant = $1)
), opened AS (
    INSERT INTO account (id, name, kind, note)
    SELECT account, 'prepaid_' || $1, 'liability', 'prepaid by merchant ' || $1 FROM numbered
), made AS (
    INSERT INTO prepaid_account (merchant, domain, account, low_balance_fen)
    SELECT $1, $2, account, $3 FROM numbered RETURNING merchant
)
INSERT INTO audit (at, actor, action, subject, detail) SELECT $4, $5, 'open prepaid account', merchant, $2 FROM made
"""

_SUPPLY = """
WITH made AS (
    INSERT INTO prepaid_supply (domain, trade_id, merchant, amount_fen, at)
    SELECT $2, $3, merchant, $4, $5 FROM prepaid_account WHERE merchant = $1 AND domain = $2
    RETURNING merchant
), posted AS (
    INSERT INTO transfer (order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT $3, 'single', $6::int, p.account, $4, 'prepaid', $5, $7::date
    FROM made JOIN prepaid_account p USING (merchant)
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail) SELECT $5, $8, 'supply prepaid', merchant, $4::text FROM made
)
SELECT merchant FROM made
"""

_NOTICE_LOW = """
WITH low AS (
    UPDATE prepaid_account p SET low_since = $1 FROM account a
    WHERE a.id = p.account AND p.low_since IS NULL AND a.balance_fen < p.low_balance_fen
    RETURNING p.merchant, a.balance_fen, p.low_balance_fen, p.notify_url
), told AS (
    INSERT INTO prepaid_notice (merchant, balance_fen, low_balance_fen, low_since, next_at)
    SELECT merchant, balance_fen, low_balance_fen, $1, $1 FROM low WHERE notify_url <> ''
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $1, 'prepaid', 'low balance', merchant, balance_fen::text FROM low
), recovered AS (
    UPDATE prepaid_account p SET low_since = NULL FROM account a
    WHERE a.id = p.account AND p.low_since IS NOT NULL AND a.balance_fen >= p.low_balance_fen
)
SELECT merchant, balance_fen FROM low
"""


async def find(database: Database, merchant: str, domain: str) -> PrepaidAccount:
    """A merchant's account, if the domain may use it.

    Raises:
        UnknownParty: it has none, or it is another domain's.

    """
    row = await database.read_row(f"{_SELECT} WHERE p.merchant = $1 AND p.domain = $2", merchant, domain)
    if row is None:
        raise UnknownParty("prepaid merchant", merchant)
    return PrepaidAccount(**dict(row))


async def every(database: Database) -> list[PrepaidAccount]:
    """All accounts, by merchant."""
    return [PrepaidAccount(**dict(row)) for row in await database.read(f"{_SELECT} ORDER BY p.merchant")]


async def open_account(database: Database, merchant: str, domain: str, low_balance_fen: int, stamp: Stamp) -> None:
    """Open a merchant's account; again is harmless.

    Raises:
        UnknownParty: the merchant's account is another domain's.

    """
    await database.execute(_OPEN, merchant, domain, low_balance_fen, stamp.at, stamp.actor)
    await find(database, merchant, domain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Money for a prepaid account, once under its id."""

    merchant: str
    domain: str
    trade_id: str
    amount_fen: int
    paid_into: int = Account.RECEIVABLE_OTHER


async def supply(database: Database, wanted: Supply, stamp: Stamp) -> None:
    """Add the money, unless this very supply was made before.

    Raises:
        UnknownParty: no such account of the domain.
        RepeatedWithOtherContents: the id was used for another merchant or amount.

    """
    money = (wanted.merchant, wanted.domain, wanted.trade_id, wanted.amount_fen)
    try:
        made = await database.fetchval(_SUPPLY, *money, stamp.at, wanted.paid_into, stamp.day, stamp.actor)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "supply_already_made":
            raise
        await _require_same(database, wanted)
    else:
        if made is None:
            raise UnknownParty("prepaid merchant", wanted.merchant)


async def _require_same(database: Database, wanted: Supply) -> None:
    row = await database.read_row(
        "SELECT merchant, amount_fen FROM prepaid_supply WHERE domain = $1 AND trade_id = $2",
        wanted.domain,
        wanted.trade_id,
    )
    if row is None or tuple(row) != (wanted.merchant, wanted.amount_fen):
        raise RepeatedWithOtherContents(f"TradeID {wanted.trade_id} supplied another merchant or amount before")


async def notice_low(database: Database, at: datetime) -> list[tuple[str, int]]:
    """The merchants whose balance has become low since the last look, and their balances; audited."""
    return [(row["merchant"], row["balance_fen"]) for row in await database.fetch(_NOTICE_LOW, at)]
