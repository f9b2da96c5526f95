"""What riders pay for their orders (IF3): created, then paid or closed; and back, where the order came to nothing."""

from dataclasses import dataclass
from datetime import datetime

from tongka.store.db import Database
from tongka.store.stamp import Stamp


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """One row.

    Attributes:
        state: created, paid, closed (unpaid for good), differs (another amount was paid: for people); stray, returned,
            kept (refused by the institution: for people) where the order can't be carried out.

    """

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
), ordered AS (
    UPDATE app_order SET state = CASE $2 WHEN 'paid' THEN 'paid' ELSE 'cancelled' END, moved_at = $4
    FROM settled WHERE app_order.order_no = settled.order_no AND app_order.state IN ('created', 'paying')
        AND $2 IN ('paid', 'closed')
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $4, acquirer, 'payment ' || $2, payment_no, amount_fen::text FROM settled
)
SELECT order_no FROM settled
"""

_POST = """
WITH moved AS (
    UPDATE payment SET state = $3, asked_at = $4 WHERE payment_no = $1 AND state = $2
    RETURNING payment_no, order_no, acquirer, amount_fen
), posted AS (
    INSERT INTO transfer (order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT order_no, 'single', $5::int, $6::int, amount_fen, 'payment ' || $3, $4, $7 FROM moved WHERE $5::int > 0
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $4, acquirer, 'payment ' || $3, payment_no, amount_fen::text FROM moved
)
SELECT payment_no FROM moved
"""

_STRAYS = f"""
{_SELECT} WHERE state = 'paid' AND EXISTS (
    SELECT FROM app_order a WHERE a.order_no = payment.order_no AND a.state IN ('cancelled', 'failed')
) LIMIT $1
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


async def strays(database: Database, limit: int) -> list[PaymentRow]:
    """Payments of orders that can't be carried out any more."""
    return [PaymentRow(*row) for row in await database.read(_STRAYS, limit)]


async def in_state(database: Database, state: str, asked_before: datetime, limit: int) -> list[PaymentRow]:
    rows = await database.read(
        f"{_SELECT} WHERE state = $1 AND asked_at < $2 ORDER BY asked_at LIMIT $3", state, asked_before, limit
    )
    return [PaymentRow(*row) for row in rows]


async def move(database: Database, row: PaymentRow, state: str, stamp: Stamp, legs: tuple[int, int] = (0, 0)) -> bool:
    """Move a payment on and post its amount from one account to another; False where it moved otherwise."""
    moved = await database.fetchval(_POST, row.payment_no, row.state, state, stamp.at, *legs, stamp.day)
    return moved is not None
