"""Recharge cards (充值卡): issued in batches, activated, used whole and once, or expired.

A card's money stands on its own guarded account from the activation on. Whoever draws it first has it: the books
refuse a second draw, whatever was read before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import asyncpg

from tongka.errors import Busy, RepeatedWithOtherContents
from tongka.ledger import Account
from tongka.store.db import Database
from tongka.store.stamp import Stamp


@dataclass(frozen=True, slots=True)
class RechargeCard:
    """One card.

    Attributes:
        state: issued, active or expired; one that is active and holds nothing is used.
        account: from the activation on.

    """

    serial: str
    batch: str
    amount_fen: int
    expires_on: date
    state: str
    account: int | None
    balance_fen: int

    def usable(self, day: date) -> bool:
        return self.state == "active" and self.balance_fen == self.amount_fen and day <= self.expires_on

    @property
    def used(self) -> bool:
        return self.state == "active" and not self.balance_fen

    @property
    def shown_state(self) -> str:
        return "used" if self.used else self.state


@dataclass(frozen=True, slots=True)
class NewCard:
    """A card about to be issued; `digest` is the keyed hash of its password."""

    serial: str
    digest: bytes
    amount_fen: int


_SELECT = """
SELECT r.serial, r.batch, r.amount_fen, r.expires_on, r.state, r.account, coalesce(a.balance_fen, 0) AS balance_fen
FROM recharge_card r LEFT JOIN account a ON a.id = r.account
"""

_ISSUE = """
WITH issued AS (
    INSERT INTO recharge_card (serial, batch, digest, amount_fen, expires_on, issued_at)
    SELECT serial, $4, digest, amount_fen, $5, $6
    FROM unnest($1::text[], $2::bytea[], $3::bigint[]) AS new (serial, digest, amount_fen)
    RETURNING amount_fen
)
INSERT INTO audit (at, actor, action, subject, detail)
SELECT $6, $7, 'issue recharge cards', $4, count(*) || ' ' || sum(amount_fen) FROM issued
"""

_ACTIVATE = """
WITH chosen AS MATERIALIZED (
    SELECT serial, amount_fen, nextval('guarded_account_seq')::int AS account FROM (
        SELECT serial, amount_fen FROM recharge_card
        WHERE batch = $1 AND state = 'issued' AND serial BETWEEN $2 AND $3 ORDER BY serial FOR UPDATE
    ) AS locked
), opened AS (
    INSERT INTO account (id, name, kind, note)
    SELECT account, 'recharge_card_' || serial, 'liability', 'value of recharge card ' || serial FROM chosen
    RETURNING id
), activated AS (
    UPDATE recharge_card r SET state = 'active', account = chosen.account FROM chosen WHERE r.serial = chosen.serial
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $4, $5, 'activate recharge cards', $1, count(*)::text FROM opened HAVING count(*) > 0
)
SELECT account, amount_fen FROM chosen
"""

_FUND = """
INSERT INTO transfer (kind, debit, credit, amount_fen, reason, posted_at, business_date)
SELECT 'single', $1::int, account, amount_fen, 'recharge card', $4, $5::date
FROM unnest($2::int[], $3::bigint[]) AS card (account, amount_fen)
"""

_EXPIRE = """
WITH chosen AS (
    SELECT r.serial, r.account, a.balance_fen FROM recharge_card r JOIN account a ON a.id = r.account
    WHERE r.state = 'active' AND r.expires_on < $1 AND a.balance_fen > 0 ORDER BY r.account LIMIT $2 FOR UPDATE
), expired AS (
    UPDATE recharge_card r SET state = 'expired' FROM chosen WHERE r.serial = chosen.serial
), posted AS (
    INSERT INTO transfer (kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT 'single', account, $3::int, balance_fen, 'expired', $4, $5::date FROM chosen
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $4, $6, 'expire recharge card', serial, balance_fen::text FROM chosen
)
SELECT count(*) FROM chosen
"""

EXPIRED_TO = Account.SUSPENSE
"""What an expired card held is still its owner's, whoever that is."""


async def by_digest(database: Database, digest: bytes) -> RechargeCard | None:
    row = await database.read_row(f"{_SELECT} WHERE r.digest = $1", digest)
    return RechargeCard(**dict(row)) if row else None


async def page(database: Database, batch: str = "", after: str = "", size: int = 1000) -> list[RechargeCard]:
    """Cards in the order of their serials, of one batch or of all."""
    rows = await database.read(
        f"{_SELECT} WHERE ($1 = '' OR r.batch = $1) AND r.serial > $2 ORDER BY r.serial LIMIT $3", batch, after, size
    )
    return [RechargeCard(**dict(row)) for row in rows]


async def issue(database: Database, batch: str, cards: Sequence[NewCard], expires_on: date, stamp: Stamp) -> None:
    """Issue a batch, all or none.

    Raises:
        RepeatedWithOtherContents: the batch was issued before.
        Busy: two cards have the same password; draw others.

    """
    serials, digests, amounts = [c.serial for c in cards], [c.digest for c in cards], [c.amount_fen for c in cards]
    try:
        await database.execute(_ISSUE, serials, digests, amounts, batch, expires_on, stamp.at, stamp.actor)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "recharge_card_digest":
            raise Busy("two cards drew the same password; issue the batch again") from error
        raise RepeatedWithOtherContents(f"batch {batch} was issued before; name another") from error


async def activate(database: Database, batch: str, serials: tuple[str, str], paid_into: int, stamp: Stamp) -> int:
    """Activate issued cards from one serial to another; how many were.

    Two statements in one transaction: a guarded account has to be there before money moves to it.
    """
    async with database.transaction() as connection:
        rows: list[Any] = await connection.fetch(_ACTIVATE, batch, *serials, stamp.at, stamp.actor)
        await connection.execute(
            _FUND, paid_into, [row["account"] for row in rows], [row["amount_fen"] for row in rows], stamp.at, stamp.day
        )
    return len(rows)


async def expire(database: Database, stamp: Stamp, limit: int = 1000) -> int:
    """Take the money off cards whose last day is over; how many there were."""
    return int(await database.fetchval(_EXPIRE, stamp.day, limit, EXPIRED_TO, stamp.at, stamp.day, stamp.actor))
