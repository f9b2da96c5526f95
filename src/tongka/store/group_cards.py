"""Group cards (企服卡): what companies allot to their people's cards. Each card's allotment is a guarded account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tongka.store.db import Database
from tongka.store.stamp import Stamp


@dataclass(frozen=True, slots=True)
class GroupCard:
    """A card with what is left for it; `digest` is the keyed hash of its password."""

    card_no: str
    company: str
    account: int
    digest: bytes
    balance_fen: int


@dataclass(frozen=True, slots=True)
class Allotment:
    """One line of a company's list; `digest` counts for cards that have no password yet."""

    card_no: str
    amount_fen: int
    digest: bytes


_SELECT = """
SELECT g.card_no, g.company, g.account, g.digest, a.balance_fen FROM group_card g JOIN account a ON a.id = g.account
"""

_ENROL = """
WITH wanted AS MATERIALIZED (
    SELECT card_no, digest, nextval('guarded_account_seq')::int AS account
    FROM unnest($1::text[], $2::bytea[]) AS new (card_no, digest)
    WHERE NOT EXISTS (SELECT FROM group_card g WHERE g.card_no = new.card_no)
), opened AS (
    INSERT INTO account (id, name, kind, note)
    SELECT account, 'group_card_' || card_no, 'liability', 'allotted to card ' || card_no FROM wanted
)
INSERT INTO group_card (card_no, company, account, digest) SELECT card_no, $3, account, digest FROM wanted
"""

_ALLOT = """
WITH made AS (
    INSERT INTO group_allotment (batch, card_no, amount_fen, at)
    SELECT $1, card_no, amount_fen, $4
    FROM unnest($2::text[], $3::bigint[]) AS new (card_no, amount_fen)
    ON CONFLICT DO NOTHING RETURNING card_no, amount_fen
), posted AS (
    INSERT INTO transfer (kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT 'single', $5::int, g.account, made.amount_fen, 'allotted', $4, $6::date
    FROM made JOIN group_card g USING (card_no) ORDER BY g.account
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $4, $7, 'allot to group cards', $1, count(*) || ' ' || sum(amount_fen) FROM made HAVING count(*) > 0
)
SELECT count(*) FROM made
"""

_UNLOCK = """
WITH unlocked AS (
    INSERT INTO group_unlock (card_no, domain, until) VALUES ($1, $2, $3)
    ON CONFLICT (card_no, domain) DO UPDATE SET until = excluded.until
)
INSERT INTO audit (at, actor, action, subject) VALUES ($4, $5, 'unlock group card', $1)
"""

_EXCHANGE = """
WITH changed AS (UPDATE group_card SET digest = $3 WHERE card_no = $1 AND digest = $2 RETURNING card_no),
    locked AS (DELETE FROM group_unlock USING changed WHERE group_unlock.card_no = changed.card_no),
    audited AS (INSERT INTO audit (at, actor, action, subject)
                SELECT $4, $5, 'change group password', card_no FROM changed)
SELECT card_no FROM changed
"""


async def find(database: Database, card_no: str) -> GroupCard | None:
    row = await database.read_row(f"{_SELECT} WHERE g.card_no = $1", card_no)
    return GroupCard(**dict(row)) if row else None


async def page(database: Database, company: str = "", after: str = "", size: int = 1000) -> list[GroupCard]:
    """Cards in the order of their numbers, of one company or of all."""
    rows = await database.read(
        f"{_SELECT} WHERE ($1 = '' OR g.company = $1) AND g.card_no > $2 ORDER BY g.card_no LIMIT $3",
        company,
        after,
        size,
    )
    return [GroupCard(**dict(row)) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A company's list; its name makes a repeat harmless."""

    name: str
    company: str
    allotments: Sequence[Allotment]
    paid_into: int


async def allot(database: Database, batch: Batch, stamp: Stamp) -> int:
    """Enrol cards that are new, and add the amounts, all or none; lines of a batch made before are left out."""
    lines = sorted(batch.allotments, key=lambda line: line.card_no)
    numbers = [line.card_no for line in lines]
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('group_card'))")
        await connection.execute(_ENROL, numbers, [line.digest for line in lines], batch.company)
        made: int = await connection.fetchval(
            _ALLOT,
            batch.name,
            numbers,
            [line.amount_fen for line in lines],
            stamp.at,
            batch.paid_into,
            stamp.day,
            stamp.actor,
        )
    return made


async def unknown(database: Database, numbers: Sequence[str]) -> list[str]:
    """Those that are no cards on our books."""
    rows = await database.read(
        "SELECT number FROM unnest($1::text[]) AS number WHERE NOT EXISTS (SELECT FROM card WHERE card_no = number)"
        " ORDER BY number",
        list(numbers),
    )
    return [row["number"] for row in rows]


async def companies_of(database: Database, numbers: Sequence[str]) -> dict[str, str]:
    """The company of each of these cards that has one."""
    rows = await database.read("SELECT card_no, company FROM group_card WHERE card_no = ANY ($1)", list(numbers))
    return {row["card_no"]: row["company"] for row in rows}


async def unlock(database: Database, card_no: str, domain: str, until: datetime, stamp: Stamp) -> None:
    """The password was shown: supplies over this domain may draw until a moment."""
    await database.execute(_UNLOCK, card_no, domain, until, stamp.at, stamp.actor)


async def unlocked_until(database: Database, card_no: str, domain: str) -> datetime | None:
    until: datetime | None = await database.read_value(
        "SELECT until FROM group_unlock WHERE card_no = $1 AND domain = $2", card_no, domain
    )
    return until


async def change_password(database: Database, card_no: str, old: bytes, new: bytes, stamp: Stamp) -> bool:
    """Exchange the keyed hash, unless another request did meanwhile."""
    return await database.fetchval(_EXCHANGE, card_no, old, new, stamp.at, stamp.actor) is not None
