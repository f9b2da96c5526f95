"""Connections on loan: who gives one back leaves it for whoever asks next.

asyncpg's pool needs as long to take a connection back and hand it out again as a short statement takes altogether. So a
connection whose work ended well is kept for a moment; one that was broken off, or that somebody waits for, goes back to
the pool, which looks after it.
"""

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from tongka.errors import Busy, Failed
from tongka.store.reach import Reach

KEPT_S = 0.05
"""How long a connection is kept while nobody asks for one."""

if TYPE_CHECKING:  # these classes are generic for the type checker only
    Connection = asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
    Leased = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    Connection, Pool, Leased = asyncpg.Connection, asyncpg.Pool, asyncpg.pool.PoolConnectionProxy

BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)
BROKEN_IF_CLOSED = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""These also come of wrong arguments, and from the caller's own code inside a transaction."""
CANNOT_CONNECT = (*BROKEN, *BROKEN_IF_CLOSED, asyncpg.TooManyConnectionsError)


class Leases:
    """The connections of one pool.

    Args:
        pool: where they come from.
        timeout_s: how long to wait for one.

    """

    def __init__(self, pool: Pool, timeout_s: float) -> None:
        self.pool = pool
        self.reach = Reach()
        self._timeout_s = timeout_s
        self._kept: list[Leased] = []
        self._waiting = 0
        self._used_since = False
        self._look: asyncio.TimerHandle | None = None
        self._returning: set[asyncio.Task[None]] = set()

    async def take(self) -> Leased:
        """A connection, to be given back.

        Raises:
            Busy: none became free in time.
            Failed: the server cannot be reached.

        """
        self._used_since = True
        while self._kept:
            connection = self._kept.pop()
            if not is_closed(connection):
                return connection
            await self.pool.release(connection)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self.pool.acquire()
        except TimeoutError as error:
            raise Busy("no database connection became free; raise database.pool_max or try again") from error
        except CANNOT_CONNECT as error:
            self.reach.lost(error)
            raise Failed(f"the database cannot be reached: {error}") from error
        finally:
            self._waiting -= 1
        if self.reach.away:
            self.reach.found()
        return connection

    async def give_back(self, connection: Leased, *, well: bool) -> None:
        """Return a connection; `well`: its last statement, or transaction, ended as it should."""
        if not well or self._waiting or self.pool.is_closing():
            await self.pool.release(connection)
            return
        self._kept.append(connection)
        if self._look is None:
            self._look_later()

    async def close(self) -> None:
        """Return what is kept, then close the pool."""
        if self._look is not None:
            self._look.cancel()
        await self._return_kept()
        await self.pool.close()

    def _look_later(self) -> None:
        self._used_since = False
        self._look = asyncio.get_running_loop().call_later(KEPT_S, self._looked)

    def _looked(self) -> None:
        if self._used_since:
            self._look_later()
            return
        self._look = None
        task = asyncio.get_running_loop().create_task(self._return_kept())
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _return_kept(self) -> None:
        while self._kept:
            await self.pool.release(self._kept.pop())


def is_closed(connection: Leased) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken it back
        return True
