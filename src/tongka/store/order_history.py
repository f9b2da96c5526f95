"""Orders for people: lists of them, and what happened to one."""

from dataclasses import dataclass
from datetime import date, datetime

from tongka.store.db import Database
from tongka.store.orders import Order
from tongka.store.overview import OrderLine


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which orders; what is empty chooses nothing. `day` is a settlement date."""

    state: str = ""
    kind: str = ""
    card_no: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the audit trail about an order: a move, a wrong MAC, a proposal."""

    at: datetime
    actor: str
    action: str
    detail: str


@dataclass(frozen=True, slots=True)
class Posted:
    """A transfer of an order."""

    id: int
    posted_at: datetime
    reason: str
    kind: str
    debit: str
    credit: str
    amount_fen: int


async def chosen(database: Database, wanted: Chosen, limit: int) -> list[OrderLine]:
    """The orders that moved last, newest first."""
    rows = await database.read(
        "SELECT order_no, card_no, kind, state, amount_fen, moved_at FROM orders"
        " WHERE ($1 = '' OR state = $1) AND ($2 = '' OR kind = $2) AND ($3 = '' OR card_no = $3)"
        " AND ($4::date IS NULL OR settlement_date = $4) ORDER BY moved_at DESC, order_no DESC LIMIT $5",
        wanted.state, wanted.kind, wanted.card_no, wanted.day, limit,
    )  # fmt: skip
    return [OrderLine(*row) for row in rows]


async def events(database: Database, order: Order) -> list[Event]:
    """What the audit trail says of an order, oldest first."""
    rows = await database.read(
        "SELECT at, actor, action, detail FROM audit WHERE subject = $1 ORDER BY id", order.order_no
    )
    return [Event(*row) for row in rows]


async def transfers(database: Database, order: Order) -> list[Posted]:
    """What was posted for an order, oldest first."""
    rows = await database.read(
        "SELECT t.id, t.posted_at, t.reason, t.kind, coalesce(d.name, t.debit::text), coalesce(c.name, t.credit::text),"
        " t.amount_fen FROM transfer t LEFT JOIN account d ON d.id = t.debit LEFT JOIN account c ON c.id = t.credit"
        " WHERE t.card_no = $1 AND t.order_no = $2 ORDER BY t.id",
        order.card_no, order.order_no,
    )  # fmt: skip
    return [Posted(*row) for row in rows]
