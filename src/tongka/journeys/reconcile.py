"""Reconciliation (对账): a closed day's list of a partner against the list that he sends."""

from dataclasses import dataclass

from tongka.errors import Refused
from tongka.journeys.operators import REASON_MAX, require_text
from tongka.reconcile import compare, read_csv
from tongka.store import days, settlement_lists
from tongka.store.db import Database
from tongka.store.settlement_lists import NotedDifference
from tongka.store.stamp import Stamp


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of it; `resolved` differences were settled by a person before, and are not open."""

    lines: int
    resolved: int
    open: list[NotedDifference]


async def compare_list(database: Database, content: bytes, stamp: Stamp) -> Compared:
    """Compare a partner's list with ours, and write the differences down. The same list again changes nothing.

    Raises:
        Malformed: the list cannot be read.
        DayRefused: its day is not closed.

    """
    theirs = read_csv(content)
    key = (theirs[0].settlement_date, theirs[0].role, theirs[0].party)
    await days.require_closed(database, key[0])
    ours = await settlement_lists.lines(database, *key)
    found = compare(ours, theirs)
    still = await settlement_lists.note(database, key, found, stamp)
    return Compared(len(theirs), len(found) - len(still), still)


async def resolve(database: Database, number: int, text: str, stamp: Stamp) -> None:
    """Say what came of a difference; `stamp.actor` is the operator.

    Raises:
        Refused: there is no open difference of that number.

    """
    require_text("note", text, REASON_MAX)
    if not await settlement_lists.resolve(database, number, text, stamp):
        raise Refused(f"there is no open difference {number}; `tongka day differences` lists them")
