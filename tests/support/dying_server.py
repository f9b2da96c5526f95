"""A card front that kills itself with SIGKILL at a chosen write to its database, and is started again at once.

    python dying_server.py SETTINGS.toml FD

FD is a listening socket. Commands come on standard input, answers go to standard output:

    run N before|after      serve; die just before the N-th write (from 0) is sent, or just after it was committed
    stop                    end; answers whether it died: `died` or `lived`

Everything is imported and every key opened once; each server is forked off, so that hundreds can die in a minute.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from tongka.keys.uri import open_hsm
from tongka.payments.vouched import Vouched
from tongka.serving import forever, run_until_ended, serving
from tongka.settings import Settings, load
from tongka.shell import now
from tongka.store.db import Database, open_database
from tongka.store.parties import Parties
from tongka.system import System
from tongka.web import build_app

WRITES = ("execute", "fetch", "fetchrow", "fetchval", "fetch_joined")


def arm(number: int, when: str) -> None:
    """Let this process die at the N-th write from now on."""
    writes = iter(range(sys.maxsize))

    def deadly(write):
        async def run(self, sql, *arguments):
            mine = next(writes) == number
            if mine and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = await write(self, sql, *arguments)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return run

    for name in WRITES:
        setattr(Database, name, deadly(getattr(Database, name)))


async def serve(settings: Settings, hsm, listening: socket.socket) -> None:
    database = await open_database(settings.database)
    system = System(
        settings=settings, database=database, hsm=hsm, payments=Vouched(), parties=await Parties.load(database),
        clock=now, random=os.urandom,
    )  # fmt: skip
    try:
        async with serving(build_app(system), listening, settings.web):
            await forever()
    finally:
        await database.close()


def fork(task: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            task()
        finally:
            os._exit(0)
    return pid


class Supervisor:
    """One server that will die, then one that lives until SIGTERM; the process ends with 1 if the first one died."""

    def __init__(self, server: Callable[[], None], number: int, when: str) -> None:
        self.ending = False
        self.child = 0
        signal.signal(signal.SIGTERM, self.end)
        died = self.outlive(lambda: (arm(number, when), server()))
        if died and not self.ending:
            self.outlive(server)
        os._exit(int(died))

    def end(self, *_: object) -> None:
        self.ending = True
        if self.child:
            os.kill(self.child, signal.SIGTERM)

    def outlive(self, task: Callable[[], object]) -> bool:
        """Whether it was killed."""

        def alone() -> None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            task()

        self.child = fork(alone)
        _, status = os.waitpid(self.child, 0)
        self.child = 0
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def stop(supervisor: int) -> str:
    os.kill(supervisor, signal.SIGTERM)
    _, status = os.waitpid(supervisor, 0)
    return "died" if os.waitstatus_to_exitcode(status) == 1 else "lived"


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is for answers
    settings = load(Path(sys.argv[1]), {}).settings
    hsm, _ = open_hsm(settings.keys)
    listening = socket.socket(fileno=int(sys.argv[2]))
    supervisor = 0

    def server() -> None:
        run_until_ended(serve(settings, hsm, listening))

    for line in sys.stdin:
        match line.split():
            case ["run", number, when]:
                supervisor = fork(partial(Supervisor, server, int(number), when))
                print("running", flush=True)
            case ["stop"]:
                print(stop(supervisor), flush=True)
                supervisor = 0
    if supervisor:
        stop(supervisor)


if __name__ == "__main__":
    main()
