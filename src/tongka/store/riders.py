"""Riders: their accounts, agreements, card types, the blacklist, and what they are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tongka.errors import Refused, RepeatedWithOtherContents
from tongka.ledger import Account
from tongka.store.db import Database
from tongka.store.stamp import Stamp


@dataclass(frozen=True, slots=True)
class Rider:
    """A rider with his money, in fen; `blacklisted` is the reason, or empty."""

    user_id: str
    account: int
    balance_fen: int
    debt_fen: int
    debt_limit_fen: int
    blacklisted: str


@dataclass(frozen=True, slots=True)
class CardType:
    """A registered type of virtual cards; `app_id` is its issuer's, empty for plain bus payment."""

    card_type: str
    title: str
    app_id: str
    prepaid: bool


@dataclass(frozen=True, slots=True)
class Blacklist:
    """The list as of a version, ordered by user id."""

    version: int
    at: datetime
    user_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class RiderMessage:
    """Something that a rider is told."""

    at: datetime
    subject: str
    body: str


class RiderUnknown(Refused):
    """No rider of that user id."""

    code = "rider_unknown"

    def __init__(self) -> None:
        super().__init__("user_id: there is no such rider")


_OPEN = """
WITH wanted AS (
    SELECT w.* FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS w (user_id, balance_fen, nth)
    WHERE NOT EXISTS (SELECT FROM rider WHERE rider.user_id = w.user_id)
), numbered AS (
    SELECT user_id, balance_fen, nextval('rider_account_seq')::int AS account FROM (SELECT * FROM wanted ORDER BY nth) w
), opened AS (
    INSERT INTO account (id, name, kind, note) SELECT account, 'rider ' || user_id, 'liability', '' FROM numbered
), entered AS (
    INSERT INTO rider (user_id, account, debt_limit_fen, opened_at) SELECT user_id, account, $3, $4 FROM numbered
)
SELECT user_id, account, balance_fen FROM numbered
"""

_PAID_IN = """
INSERT INTO transfer (card_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
SELECT user_id, 'single', $4, account, balance_fen, 'opening', $5, $6
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS held (user_id, account, balance_fen) WHERE balance_fen > 0
"""

_FIND = """
SELECT r.user_id, r.account, a.balance_fen, r.debt_fen, r.debt_limit_fen, coalesce(b.reason, '') AS blacklisted
FROM rider r JOIN account a ON a.id = r.account LEFT JOIN rider_blacklist b USING (user_id)
"""

_SUPPLY = "SELECT * FROM rider_supply_money($1, $2, $3, $4, $5, $6)"

_BLACKLIST = """
SELECT version, at, ARRAY(SELECT user_id FROM rider_blacklist ORDER BY user_id) AS user_ids FROM blacklist_version
"""

_ADD_CARD_TYPE = """
INSERT INTO ride_card_type (card_type, title, app_id, prepaid) VALUES ($1, $2, $3, $4)
ON CONFLICT (card_type) DO UPDATE SET title = excluded.title, app_id = excluded.app_id, prepaid = excluded.prepaid
"""

_SIGN = """
INSERT INTO agreement (user_id, card_type, signed_at) SELECT unnest($1::text[]), $2, $3
ON CONFLICT (user_id, card_type) DO UPDATE SET signed_at = excluded.signed_at, ended_at = NULL
WHERE agreement.ended_at IS NOT NULL
"""


async def open_riders(
    database: Database, balances_fen: Mapping[str, int], *, debt_limit_fen: int, at: datetime, source: int
) -> int:
    """Open accounts with what they hold, out of `source`; those there already stay as they are. How many were new."""
    async with database.transaction() as connection:
        rows = await connection.fetch(_OPEN, list(balances_fen), list(balances_fen.values()), debt_limit_fen, at)
        columns = [[row[name] for row in rows] for name in ("user_id", "account", "balance_fen")]
        await connection.execute(_PAID_IN, *columns, source, at, at.date())
    return len(rows)


async def find(database: Database, user_id: str) -> Rider | None:
    row = await database.read_row(f"{_FIND} WHERE r.user_id = $1", user_id)
    return Rider(*row) if row else None


async def page(database: Database, after: str = "", size: int = 100) -> list[Rider]:
    """Riders in the order of their ids, from beyond `after`."""
    rows = await database.read(f"{_FIND} WHERE r.user_id > $1 ORDER BY r.user_id LIMIT $2", after, size)
    return [Rider(*row) for row in rows]


async def supply(
    database: Database, user_id: str, amount_fen: int, *, reference: str, stamp: Stamp, source: Account
) -> Rider:
    """Money from outside for a rider; his debt is recovered from it in the same transaction.

    The same reference and amount again adds nothing.

    Raises:
        RiderUnknown: no such rider.
        RepeatedWithOtherContents: the reference was used with another amount.

    """
    known = await database.fetchval(_SUPPLY, user_id, reference, amount_fen, source, stamp.at, stamp.day)
    if known is None:
        raise RiderUnknown
    if known != amount_fen:
        raise RepeatedWithOtherContents(f"reference {reference!r} was used with {known} fen")
    found = await find(database, user_id)
    if found is None:
        raise RiderUnknown
    return found


# --- agreements and card types ----------------------------------------------------------------------------------------


async def sign_agreement(database: Database, user_ids: Sequence[str], card_type: str, at: datetime) -> None:
    """Riders agree to pay rides of a card type from their account; again is harmless."""
    await database.execute(_SIGN, list(user_ids), card_type, at)


async def end_agreement(database: Database, user_id: str, card_type: str, at: datetime) -> None:
    await database.execute(
        "UPDATE agreement SET ended_at = $3 WHERE user_id = $1 AND card_type = $2 AND ended_at IS NULL",
        user_id, card_type, at,
    )  # fmt: skip


async def has_agreed(database: Database, user_id: str, card_type: str) -> bool:
    sql = "SELECT EXISTS (SELECT FROM agreement WHERE user_id = $1 AND card_type = $2 AND ended_at IS NULL)"
    return bool(await database.read_value(sql, user_id, card_type))


async def add_card_type(database: Database, kind: CardType) -> None:
    """Register a card type, or change it."""
    await database.execute(_ADD_CARD_TYPE, kind.card_type, kind.title, kind.app_id, kind.prepaid)


async def card_types(database: Database) -> dict[str, CardType]:
    rows = await database.read("SELECT card_type, title, app_id, prepaid FROM ride_card_type ORDER BY card_type")
    return {row["card_type"]: CardType(*row) for row in rows}


# --- blacklist and messages -------------------------------------------------------------------------------------------


async def blacklist(database: Database) -> Blacklist:
    row = await database.read_row(_BLACKLIST)
    if row is None:
        raise AssertionError  # the migration wrote it
    return Blacklist(*row)


async def put_on_blacklist(database: Database, user_id: str, at: datetime, note: str = "") -> None:
    """By decision of the operator; a top-up does not take him off again.

    Raises:
        RiderUnknown: no such rider.

    """
    tag = await database.execute(
        "INSERT INTO rider_blacklist (user_id, reason, since, note) SELECT user_id, 'operator', $2, $3 FROM rider"
        " WHERE user_id = $1 ON CONFLICT (user_id) DO UPDATE SET reason = 'operator', note = excluded.note",
        user_id, at, note,
    )  # fmt: skip
    if tag == "INSERT 0 0":
        raise RiderUnknown


async def take_off_blacklist(database: Database, user_id: str) -> bool:
    """Whether he was on it."""
    return await database.execute("DELETE FROM rider_blacklist WHERE user_id = $1", user_id) != "DELETE 0"


async def messages(database: Database, user_id: str, size: int = 20) -> list[RiderMessage]:
    """What a rider was told, the newest first."""
    rows: list[asyncpg.Record] = await database.read(
        "SELECT at, subject, body FROM rider_message WHERE user_id = $1 ORDER BY id DESC LIMIT $2", user_id, size
    )
    return [RiderMessage(*row) for row in rows]
