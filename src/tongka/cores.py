"""Work that is only computing, spread over all cores: processes of our own, started when they are first needed."""

import asyncio
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar

from tongka.errors import Failed

_T = TypeVar("_T")
_R = TypeVar("_R")

ALONE_MAX: Final = 4
"""So few are done here: cheaper than sending them to another process."""
CHUNKS_EACH: Final = 4
"""Per process, so that none waits long for the last."""
PR_SET_PDEATHSIG: Final = 1


class Cores:
    """Spreads lists over `processes` processes; with one, all is done in this one."""

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes
        self._pool: ProcessPoolExecutor | None = None

    @classmethod
    def all(cls) -> "Cores":
        return cls(len(os.sched_getaffinity(0)))

    async def map(self, function: Callable[[Sequence[_T]], list[_R]], items: Sequence[_T]) -> list[_R]:
        """What `function` makes of all items, in their order. It must be importable, items and results picklable.

        Raises:
            Failed: a process died.

        """
        if self.processes == 1 or len(items) <= ALONE_MAX:
            return function(items)
        pool = self._pool or self._start()
        loop = asyncio.get_running_loop()
        size = max(1, -(-len(items) // (self.processes * CHUNKS_EACH)))
        chunks = [items[at : at + size] for at in range(0, len(items), size)]
        try:
            done = await asyncio.gather(*(loop.run_in_executor(pool, function, chunk) for chunk in chunks))
        except BrokenProcessPool as error:
            self._pool = None  # the next call starts another
            raise Failed("a computing process died") from error
        return [result for part in done for result in part]

    def _start(self) -> ProcessPoolExecutor:
        self._pool = ProcessPoolExecutor(
            self.processes, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
        )
        return self._pool

    def close(self) -> None:
        """End the processes; what is under way is given up."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _end_with_parent() -> None:
    """A parent that is killed cannot say so; the kernel does (Linux). Ctrl-C is the parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
