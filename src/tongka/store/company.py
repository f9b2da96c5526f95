"""Statements that wait at the same time travel together: one message, one transaction, one commit for all of them.

A lone statement's round trip, wake-ups and commit cost more than the statement itself. So what becomes ready in one
turn of the event loop, or while the company before is away, is sent as one (decision 8): the same prepared statement,
executed for one set of arguments after the other. Nobody waits for others to come.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import asyncpg

Arguments = tuple[Any, ...]
Row = asyncpg.Record
Together = Callable[[Sequence[Arguments]], Awaitable[list[Row] | None]]
Alone = Callable[[Arguments], Awaitable[Row]]

LARGEST = 32
"""Members of one company; the locks of all of them are held until its commit."""
WORTH_A_WAY = 4
"""So many members are worth a second company, while only one is away, whatever its statement."""
PATIENCE_S = 0.1
"""A company that meets a lock is away for long; after so long the next one leaves without waiting for its return."""


class Member(NamedTuple):
    """One set of arguments that waits for its row."""

    arguments: Arguments
    row: "asyncio.Future[Row]"

    def told(self, row: Row | BaseException) -> None:
        if self.row.done():  # whoever waited was cancelled
            return
        if isinstance(row, BaseException):
            self.row.set_exception(row)
        else:
            self.row.set_result(row)


class Road:
    """How many companies are away, whatever their statements: one database serves them all."""

    def __init__(self) -> None:
        self.away = 0


class Company:
    """Those who wait for one statement.

    Args:
        together: runs it for several sets of arguments in one transaction, and answers a row for each; None when it was
            rolled back, and then nothing happened.
        alone: runs it for one set. Those who were rolled back are sent alone, and each meets the error of his own.
        road: what all companies of a database share.

    """

    def __init__(self, together: Together, alone: Alone, road: Road) -> None:
        self._together = together
        self._alone = alone
        self._road = road
        self._waiting: list[Member] = []
        self._away: set[asyncio.Task[None]] = set()
        self._is_leaving = False

    async def join(self, arguments: Arguments) -> Row:
        """The row that the statement answers to these arguments; raises what `together` and `alone` raise."""
        member = Member(arguments, asyncio.get_running_loop().create_future())
        self._waiting.append(member)
        self._leave_if_time()
        return await member.row

    def _leave_if_time(self) -> None:
        """Leave if no company of this statement is away; with enough members, also if it is the only one away."""
        if not self._waiting or self._is_leaving:
            return
        if not self._away or (len(self._waiting) >= WORTH_A_WAY and self._road.away == 1):
            self._leave()

    def _leave(self) -> None:
        """Whoever becomes ready in this turn of the loop still comes along: a task begins in the next."""
        loop = asyncio.get_running_loop()
        self._is_leaving = True
        task = loop.create_task(self._travel())
        self._away.add(task)
        self._road.away += 1
        patience = loop.call_later(PATIENCE_S, self._over, task)
        task.add_done_callback(lambda _: self._back(task, patience))

    def _back(self, task: "asyncio.Task[None]", patience: asyncio.TimerHandle) -> None:
        patience.cancel()
        self._over(task)

    def _over(self, task: "asyncio.Task[None]") -> None:
        """It is back, or will be long; nobody waits for it any more."""
        if task in self._away:
            self._away.remove(task)
            self._road.away -= 1
            self._leave_if_time()

    async def _travel(self) -> None:
        members = self._setting_out()
        for member, row in zip(members, await self._rows([member.arguments for member in members]), strict=True):
            member.told(row)

    def _setting_out(self) -> list[Member]:
        """All who wait, up to the largest company; half of many, where nobody else is away, and then the other half."""
        self._is_leaving = False
        share = LARGEST
        if len(self._waiting) >= 2 * WORTH_A_WAY and self._road.away == 1:
            share = min(LARGEST, (len(self._waiting) + 1) // 2)
        members, self._waiting = self._waiting[:share], self._waiting[share:]
        self._leave_if_time()
        return members

    async def _rows(self, several: Sequence[Arguments]) -> Sequence[Row | BaseException]:
        try:
            if len(several) == 1:
                return (await self._alone(several[0]),)
            rows = await self._together(several)
        except Exception as error:  # noqa: BLE001 - it is raised where each of them waits
            return [error] * len(several)
        if rows is None:
            return await asyncio.gather(*map(self._alone, several), return_exceptions=True)
        return rows
