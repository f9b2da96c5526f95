"""All that a request needs to see before it moves anything, in one look: one statement instead of four."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from tongka.store.cards import CardRow
from tongka.store.db import Database
from tongka.store.orders import Order, Reply, order_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look for; an empty text looks for nothing.

    Attributes:
        payment_order: of the institution; looked for where no `order_no` is given.
        since: from when on failed MACs of the card are counted.

    """

    request: str
    institution: str
    card_no: str
    order_no: str
    payment_order: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen; None where there was nothing."""

    wanted: Wanted
    reply: Reply | None
    card: CardRow | None
    order: Order | None
    mac_failures: int


_REPLY = tuple(field.name for field in fields(Reply))
_CARD = tuple(field.name for field in fields(CardRow))
_ORDER = tuple(field.name for field in fields(Order))
_COLUMNS = ", ".join(
    f"{table}.{name}" for table, names in (("r", _REPLY), ("c", _CARD), ("o", _ORDER)) for name in names
)
_ORDER_FROM, _ORDER_TO = len(_REPLY) + len(_CARD), len(_REPLY) + len(_CARD) + len(_ORDER)

_LOOK = f"""
SELECT {_COLUMNS}, (SELECT count(*) FROM mac_failure WHERE card_no = $2 AND at > $6)
FROM (SELECT 1) AS one
LEFT JOIN reply r ON r.request = $1
LEFT JOIN card c ON c.card_no = $2
LEFT JOIN payment_claim p ON p.institution = $4 AND p.payment_order = $5 AND $3 = ''
LEFT JOIN orders o ON o.order_no = CASE WHEN $3 = '' THEN p.order_no ELSE $3 END
"""  # noqa: S608 - our own names


async def look(database: Database, wanted: Wanted) -> Sight:
    """See the reply that the request got before, its card, its order, and how often the card failed."""
    row = await database.read_row(
        _LOOK, wanted.request, wanted.card_no, wanted.order_no, wanted.institution, wanted.payment_order, wanted.since
    )
    values: tuple[Any, ...] = tuple(row or ())
    reply = values[: len(_REPLY)]
    card = values[len(_REPLY) : _ORDER_FROM]
    order = values[_ORDER_FROM:_ORDER_TO]
    return Sight(
        wanted,
        Reply(*reply) if reply[0] is not None else None,
        CardRow(*card) if card[0] is not None else None,
        order_of(dict(zip(_ORDER, order, strict=True))) if order[0] is not None else None,
        values[-1],
    )
