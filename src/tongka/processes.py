"""Several processes that share one listening socket, and a parent that keeps their number."""

import multiprocessing
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog

PAUSE_S = 1
"""Before a process that died is started again: one that cannot start must not burn a core."""
END_S = 30

log = structlog.get_logger()


def keep(target: Callable[[socket.socket], None], listening: socket.socket, count: int) -> None:
    """Run `target` in so many processes until SIGTERM or SIGINT; one that dies is started anew."""
    ending = _Ending()
    children = [_start(target, listening) for _ in range(count)]
    while not ending.asked:
        time.sleep(PAUSE_S)
        for place, child in enumerate(children):
            if not child.is_alive() and not ending.asked:
                log.error("a web process died", pid=child.pid, exit_code=child.exitcode)
                children[place] = _start(target, listening)
    for child in children:
        child.terminate()
    for child in children:
        child.join(END_S)


class _Ending:
    """Whether somebody asked this process to end."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def _start(target: Callable[[socket.socket], None], listening: socket.socket) -> SpawnProcess:
    child = multiprocessing.get_context("spawn").Process(target=target, args=(listening,))
    child.start()
    return child
