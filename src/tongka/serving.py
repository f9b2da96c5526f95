"""A web application on a socket, from ready to finished; signals that end a process cleanly."""

import asyncio
import multiprocessing
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import uvicorn
import uvloop
from starlette.types import ASGIApp

from tongka.errors import Misconfigured
from tongka.settings import Web

GRACE_S = 10
"""How long requests under way may take to finish."""
POLL_S = 0.01
BACKLOG = 1024
ENDING = (signal.SIGTERM, signal.SIGINT)


class _Server(uvicorn.Server):
    """Leaves the signals to `run_until_ended`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one.

    Raises:
        Misconfigured: the address is taken or not of this machine.

    """
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
        )
    except OSError as error:
        raise Misconfigured(f"web.host, web.port: cannot listen on {host}:{port}: {error}") from error
    # What is accepted inherits it. asyncio sets it only for sockets that name their protocol; without it, each answer
    # whose head and body are written apart waits 40 ms for the client's delayed ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url_of(listening: socket.socket, *, tls: bool = False) -> str:
    """Where a client on this machine reaches it."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here, only shown
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


@asynccontextmanager
async def serving(app: ASGIApp, listening: socket.socket, web: Web) -> AsyncIterator[None]:
    """The application answers inside, and has finished its requests afterwards.

    Raises:
        Misconfigured: it could not start; the log says why.

    """
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,  # tongka.logs has configured them
        server_header=False,
        proxy_headers=bool(web.trusted_proxies),
        forwarded_allow_ips=list(web.trusted_proxies),
        ssl_certfile=web.tls_certificate or None,
        ssl_keyfile=web.tls_key or None,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            if running.done():
                raise Misconfigured("the web server did not start")
            await asyncio.sleep(POLL_S)
        yield
    finally:
        server.should_exit = True
        await running


def run_until_ended(work: Coroutine[Any, Any, None]) -> None:
    """Run a process's work; SIGTERM, SIGINT and the end of its parent cancel it, so that all is closed in order."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, suppress(asyncio.CancelledError):
        runner.run(_cancelled_by_signals(work))


async def _cancelled_by_signals(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def end() -> None:
        if not task.cancelling():  # asked twice, it must not break off the closing
            task.cancel()

    for number in ENDING:
        loop.add_signal_handler(number, end)
    if parent := multiprocessing.parent_process():  # of `tongka.processes`; an orphan would hold the port for ever

        def orphaned() -> None:
            loop.remove_reader(parent.sentinel)
            end()

        loop.add_reader(parent.sentinel, orphaned)
    await task


async def forever() -> None:
    """Until cancelled."""
    await asyncio.Event().wait()
