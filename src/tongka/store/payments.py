"""What the sandbox's payment institution keeps: how it behaves, and the refunds that it has decided."""

from dataclasses import dataclass
from datetime import datetime

from tongka.store.db import Database

DEFAULT = "yes"

_BEHAVIOUR = """
SELECT behaviour FROM simulated_behaviour WHERE starts_with($1, prefix) ORDER BY length(prefix) DESC LIMIT 1
"""
_SET = """
INSERT INTO simulated_behaviour (prefix, behaviour) VALUES ($1, $2)
ON CONFLICT (prefix) DO UPDATE SET behaviour = excluded.behaviour
"""
_DECIDE = """
INSERT INTO simulated_refund (refund_no, payment_order, amount_fen, paid) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""
_REFUND = "SELECT refund_no, payment_order, amount_fen, paid FROM simulated_refund WHERE refund_no = $1"


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund that was decided."""

    refund_no: str
    payment_order: str
    amount_fen: int
    paid: bool


async def behaviour(database: Database, payment_order: str) -> str:
    """`yes`, `no` or `unknown`."""
    found: str | None = await database.read_value(_BEHAVIOUR, payment_order)
    return found or DEFAULT


async def set_behaviour(database: Database, prefix: str, wanted: str) -> None:
    """From now on, for payment orders that begin so; the empty prefix is all of them."""
    await database.execute(_SET, prefix, wanted)


async def refund(database: Database, refund_no: str) -> Refund | None:
    """What became of a refund; None if it was never decided."""
    row = await database.read_row(_REFUND, refund_no)
    return Refund(*row) if row else None


async def decide(database: Database, wanted: Refund) -> None:
    """Decide a refund, unless it was decided before."""
    await database.execute(_DECIDE, wanted.refund_no, wanted.payment_order, wanted.amount_fen, wanted.paid)


async def decided_between(database: Database, start: datetime, end: datetime) -> list[Refund]:
    """What was paid back from one moment to another."""
    rows = await database.read(
        "SELECT refund_no, payment_order, amount_fen, paid FROM simulated_refund"
        " WHERE paid AND decided_at >= $1 AND decided_at < $2 ORDER BY decided_at",
        start,
        end,
    )
    return [Refund(*row) for row in rows]
