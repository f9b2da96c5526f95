"""Several processes that share one listening socket, and a parent that keeps their number.

A child that dies is started anew, after a pause that doubles while it dies young. One that ends with `MISTAKEN` ends
them all: starting it again mends no setting. Children end when their parent is gone (`tongka.serving` watches it).
"""

import asyncio
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from tongka.errors import Misconfigured, TongkaError

FAILED = 1
MISTAKEN = 2
"""The exit code of a process that refuses its installation."""
PAUSE_S = 1.0
"""Before a process that died is started again; twice that when it dies again, and so on."""
PAUSE_MAX_S = 30.0
LIVED_S = 60.0
"""Who died after so long did not fail at its start."""
END_S = 30.0
NAME_MAX = 15
"""Bytes of a process's name in Linux."""

Target = Callable[[socket.socket, int], None]

log = structlog.get_logger()


def exit_code_of(error: TongkaError) -> int:
    """What a child ends with, so that its parent knows whether trying again may help."""
    return MISTAKEN if isinstance(error, Misconfigured) else FAILED


def call_it(name: str) -> None:
    """Give this process a name for `ps`, `top` and `pgrep`, where the system has such a thing."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name[:NAME_MAX], encoding="ascii")


class Ending:
    """Whether somebody asked this process to end, from the moment on that this is made."""

    def __init__(self) -> None:
        self.asked = False
        self.told, self._tell = socket.socketpair()
        self._tell.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something to its end. Who is asked to end meanwhile cancels it, so that all is closed, and ends."""
        with suppress(asyncio.CancelledError):
            asyncio.run(self._cancelled_when_told(work))
        if self.asked:
            raise SystemExit(0)

    async def _cancelled_when_told(self, work: Coroutine[Any, Any, None]) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

        def end() -> None:
            loop.remove_reader(self.told)
            task.cancel()

        loop.add_reader(self.told, end)
        await task

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        with suppress(BlockingIOError):
            self._tell.send(b"\0")


def keep(target: Target, listening: socket.socket, count: int, ending: Ending) -> int:
    """Run `target(listening, place)` in so many processes until told to end; answers the exit code."""
    children = [_Child(partial(target, listening, place)) for place in range(count)]
    code = 0
    while not code and not ending.asked:
        living = [child.process.sentinel for child in children if child.process]
        wait([ending.told, *living], timeout=min(child.due_in_s() for child in children))
        code = max(child.look() for child in children)
    listening.close()  # nobody is to queue here for an answer that none of them gives any more
    for child in children:
        child.ask_to_end()
    for child in children:
        child.await_end()
    return code


class _Child:
    """A place among the processes: who holds it now, or when the next one is due."""

    def __init__(self, target: Callable[[], None]) -> None:
        self._target = target
        self._pause_s = PAUSE_S
        self._due = 0.0
        self._start()

    def due_in_s(self) -> float:
        return END_S if self.process else max(0.0, self._due - time.monotonic())

    def look(self) -> int:
        """Start who is due; MISTAKEN where the process ended so."""
        now = time.monotonic()
        if self.process is None:
            if now >= self._due:
                self._start()
            return 0
        code = self.process.exitcode
        if code is None:
            return 0
        if code == MISTAKEN:
            return code
        self._died(now, code)
        return 0

    def ask_to_end(self) -> None:
        if self.process:
            self.process.terminate()

    def await_end(self) -> None:
        """Who has not ended in good time is killed."""
        if self.process:
            self.process.join(END_S)
            if self.process.exitcode is None:
                self.process.kill()

    def _start(self) -> None:
        self._began = time.monotonic()
        self.process: SpawnProcess | None = multiprocessing.get_context("spawn").Process(target=self._target)
        self.process.start()

    def _died(self, now: float, code: int) -> None:
        pid = self.process.pid if self.process else None
        if now - self._began > LIVED_S:
            self._pause_s = PAUSE_S
        log.error("a web process died", process=pid, exit_code=code, again_in_s=self._pause_s)
        self.process, self._due = None, now + self._pause_s
        self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
