"""Business days in PostgreSQL: closed one after the other, and then never touched again.

A day is closed in two steps. The first shuts it: for some milliseconds nobody posts, so that every transfer of it
is there and none comes afterwards; the table's own trigger refuses them, its condition names the day. The second
adds the day up from rows which cannot change any more, so that a process may die anywhere between: whoever comes next
goes on.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

import asyncpg

from tongka.errors import Busy, Failed, Refused
from tongka.ledger import Account
from tongka.store.db import Database
from tongka.store.ledger import LEGS
from tongka.store.parties import REFRESH_S
from tongka.store.stamp import Stamp

DAY_LOCK = 0x746F_6E68
WAIT_S = 3
"""How long closing waits for transfers that are under way; meanwhile new ones wait for it."""
ONE_DAY = timedelta(days=1)


class DayRefused(Refused):
    """The day can't be closed, or is not closed yet."""

    code = "day_refused"


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """One row; `figures_at` is None while its figures are still to come."""

    business_date: date
    closed_at: datetime
    closed_by: str
    figures_at: datetime | None


class OpenDay:
    """Up to where days are closed, as it was a moment ago: `first` does no I/O."""

    def __init__(self, database: Database | None = None, last_closed: date | None = None) -> None:
        self._database = database
        self._last_closed = last_closed

    @classmethod
    async def load(cls, database: Database) -> Self:
        return cls(database, await last_closed(database))

    @property
    def first(self) -> date:
        """The first day that takes transfers."""
        return self._last_closed + ONE_DAY if self._last_closed else date.min

    async def refresh(self) -> None:
        if self._database is not None:
            self._last_closed = await last_closed(self._database)

    async def keep_fresh(self) -> None:
        """Look anew every few seconds, until cancelled; while the database is away, what was seen last serves."""
        while True:
            await asyncio.sleep(REFRESH_S)
            with suppress(Failed):
                await self.refresh()


# --- looking ----------------------------------------------------------------------------------------------------------

_SELECT = "SELECT business_date, closed_at, closed_by, figures_at FROM closed_day"


async def last_closed(database: Database) -> date | None:
    found: date | None = await database.read_value("SELECT max(business_date) FROM closed_day")
    return found


async def closed(database: Database, limit: int) -> list[ClosedDay]:
    """Closed days, the latest first."""
    rows = await database.read(f"{_SELECT} ORDER BY business_date DESC LIMIT $1", limit)
    return [ClosedDay(*row) for row in rows]


async def require_closed(database: Database, day: date) -> ClosedDay:
    """A closed day with its figures.

    Raises:
        DayRefused: it is open, or not added up yet.

    """
    row = await database.read_row(f"{_SELECT} WHERE business_date = $1 AND figures_at IS NOT NULL", day)
    if row is None:
        raise DayRefused(f"{day} is not closed; `tongka day close {day}` does that once it is over")
    return ClosedDay(*row)


async def first_open(database: Database, until: date) -> date | None:
    """The first day up to `until` that is not closed; None if there is nothing to close."""
    last = await last_closed(database)
    if last is None:
        found: date | None = await database.read_value(
            "SELECT min(business_date) FROM transfer WHERE business_date <= $1", until
        )
        return found
    return last + ONE_DAY if last < until else None


async def without_figures(database: Database) -> list[date]:
    """Days that are shut and not added up yet, in order."""
    rows = await database.read("SELECT business_date FROM closed_day WHERE figures_at IS NULL ORDER BY 1")
    return [row[0] for row in rows]


# --- closing ----------------------------------------------------------------------------------------------------------

_SHUT = "SELECT shut_day($1, $2, $3)"


async def shut(database: Database, day: date, stamp: Stamp) -> bool:
    """Take no transfers of this day any more; False where it was closed before.

    Raises:
        DayRefused: the day before is open.
        Busy: transfers are under way for too long; try again.

    """
    try:
        async with database.transaction() as connection:
            await connection.execute(f"SET LOCAL lock_timeout = '{WAIT_S}s'")
            hindered: date | None = await connection.fetchval(_SHUT, day, stamp.at, stamp.actor)
    except asyncpg.LockNotAvailableError as error:
        raise Busy(f"transfers have been under way for {WAIT_S} s; {day} is closed at the next turn") from error
    if hindered is not None and hindered < day:
        raise DayRefused(f"{hindered} is open; days are closed one after the other")
    return hindered is None


_ROLL_UP = f"""
INSERT INTO account_rollup (account, business_date, debit_fen, credit_fen, transfers, opening_fen)
SELECT moved.*, coalesce((
    SELECT r.opening_fen + r.debit_fen - r.credit_fen FROM account_rollup r
    WHERE r.account = moved.account AND r.business_date < $1 ORDER BY r.business_date DESC LIMIT 1), 0)
FROM (
    SELECT account, business_date, sum(debit_fen) AS debit_fen, sum(credit_fen) AS credit_fen, count(*)
    FROM ({LEGS} AND t.business_date = $1) AS legs GROUP BY account, business_date
) AS moved
"""  # noqa: S608 - our own constants

_FIGURES = """
INSERT INTO day_figure (business_date, role, party, channel, kind, account, lines, amount_fen)
SELECT business_date, role, party, channel, kind, account, count(DISTINCT line), sum(amount_fen) FROM settlement_leg
WHERE business_date = $1 GROUP BY business_date, role, party, channel, kind, account
"""

_CARRY = f"""
INSERT INTO day_carried (business_date, card_no, order_no, in_hand_fen, payable_fen)
SELECT $1::date, card_no, order_no, sum(in_hand), sum(payable) FROM (
    SELECT card_no, order_no, in_hand_fen AS in_hand, payable_fen AS payable FROM day_carried
    WHERE business_date = $1::date - 1
    UNION ALL
    SELECT t.card_no, t.order_no, CASE leg.account WHEN {Account.ORDERS_IN_HAND:d} THEN leg.fen ELSE 0 END,
           CASE leg.account WHEN {Account.REFUNDS_PAYABLE:d} THEN leg.fen ELSE 0 END
    FROM transfer t CROSS JOIN LATERAL (VALUES (t.debit, -t.amount_fen), (t.credit, t.amount_fen)) AS leg (account, fen)
    WHERE t.kind IN ('single', 'post') AND leg.account IN ({Account.ORDERS_IN_HAND:d}, {Account.REFUNDS_PAYABLE:d})
        AND CASE WHEN EXISTS (SELECT FROM closed_day WHERE business_date = $1::date - 1)
                 THEN t.business_date = $1 ELSE t.business_date <= $1 END
) AS moves GROUP BY card_no, order_no HAVING sum(in_hand) <> 0 OR sum(payable) <> 0
"""  # noqa: S608 - our own constants

_ADDED_UP = """
WITH done AS (UPDATE closed_day SET figures_at = $2 WHERE business_date = $1 RETURNING business_date)
INSERT INTO audit (at, actor, action, subject, detail)
SELECT $2, $3, 'add up day', business_date::text,
    (SELECT count(*) || ' accounts, ' || coalesce(sum(debit_fen), 0) || ' fen' FROM account_rollup r
     WHERE r.business_date = $1) FROM done
"""


async def add_up(database: Database, day: date, stamp: Stamp) -> bool:
    """The figures of a day that is shut; False where they are there. All of them or none.

    Raises:
        DayRefused: those of a day before are still to come.

    """
    async with database.transaction(unhurried=True) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", DAY_LOCK)
        row = await connection.fetchrow(f"{_SELECT} WHERE business_date = $1", day)
        if row is None or row["figures_at"] is not None:
            return False
        before = await connection.fetchval(
            "SELECT min(business_date) FROM closed_day WHERE business_date < $1 AND figures_at IS NULL", day
        )
        if before is not None:
            raise DayRefused(f"{before} is not added up yet; days are added up one after the other")
        for statement in (_ROLL_UP, _FIGURES, _CARRY):
            await connection.execute(statement, day)
        await connection.execute(_ADDED_UP, day, stamp.at, stamp.actor)
    return True
