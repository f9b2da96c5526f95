"""Your Server's riders, products and orders."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg

from tongka.errors import Busy
from tongka.ledger import Account
from tongka.store.db import Database


class AppState(StrEnum):
    """How an order stands towards its rider; from `SUBMITTED` on the card's side tells more."""

    CREATED = "created"
    PAYING = "paying"
    PAID = "paid"
    SUBMITTED = "submitted"
    CANCELLED = "cancelled"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    FAILED = "failed"


class AppMovedMeanwhile(Busy):
    """Another request moved the order."""

    code = "moved_meanwhile"


class AppRequestRepeated(Busy):
    """The same request is being answered; look its order up."""

    code = "already_answered"


@dataclass(frozen=True, slots=True)
class AppUser:
    """A rider; the password is kept as scrypt's hash of it."""

    user_id: str
    name: str
    salt: bytes
    password: bytes


@dataclass(frozen=True, slots=True)
class Product:
    """A card that can be opened."""

    issuer_id: str
    name: str
    fee_fen: int
    deposit_fen: int
    topups_fen: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOrder:
    """One row; the columns' meaning stands beside them in 0041_app.sql."""

    order_no: str
    user_id: str
    request_key: str
    digest: bytes
    business: str
    issuer_id: str
    device_id: str
    created_at: datetime
    moved_at: datetime
    state: AppState = AppState.CREATED
    to_device: str = ""
    card_no: str = ""
    amount_fen: int = 0
    deposit_fen: int = 0
    fee_fen: int = 0
    holder_type: int | None = None
    reason: str = ""
    session_id: str = ""
    result_code: str = ""

    @property
    def total_fen(self) -> int:
        return self.amount_fen + self.deposit_fen + self.fee_fen


_NAMES = tuple(field.name for field in fields(AppOrder))
_SELECT = f"SELECT {', '.join(_NAMES)} FROM app_order"  # noqa: S608 - our own names
_PLACES = ", ".join(f"${n}" for n in range(1, len(_NAMES) + 1))
_INSERT = f"INSERT INTO app_order ({', '.join(_NAMES)}) VALUES ({_PLACES})"  # noqa: S608 - our own names


def _order(row: asyncpg.Record) -> AppOrder:
    values = dict(row)
    return AppOrder(**values | {"state": AppState(values["state"])})


# --- riders -----------------------------------------------------------------------------------------------------------


async def add_user(database: Database, user: AppUser) -> None:
    """Let a rider in; one that is there stays as it is."""
    await database.execute(
        "INSERT INTO app_user (user_id, name, salt, password) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        user.user_id,
        user.name,
        user.salt,
        user.password,
    )


async def user_named(database: Database, name: str) -> AppUser | None:
    row = await database.read_row("SELECT user_id, name, salt, password FROM app_user WHERE name = $1 AND active", name)
    return AppUser(*row) if row else None


async def keep_token(database: Database, digest: bytes, user_id: str, expires_at: datetime) -> None:
    await database.execute(
        "INSERT INTO app_token (digest, user_id, expires_at) VALUES ($1, $2, $3)", digest, user_id, expires_at
    )


async def user_of_token(database: Database, digest: bytes, now: datetime) -> str | None:
    """The rider's id, while the token is good."""
    found: str | None = await database.read_value(
        "SELECT t.user_id FROM app_token t JOIN app_user u USING (user_id)"
        " WHERE t.digest = $1 AND t.expires_at > $2 AND u.active",
        digest,
        now,
    )
    return found


async def forget_tokens(database: Database, now: datetime) -> None:
    """Drop those that have expired."""
    await database.execute("DELETE FROM app_token WHERE expires_at < $1", now)


# --- products ---------------------------------------------------------------------------------------------------------


async def add_product(database: Database, product: Product) -> None:
    """Offer a product; one that is offered stays as it is."""
    await database.execute(
        "INSERT INTO app_product (issuer_id, name, fee_fen, deposit_fen, topups_fen) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING",
        product.issuer_id,
        product.name,
        product.fee_fen,
        product.deposit_fen,
        list(product.topups_fen),
    )


async def save_product(database: Database, product: Product) -> None:
    """Offer a product, or change what it costs."""
    await database.execute(
        "INSERT INTO app_product (issuer_id, name, fee_fen, deposit_fen, topups_fen) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (issuer_id) DO UPDATE SET name = excluded.name, fee_fen = excluded.fee_fen,"
        " deposit_fen = excluded.deposit_fen, topups_fen = excluded.topups_fen",
        product.issuer_id,
        product.name,
        product.fee_fen,
        product.deposit_fen,
        list(product.topups_fen),
    )


async def withdraw_product(database: Database, issuer_id: str) -> None:
    await database.execute("DELETE FROM app_product WHERE issuer_id = $1", issuer_id)


async def products(database: Database) -> list[Product]:
    rows = await database.read(
        "SELECT issuer_id, name, fee_fen, deposit_fen, topups_fen FROM app_product ORDER BY name"
    )
    return [Product(**dict(row) | {"topups_fen": tuple(row["topups_fen"])}) for row in rows]


# --- orders -----------------------------------------------------------------------------------------------------------


async def create(database: Database, order: AppOrder) -> None:
    """A new order, under the key of its request.

    Raises:
        AppRequestRepeated: the key was used.

    """
    try:
        await database.execute(_INSERT, *(getattr(order, name) for name in _NAMES))
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "app_request_repeated":
            raise
        raise AppRequestRepeated("the same request is being answered") from error


async def by_request(database: Database, user_id: str, key: str) -> AppOrder | None:
    row = await database.read_row(f"{_SELECT} WHERE user_id = $1 AND request_key = $2", user_id, key)
    return _order(row) if row else None


async def by_number(database: Database, order_no: str) -> AppOrder | None:
    row = await database.read_row(f"{_SELECT} WHERE order_no = $1", order_no)
    return _order(row) if row else None


async def page(database: Database, user_id: str, before: datetime, size: int) -> list[AppOrder]:
    """A rider's orders from before a moment, the latest first."""
    rows = await database.read(
        f"{_SELECT} WHERE user_id = $1 AND created_at < $2 ORDER BY created_at DESC LIMIT $3", user_id, before, size
    )
    return [_order(row) for row in rows]


async def in_state(database: Database, states: Sequence[AppState], limit: int) -> list[AppOrder]:
    rows = await database.read(
        f"{_SELECT} WHERE state = ANY($1) ORDER BY moved_at LIMIT $2", [state.value for state in states], limit
    )
    return [_order(row) for row in rows]


async def move(database: Database, order: AppOrder, state: AppState, at: datetime, **changes: Any) -> None:
    """Move an order on from where it was read.

    Raises:
        AppMovedMeanwhile: it is no longer there.

    """
    sets = "".join(f", {name} = ${n}" for n, name in enumerate(changes, start=5))
    tag = await database.execute(
        f"UPDATE app_order SET state = $3, moved_at = $4{sets} WHERE order_no = $1 AND state = $2",  # noqa: S608
        order.order_no,
        order.state.value,
        state.value,
        at,
        *changes.values(),
    )
    if tag != "UPDATE 1":
        raise AppMovedMeanwhile(f"order {order.order_no} was moved by another request; look again")


@dataclass(frozen=True, slots=True)
class AppCard:
    """A rider's card in a phone, by the order that opened it."""

    card_no: str
    issuer_id: str
    device_id: str
    place: str
    status: str
    deposit_fen: int


_CARDS = """
SELECT w.card_no, w.issuer_id, w.device_id, w.state, c.status, c.deposit_fen
FROM app_order a
JOIN wallet_order o ON o.institution = $2 AND o.server_order_id = ANY (ARRAY[a.order_no, a.order_no || '/in'])
    AND o.business = 'OPEN'
JOIN wallet_card w ON w.card_no = o.card_no
JOIN card c ON c.card_no = w.card_no
WHERE a.user_id = $1
ORDER BY w.opened_at DESC
"""


async def cards_of(database: Database, user_id: str, institution: str) -> list[AppCard]:
    """The cards that a rider opened here, the latest first."""
    return [AppCard(*row) for row in await database.read(_CARDS, user_id, institution)]


async def owner_of_card(database: Database, card_no: str, institution: str) -> str | None:
    """The rider who opened a card here."""
    found: str | None = await database.read_value(
        "SELECT a.user_id FROM wallet_order o JOIN app_order a ON a.order_no = split_part(o.server_order_id, '/', 1)"
        " WHERE o.institution = $2 AND o.card_no = $1 AND o.business = 'OPEN'",
        card_no,
        institution,
    )
    return found


async def carried(database: Database, institution: str, server_order_id: str) -> tuple[int, int] | None:
    """What a deletion paid out: balance and deposit; None while it is not done. Lost cards are paid out by claims."""
    row = await database.read_row(
        """
        SELECT sum(t.amount_fen) FILTER (WHERE t.debit = $3)::bigint AS balance,
               sum(t.amount_fen) FILTER (WHERE t.debit = $4)::bigint AS deposit
        FROM wallet_order o
        LEFT JOIN orders r ON r.card_no = o.card_no AND r.kind = 'return' AND r.return_type <> '1'
            AND r.state IN ('5', '8')
        LEFT JOIN transfer t ON t.card_no = r.card_no AND t.order_no = r.order_no AND t.kind IN ('single', 'post')
        WHERE o.institution = $1 AND o.server_order_id = $2 AND o.business = 'DELETE' AND o.state = 'done'
        GROUP BY o.server_order_id
        """,
        institution,
        server_order_id,
        Account.CARD_FLOAT,
        Account.DEPOSITS_HELD,
    )
    return (row["balance"] or 0, row["deposit"] or 0) if row else None


async def migrating(database: Database, institution: str, limit: int) -> list[AppOrder]:
    """Migrations whose card is deleted, and not opened anew yet."""
    rows = await database.read(
        f"{_SELECT} WHERE business = 'MIGRATE' AND state = 'submitted' AND reason = '' AND EXISTS (SELECT"
        " FROM wallet_order o WHERE o.institution = $1 AND o.server_order_id = app_order.order_no || '/out'"
        " AND o.state = 'done') ORDER BY moved_at LIMIT $2",
        institution,
        limit,
    )
    return [_order(row) for row in rows]


async def note_result(database: Database, order_no: str, code: str) -> None:
    """What the wallet told the rider's app."""
    await database.execute("UPDATE app_order SET result_code = $2 WHERE order_no = $1", order_no, code)
