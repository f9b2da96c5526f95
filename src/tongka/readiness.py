"""Whether this process can serve: its database is there with this version's schema, and its keys answer.

`/ready` asks, at most every few seconds. The schema is looked at without being asked too: a process of another version
than the schema refuses what it is sent, rather than fail in the middle of it.
"""

import asyncio
import time
from typing import Protocol

import structlog

from tongka.errors import Misconfigured, TongkaError
from tongka.keys import Hsm
from tongka.store.db import Database
from tongka.store.migrate import require_current

CACHED_S = 2.0
WATCH_S = 5.0
KEYS_TIMEOUT_S = 3.0

log = structlog.get_logger()


class Installed(Protocol):
    """What of a system is asked."""

    @property
    def database(self) -> Database: ...
    @property
    def hsm(self) -> Hsm: ...


class Readiness:
    """What one process knows of what it needs.

    Attributes:
        fits: whether the schema is this version's, as it was last seen.

    """

    def __init__(self, system: Installed) -> None:
        self.fits = True
        self._system = system
        self._found: dict[str, str] = {}
        self._looked_s = -CACHED_S
        self._one_at_a_time = asyncio.Lock()

    async def problems(self) -> dict[str, str]:
        """What is wrong: `database`, `schema` or `keys`, each with a sentence that names nothing secret."""
        async with self._one_at_a_time:
            if time.monotonic() - self._looked_s >= CACHED_S:
                self._found = await self._database() | await self._keys()
                self._looked_s = time.monotonic()
        return self._found

    async def watch(self) -> None:
        """Look at the schema every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(WATCH_S)
            await self._database()

    async def _database(self) -> dict[str, str]:
        try:
            await require_current(self._system.database)
        except Misconfigured as error:
            self._fits(str(error))
            return {"schema": str(error)}
        except TongkaError as error:
            return {"database": f"it does not answer ({error.code})"}
        self._fits("")
        return {}

    def _fits(self, why_not: str) -> None:
        fits, self.fits = self.fits, not why_not
        if fits and why_not:
            log.error("the schema is not this version's; refusing requests", text=why_not)
        elif not fits and not why_not:
            log.warning("the schema is this version's again")

    async def _keys(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(KEYS_TIMEOUT_S):
                await self._system.hsm.ready()
        except (TongkaError, TimeoutError) as error:
            return {"keys": f"the key store does not answer ({getattr(error, 'code', 'timeout')})"}
        return {}
