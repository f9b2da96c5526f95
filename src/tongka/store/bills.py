"""The books' side of a payment institution's bill: payments and refunds as they should stand in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tongka.store.db import Database

_PAID = "('paid', 'differs', 'stray', 'returned', 'kept')"
_STRAY = "left('S' || p.payment_no, 32)"
"""As journeys number the refund of a payment whose order came to nothing."""

_PAYMENTS = f"""
SELECT 'payment' AS kind, payment_no AS number, payment_no, amount_fen, state IN {_PAID} AS done FROM payment
WHERE acquirer = $1 AND payment_no = ANY ($2)
"""  # noqa: S608 - our own constants

_REFUNDS = f"""
SELECT 'refund', o.refund_no, p.payment_no, o.amount_fen, true FROM payment p
JOIN payment_claim c ON c.institution = $3 AND c.payment_order = ANY (ARRAY[p.order_no, p.order_no || $4])
JOIN orders o ON o.card_no = c.card_no AND o.order_no = c.order_no
WHERE p.acquirer = $1 AND p.payment_no = ANY ($2) AND o.refund_no <> '' AND o.state IN ('A', 'B')
UNION ALL
SELECT 'refund', {_STRAY}, p.payment_no, p.amount_fen, true FROM payment p
WHERE p.acquirer = $1 AND p.payment_no = ANY ($2) AND p.state IN ('stray', 'returned')
UNION ALL
SELECT 'refund', refund_no, payment_no, amount_fen, true FROM payout_refund
WHERE acquirer = $1 AND payment_no = ANY ($2) AND (state = 'done' OR (state = 'due' AND asked_at IS NOT NULL))
"""  # noqa: S608 - our own constants

_PAID_BETWEEN = f"""
SELECT 'payment' AS kind, payment_no AS number, payment_no, amount_fen, true AS done FROM payment
WHERE acquirer = $1 AND created_at >= $2 AND created_at < $3 AND state IN {_PAID}
"""  # noqa: S608 - our own constants

_REFUNDED_BETWEEN = f"""
SELECT 'refund' AS kind, o.refund_no AS number, p.payment_no, o.amount_fen, true AS done FROM orders o
JOIN payment p ON p.order_no = split_part(o.payment_order, '/', 1)
WHERE o.institution = $4 AND o.state = 'B' AND o.moved_at >= $2 AND o.moved_at < $3 AND o.refund_no <> ''
    AND o.amount_fen > 0 AND p.acquirer = $1
UNION ALL
SELECT 'refund', {_STRAY}, p.payment_no, p.amount_fen, true FROM payment p
WHERE p.acquirer = $1 AND p.state = 'returned' AND p.asked_at >= $2 AND p.asked_at < $3
UNION ALL
SELECT 'refund', refund_no, payment_no, amount_fen, true FROM payout_refund
WHERE acquirer = $1 AND state = 'done' AND decided_at >= $2 AND decided_at < $3
"""  # noqa: S608 - our own constants


@dataclass(frozen=True, slots=True)
class BookLine:
    """A payment or a refund on our books.

    Attributes:
        kind: payment or refund.
        done: a payment that counts as paid; a refund that was asked for.

    """

    kind: str
    number: str
    payment_no: str
    amount_fen: int
    done: bool


async def of_payments(
    database: Database, acquirer: str, payment_nos: Sequence[str], institution: str, opening: str
) -> list[BookLine]:
    """What the books know of these payments, whatever the day: themselves, and their refunds.

    `institution` is the name under which Your Server orders, `opening` what is behind a payment's number where it
    pays for an opening.
    """
    numbers = list(payment_nos)
    rows = await database.read(_PAYMENTS, acquirer, numbers)
    rows += await database.read(_REFUNDS, acquirer, numbers, institution, opening)
    return [BookLine(*row) for row in rows]


async def paid_between(database: Database, acquirer: str, start: datetime, end: datetime) -> list[BookLine]:
    """Paid payments that were begun from one moment to another."""
    return [BookLine(*row) for row in await database.read(_PAID_BETWEEN, acquirer, start, end)]


async def refunded_between(
    database: Database, acquirer: str, start: datetime, end: datetime, institution: str
) -> list[BookLine]:
    """Refunds that were decided from one moment to another."""
    return [BookLine(*row) for row in await database.read(_REFUNDED_BETWEEN, acquirer, start, end, institution)]
