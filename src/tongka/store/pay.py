"""What riders pay for their orders (IF3). A payment moves once: created, then paid, or closed unpaid."""

from dataclasses import dataclass
from datetime import datetime

from tongka.store.db import Database


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """One row; `state` is created, paid, closed, or differs (paid with another amount: for people)."""

    payment_no: str
    order_no: str
    acquirer: str
    amount_fen: int
    state: str
    trade_no: str
    created_at: datetime
    expires_at: datetime


_SELECT = "SELECT payment_no, order_no, acquirer, amount_fen, state, trade_no, created_at, expires_at FROM payment"

_SETTLE = """
WITH settled AS (
    UPDATE payment SET state = $2, trade_no = $3, asked_at = $4 WHERE payment_no = $1 AND state = 'created'
    RETURNING payment_no, order_no, acquirer, amount_fen
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $4, acquirer, 'payment ' || $2, payment_no, amount_fen::text FROM settled
)
SELECT order_no FROM settled
"""


async def begin(database: Database, row: PaymentRow) -> PaymentRow:
    """The payment of an order: a new one, or the one that there is."""
    await database.execute(
        "INSERT INTO payment (payment_no, order_no, acquirer, amount_fen, state, created_at, expires_at, asked_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $6) ON CONFLICT (order_no) DO NOTHING",
        row.payment_no,
        row.order_no,
        row.acquirer,
        row.amount_fen,
        row.state,
        row.created_at,
        row.expires_at,
    )
    found = await of_order(database, row.order_no)
    return found or row


async def of_order(database: Database, order_no: str) -> PaymentRow | None:
    row = await database.read_row(f"{_SELECT} WHERE order_no = $1", order_no)
    return PaymentRow(*row) if row else None


async def by_number(database: Database, payment_no: str) -> PaymentRow | None:
    row = await database.read_row(f"{_SELECT} WHERE payment_no = $1", payment_no)
    return PaymentRow(*row) if row else None


async def settle(database: Database, payment_no: str, state: str, trade_no: str, at: datetime) -> bool:
    """Decide a payment; False where it was decided before."""
    return await database.fetchval(_SETTLE, payment_no, state, trade_no, at) is not None


async def due(database: Database, asked_before: datetime, limit: int) -> list[PaymentRow]:
    """Undecided payments that were not asked about since a moment, the longest first."""
    rows = await database.read(
        f"{_SELECT} WHERE state = 'created' AND asked_at < $1 ORDER BY asked_at LIMIT $2", asked_before, limit
    )
    return [PaymentRow(*row) for row in rows]


async def note_asked(database: Database, payment_no: str, at: datetime) -> None:
    await database.execute("UPDATE payment SET asked_at = $2 WHERE payment_no = $1", payment_no, at)
