"""What a migration does to the payout of the card that it deletes: takes it, and gives back what it does not load."""

from dataclasses import dataclass

from tongka.ledger import Account
from tongka.store.db import Database
from tongka.store.stamp import Stamp

_LOOK = """
SELECT p.card_no, p.order_no, p.state = 'carried' AS carried, m.order_no IS NOT NULL AS migrates,
    coalesce(b.refunded_fen, 0)::bigint AS refunded_fen
FROM payout p JOIN orders r ON (r.card_no, r.order_no) = (p.card_no, p.order_no)
LEFT JOIN LATERAL (
    SELECT a.order_no FROM wallet_order o JOIN app_order a ON a.order_no || $2 = o.server_order_id
    WHERE o.institution = $1 AND o.card_no = p.card_no AND o.business = 'DELETE' AND a.business = 'MIGRATE'
        AND o.state NOT IN ('failed', 'cancelled') AND a.state <> 'failed'
    ORDER BY a.created_at DESC LIMIT 1
) AS m ON r.return_type <> '1'
LEFT JOIN wallet_order i ON i.institution = $1 AND i.server_order_id = m.order_no || $3
LEFT JOIN LATERAL (
    SELECT bool_or(o.state NOT IN ('5', '8', 'B', 'C', 'D')) AS undecided,
        sum(o.amount_fen) FILTER (WHERE o.state = 'B') AS refunded_fen
    FROM orders o WHERE o.card_no = i.card_no AND o.order_no IN (i.sale_no, i.load_no)
) AS b ON true
WHERE (p.state = 'waiting' AND (m.order_no IS NULL OR i.state IS NOT NULL))
    OR (p.state = 'carried' AND i.state IN ('done', 'failed', 'cancelled') AND NOT coalesce(b.undecided, false))
ORDER BY p.moved_at LIMIT $4
"""

_CARRY = """
WITH moved AS (
    UPDATE payout SET state = 'carried', carried_fen = amount_fen, moved_at = $3
    WHERE card_no = $1 AND order_no = $2 AND state = 'waiting' RETURNING card_no, order_no, amount_fen
), posted AS (
    INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT card_no, order_no, 'single', $6, $7, amount_fen, 'payout carried', $3, $4 FROM moved
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $3, $5, 'payout carried', order_no, amount_fen::text FROM moved
)
SELECT order_no FROM moved
"""

_COME_BACK = """
WITH moved AS (
    UPDATE payout SET state = CASE WHEN $8::bigint > 0 THEN 'sending' ELSE 'done' END, back_fen = $8, moved_at = $3
    WHERE card_no = $1 AND order_no = $2 AND state = 'carried' RETURNING card_no, order_no, state
), posted AS (
    INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT card_no, order_no, 'single', $7, $6, $8, 'payout back', $3, $4 FROM moved WHERE $8 > 0
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $3, $5, 'payout ' || state, order_no, $8::text FROM moved
)
SELECT order_no FROM moved
"""


@dataclass(frozen=True, slots=True)
class Carrying:
    """A payout that can go on: one that waits, or that a migration has taken.

    Attributes:
        carried: a migration has it, and is at its end.
        migrates: a migration takes it, and the card is ordered elsewhere.
        refunded_fen: what came back of that order.

    """

    card_no: str
    order_no: str
    carried: bool
    migrates: bool
    refunded_fen: int


async def look(database: Database, institution: str, parts: tuple[str, str], limit: int) -> list[Carrying]:
    """Those that can go on, the oldest first; not those whose migration is under way.

    `institution` is the name under which Your Server orders, `parts` what is behind the numbers of a migration's
    deletion and of its opening. A claim's payout is carried by nobody.
    """
    return [Carrying(*row) for row in await database.read(_LOOK, institution, *parts, limit)]


async def carry(database: Database, one: Carrying, stamp: Stamp) -> bool:
    """The migration has taken it: the opening draws on what is not payable any more."""
    return await database.fetchval(_CARRY, *_arguments(one, stamp)) is not None


async def come_back(database: Database, one: Carrying, stamp: Stamp) -> bool:
    """The opening is at its end; what was refunded of it is payable again."""
    return await database.fetchval(_COME_BACK, *_arguments(one, stamp), one.refunded_fen) is not None


def _arguments(one: Carrying, stamp: Stamp) -> tuple[object, ...]:
    key = (one.card_no, one.order_no, stamp.at, stamp.day, stamp.actor)
    return (*key, Account.REFUNDS_PAYABLE, Account.RECEIVABLE_OTHER)
