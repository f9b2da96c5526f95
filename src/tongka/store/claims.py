"""Claims: returns of cards that cannot be asked what they hold, paid by the books when their waiting period is over."""

from datetime import datetime

from tongka.store.db import Database
from tongka.store.orders import COLUMNS, Order, order_of

_DUE = f"""
SELECT {COLUMNS} FROM orders claim
WHERE kind = 'return' AND return_type = '1' AND state = '1' AND institution = $1 AND created_at <= $2
    AND NOT EXISTS (SELECT FROM orders other
                    WHERE other.card_no = claim.card_no AND other.state IN ('2', '4', '6', '7', '9'))
ORDER BY created_at LIMIT $3
"""  # noqa: S608 - constant


async def due(database: Database, institution: str, before: datetime, limit: int) -> list[Order]:
    """An institution's claims that were made before a moment and can be paid out, oldest first.

    One whose card has an undecided order waits for it.
    """
    return [order_of(dict(row)) for row in await database.read(_DUE, institution, before, limit)]
