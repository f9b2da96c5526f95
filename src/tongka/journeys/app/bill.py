"""Reconciling with a payment institution: its bill of a day against our books, line by line, both ways.

What the bill has is looked up whatever our day was. What our books have may stand in the bill of an earlier day: a
payment is known after it was made, a refund after it was asked for. So a payment that was begun shortly before midnight
belongs to the next day's check, and what the day's bill lacks is looked for in the bills of the days before.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from tongka.days import ZONE
from tongka.errors import Failed
from tongka.payments import OPENING, OURS
from tongka.payments.bills import BillLine
from tongka.store import bills
from tongka.store.bills import BookLine
from tongka.store.db import Database

MISSING_HERE, MISSING_THERE, OTHER_AMOUNT = "missing_here", "missing_there", "other_amount"
LATE = timedelta(hours=1)
"""A payment that begins so long before midnight may be made after it."""
DAYS_BACK = 3
"""How many earlier bills are asked for what this one lacks."""

Fetch = Callable[[date], Awaitable[Sequence[BillLine]]]


@dataclass(frozen=True, slots=True)
class Difference:
    """What does not agree: `missing_here`, `missing_there`, `other_amount`.

    Attributes:
        kind: payment or refund.
        bill_fen, books_fen: 0 where it is missing, or not counted as paid.

    """

    why: str
    kind: str
    number: str
    bill_fen: int
    books_fen: int


async def compare(database: Database, acquirer: str, day: date, fetch: Fetch) -> list[Difference]:
    """Every difference between the bill of a day and the books.

    Raises:
        Failed: the bill of that day cannot be had.
        Malformed: it cannot be read.

    """
    lines = await fetch(day)
    numbers = sorted({line.payment_no for line in lines})
    known = await bills.of_payments(database, acquirer, numbers, OURS, OPENING)
    expected = await _expected(database, acquirer, day)
    missing = await _missing(expected, lines, day, fetch)
    return [*_differing(lines, known), *missing]


def _differing(lines: Iterable[BillLine], known: Iterable[BookLine]) -> list[Difference]:
    """A number that stands twice in the bill counts with both amounts."""
    there: Counter[tuple[str, str]] = Counter()
    for line in lines:
        there[line.kind, line.number] += line.amount_fen
    here = {(line.kind, line.number): line.amount_fen for line in known if line.done}
    return [
        Difference(OTHER_AMOUNT if key in here else MISSING_HERE, *key, amount_fen, here.get(key, 0))
        for key, amount_fen in there.items()
        if here.get(key) != amount_fen
    ]


async def _expected(database: Database, acquirer: str, day: date) -> list[BookLine]:
    start = datetime.combine(day, time(), ZONE)
    end = start + timedelta(days=1)
    paid = await bills.paid_between(database, acquirer, start - LATE, end - LATE)
    return [*paid, *await bills.refunded_between(database, acquirer, start, end, OURS)]


async def _missing(
    expected: Sequence[BookLine], lines: Sequence[BillLine], day: date, fetch: Fetch
) -> list[Difference]:
    missing = _without(expected, lines)
    for back in range(1, DAYS_BACK + 1):
        if missing:
            with suppress(Failed):  # what cannot be seen stays missing
                missing = _without(missing, await fetch(day - timedelta(days=back)))
    return [Difference(MISSING_THERE, one.kind, one.number, 0, one.amount_fen) for one in missing]


def _without(expected: Iterable[BookLine], lines: Iterable[BillLine]) -> list[BookLine]:
    there = {(line.kind, line.number) for line in lines}
    return [one for one in expected if (one.kind, one.number) not in there]
