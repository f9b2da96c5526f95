"""Decisions of two people about an order in state 9. The move that confirms one is `orders.move` with `confirms`."""

from dataclasses import dataclass
from datetime import datetime

from tongka.store.db import Database
from tongka.store.orders import Order
from tongka.store.stamp import Stamp


@dataclass(frozen=True, slots=True)
class Decision:
    """A proposal; with its confirmation, a decision."""

    credited: bool
    proposed_by: str
    proposed_at: datetime
    reason: str
    confirmed_by: str | None
    confirmed_at: datetime | None


_FIND = """
SELECT credited, proposed_by, proposed_at, reason, confirmed_by, confirmed_at FROM decision
WHERE card_no = $1 AND order_no = $2 AND attempt = $3
"""

# The share lock keeps the order in 9 until the proposal is there.
_PROPOSE = """
WITH undecided AS (
    SELECT card_no, order_no, attempt FROM orders
    WHERE card_no = $1 AND order_no = $2 AND attempt = $3 AND state = '9' FOR SHARE
), proposed AS (
    INSERT INTO decision (card_no, order_no, attempt, credited, proposed_by, proposed_at, reason)
    SELECT card_no, order_no, attempt, $4, $5, $6, $7 FROM undecided
    ON CONFLICT (card_no, order_no, attempt) DO UPDATE
        SET credited = EXCLUDED.credited, proposed_at = EXCLUDED.proposed_at, reason = EXCLUDED.reason
        WHERE decision.confirmed_by IS NULL AND lower(decision.proposed_by) = lower(EXCLUDED.proposed_by)
    RETURNING order_no
)
INSERT INTO audit (at, actor, action, subject, detail)
SELECT $6, $5, 'decision proposed', order_no, CASE WHEN $4 THEN 'credited: ' ELSE 'not credited: ' END || $7
FROM proposed RETURNING id
"""

_WITHDRAW = """
WITH withdrawn AS (
    DELETE FROM decision WHERE card_no = $1 AND order_no = $2 AND attempt = $3 AND confirmed_by IS NULL
    RETURNING order_no, proposed_by
)
INSERT INTO audit (at, actor, action, subject, detail)
SELECT $4, $5, 'decision withdrawn', order_no, 'proposed by ' || proposed_by FROM withdrawn RETURNING id
"""


async def find(database: Database, order: Order) -> Decision | None:
    """What is proposed or decided about the order's present attempt."""
    row = await database.read_row(_FIND, order.card_no, order.order_no, order.attempt)
    return Decision(**dict(row)) if row else None


async def propose(database: Database, order: Order, *, credited: bool, reason: str, stamp: Stamp) -> bool:
    """Propose, or change one's own proposal; False if somebody else's is there, or the order is not in 9 any more."""
    key = (order.card_no, order.order_no, order.attempt)
    return await database.fetchrow(_PROPOSE, *key, credited, stamp.actor, stamp.at, reason) is not None


async def withdraw(database: Database, order: Order, stamp: Stamp) -> bool:
    """Take a proposal off the table, whoever made it; False if there is none, or it is confirmed."""
    key = (order.card_no, order.order_no, order.attempt)
    return await database.fetchrow(_WITHDRAW, *key, stamp.at, stamp.actor) is not None
