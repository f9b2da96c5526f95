"""What an operator looks at first: today's orders by state, the latest of them, how many cards there are."""

from dataclasses import dataclass
from datetime import date, datetime

from tongka.store.db import Database

LATEST_MAX = 50


@dataclass(frozen=True, slots=True)
class StateCount:
    """Orders of one kind in one state."""

    kind: str
    state: str
    orders: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order in a list."""

    order_no: str
    card_no: str
    kind: str
    state: str
    amount_fen: int
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class CardCount:
    """Cards of one type and status."""

    profile: str
    status: str
    enabled: bool
    cards: int


async def states_of(database: Database, day: date) -> list[StateCount]:
    """The orders of a settlement date."""
    rows = await database.read(
        "SELECT kind, state, count(*), sum(amount_fen)::bigint FROM orders WHERE settlement_date = $1"
        " GROUP BY kind, state ORDER BY kind, state",
        day,
    )
    return [StateCount(*row) for row in rows]


async def latest_orders(database: Database, day: date) -> list[OrderLine]:
    """The orders of a settlement date that moved last, at most LATEST_MAX."""
    rows = await database.read(
        "SELECT order_no, card_no, kind, state, amount_fen, moved_at FROM orders WHERE settlement_date = $1"
        " ORDER BY moved_at DESC LIMIT $2",
        day, LATEST_MAX,
    )  # fmt: skip
    return [OrderLine(*row) for row in rows]


async def card_counts(database: Database) -> list[CardCount]:
    rows = await database.read(
        "SELECT profile, status, enabled, count(*) FROM card GROUP BY profile, status, enabled ORDER BY 1, 2, 3"
    )
    return [CardCount(*row) for row in rows]
