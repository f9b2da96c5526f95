"""A running city: web, worker and console in one process, told of in sandbox.json while it serves."""

import asyncio
import fcntl
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tongka import worker
from tongka.errors import Misconfigured
from tongka.journeys import sweep
from tongka.sandbox.city import City, open_city
from tongka.sandbox.discovery import publish
from tongka.serving import serving, url_of
from tongka.settings_monitoring import Log
from tongka.shell import now
from tongka.web import build_app

ENDING_S = 30
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Running:
    """Where it serves, and the file that says so."""

    city: City
    base_url: str
    discovery: Path


@asynccontextmanager
async def running_city(folder: Path, listening: socket.socket, log: Log | None = None) -> AsyncIterator[Running]:
    """Make or reopen the city of a folder and serve it on a socket."""
    host, port = listening.getsockname()[:2]
    async with _alone(folder), open_city(folder, host, port, now, log) as city:
        base_url = url_of(listening)
        await sweep.take_back(city.system)
        async with serving(build_app(city.system), listening, city.system.settings.web), _worker(city):
            yield Running(city, base_url, await publish(city, base_url))


@asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[None]:
    """One sandbox serves a folder at a time; one that is just ending is waited for."""
    with await asyncio.to_thread(_serving_lock, folder) as lock:
        for _ in range(int(ENDING_S / POLL_S)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(POLL_S)
        else:
            raise Misconfigured(f"--dir: another sandbox serves {folder}; end it, or choose another folder")
        yield


def _serving_lock(folder: Path) -> IO[bytes]:
    folder = folder.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / "serving.lock").open("wb")
    except OSError as error:
        raise Misconfigured(f"--dir: {folder} is not a folder that can be used: {error}") from error


@asynccontextmanager
async def _worker(city: City) -> AsyncIterator[None]:
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(city.system, stop))
    try:
        yield
    finally:
        stop.set()
        await working
