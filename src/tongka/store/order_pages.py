"""An institution's top-ups of a card, page by page, as the card front's order query shows them."""

from dataclasses import dataclass

from tongka.store.db import Database
from tongka.store.orders import COLUMNS, Order, order_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query asks for; empty texts ask for everything."""

    institution: str
    card_no: str
    order_no: str = ""
    state: str = ""


_WANTED = """ WHERE card_no = $1 AND institution = $2 AND kind = 'topup'
    AND ($3 = '' OR order_no = $3) AND ($4 = '' OR state = $4)"""


async def page(
    database: Database, wanted: Wanted, *, ascending: bool, size: int, number: int
) -> tuple[int, list[Order]]:
    """The number of orders that fit, and one page of them, by time."""
    arguments = (wanted.card_no, wanted.institution, wanted.order_no, wanted.state)
    total = await database.read_value(f"SELECT count(*) FROM orders {_WANTED}", *arguments)  # noqa: S608 - constant
    direction = "ASC" if ascending else "DESC"
    rows = await database.read(
        f"SELECT {COLUMNS} FROM orders {_WANTED} ORDER BY created_at {direction}, order_no {direction}"  # noqa: S608
        " LIMIT $5 OFFSET $6",
        *arguments,
        size,
        size * (number - 1),
    )
    return int(total), [order_of(dict(row)) for row in rows]
