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


class Company:
    """Those who wait for one statement.

    Args:
        together: runs it for several sets of arguments in one transaction, and answers a row for each; None when it was
            rolled back, and then nothing happened.
        alone: runs it for one set. Those who were rolled back are sent alone, and each meets the error of his own.

    """

    def __init__(self, together: Together, alone: Alone) -> None:
        self._together = together
        self._alone = alone
        self._waiting: list[Member] = []
        self._away: asyncio.Task[None] | None = None
        self._out_of_patience: set[asyncio.Task[None]] = set()

    async def join(self, arguments: Arguments) -> Row:
        """The row that the statement answers to these arguments; raises what `together` and `alone` raise."""
        member = Member(arguments, asyncio.get_running_loop().create_future())
        self._waiting.append(member)
        if self._away is None:
            self._leave()
        return await member.row

    def _leave(self) -> None:
        """Whoever becomes ready in this turn of the loop still comes along: a task begins in the next."""
        loop = asyncio.get_running_loop()
        self._away = task = loop.create_task(self._travel())
        patience = loop.call_later(PATIENCE_S, self._not_back, task)
        task.add_done_callback(lambda _: self._back(task, patience))

    def _not_back(self, task: "asyncio.Task[None]") -> None:
        self._out_of_patience.add(task)
        self._next()

    def _back(self, task: "asyncio.Task[None]", patience: asyncio.TimerHandle) -> None:
        patience.cancel()
        if task is self._away:
            self._next()
        self._out_of_patience.discard(task)

    def _next(self) -> None:
        self._away = None
        if self._waiting:
            self._leave()

    async def _travel(self) -> None:
        members, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
        for member, row in zip(members, await self._rows([member.arguments for member in members]), strict=True):
            member.told(row)

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
