"""All that a request needs to see before it moves anything, in one look: one statement instead of four."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from tongka.store.cards import CardRow
from tongka.store.db import Database
from tongka.store.guesses import MAC_FAILURES
from tongka.store.orders import Order, Reply, order_of


class Wanted(Struct, frozen=True, kw_only=True):
    """What to look for; an empty text looks for nothing.

    Attributes:
        payment_order: of the institution; looked for where no `order_no` is given.
        since: from when on failed MACs of the card are counted.
        standing: whether to look for the card's load that is not at its end.

    """

    request: str
    institution: str
    card_no: str
    order_no: str
    payment_order: str
    since: datetime
    standing: bool = False


class Sight(Struct, frozen=True):
    """What was seen; None where there was nothing.

    Attributes:
        standing: the card's open order, or else the latest load that the institution was paid for and is not on it.

    """

    wanted: Wanted
    reply: Reply | None
    card: CardRow | None
    order: Order | None
    mac_failures: int
    standing: Order | None = None


_REPLY, _CARD, _ORDER = Reply.__struct_fields__, CardRow.__struct_fields__, Order.__struct_fields__
_COLUMNS = ", ".join(
    f"{table}.{name}" for table, names in (("r", _REPLY), ("c", _CARD), ("o", _ORDER)) for name in names
)
_ORDER_FROM, _ORDER_TO = len(_REPLY) + len(_CARD), len(_REPLY) + len(_CARD) + len(_ORDER)

_LOOK = f"""
SELECT {_COLUMNS}, {MAC_FAILURES.format(card_no="$2", since="$6")}
FROM (SELECT 1) AS one
LEFT JOIN reply r ON r.request = $1
LEFT JOIN card c ON c.card_no = $2
LEFT JOIN payment_claim p ON p.institution = $4 AND p.payment_order = $5 AND $3 = ''
LEFT JOIN orders o ON o.order_no = CASE WHEN $3 = '' THEN p.order_no ELSE $3 END
"""  # noqa: S608 - our own names

_LOOK_STANDING = (
    _LOOK.replace("\nFROM (SELECT 1)", f", {', '.join(f's.{name}' for name in _ORDER)}\nFROM (SELECT 1)")  # noqa: S608 - our own names
    + """
LEFT JOIN LATERAL (
    (SELECT * FROM orders
     WHERE card_no = $2 AND state IN ('2', '4', '6', '7', '9') AND kind IN ('topup', 'unload') LIMIT 1)
    UNION ALL
    (SELECT * FROM orders
     WHERE card_no = $2 AND state IN ('1', '3') AND paid AND institution = $4 AND kind IN ('topup', 'unload')
     ORDER BY created_at DESC LIMIT 1)
    LIMIT 1
) AS s ON true
"""
)


_STATEMENTS = {False: f"{_LOOK}LIMIT 1", True: f"{_LOOK_STANDING}LIMIT 1"}
"""By `Wanted.standing`. One row always: an order's number is unique by chance alone, not by a constraint."""


async def look(database: Database, wanted: Wanted) -> Sight:
    """See the reply that the request got before, its card, its order, and how often the card failed."""
    row = await database.read_joined(
        _STATEMENTS[wanted.standing],
        wanted.request,
        wanted.card_no,
        wanted.order_no,
        wanted.institution,
        wanted.payment_order,
        wanted.since,
    )
    values: tuple[Any, ...] = tuple(row or ())
    reply = values[: len(_REPLY)]
    card = values[len(_REPLY) : _ORDER_FROM]
    order, standing = values[_ORDER_FROM:_ORDER_TO], values[_ORDER_TO + 1 :]
    return Sight(
        wanted,
        Reply(*reply) if reply[0] is not None else None,
        CardRow(*card) if card[0] is not None else None,
        _order_or_none(order),
        values[_ORDER_TO],
        _order_or_none(standing) if wanted.standing else None,
    )


def _order_or_none(values: tuple[Any, ...]) -> Order | None:
    return order_of(dict(zip(_ORDER, values, strict=True))) if values[0] is not None else None
