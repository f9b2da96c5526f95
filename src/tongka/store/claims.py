"""Claims: returns of cards that cannot be asked what they hold, paid by the books when their waiting period is over.

A claim waits for what is undecided on its card. If the card is lost with its phone, that is for people in the end.
"""

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


_LOST_WITH_PHONE = """
    EXISTS (SELECT FROM card c JOIN wallet_card w USING (card_no) WHERE c.card_no = o.card_no AND c.status = '03')
"""

_UNHEARD_OF = f"""
SELECT {COLUMNS} FROM orders o
WHERE o.state = '4' AND o.kind IN ('topup', 'return') AND o.moved_at <= $1 AND {_LOST_WITH_PHONE}
    AND (o.kind = 'return' OR EXISTS (
        SELECT FROM orders claim WHERE claim.card_no = o.card_no AND claim.kind = 'return' AND claim.return_type = '1'
            AND claim.state = '1' AND claim.created_at <= $1))
ORDER BY o.moved_at LIMIT $2
"""  # noqa: S608 - constant


async def unheard_of(database: Database, before: datetime, limit: int) -> list[Order]:
    """Top-ups and returns of cards that were lost with their phone, undecided since a moment, oldest first."""
    return [order_of(dict(row)) for row in await database.read(_UNHEARD_OF, before, limit)]


_BROKEN_OFF = f"""
SELECT {COLUMNS} FROM orders o
WHERE o.state = '3' AND o.kind = 'return' AND o.return_type <> '1' AND o.institution = $1 AND {_LOST_WITH_PHONE}
LIMIT $2
"""  # noqa: S608 - constant


async def broken_off(database: Database, institution: str, limit: int) -> list[Order]:
    """An institution's returns that did not debit a card which was lost with its phone."""
    return [order_of(dict(row)) for row in await database.read(_BROKEN_OFF, institution, limit)]
