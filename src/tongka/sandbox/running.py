"""A running city: web, worker and console in one process, told of in sandbox.json while it serves."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tongka import worker
from tongka.sandbox.city import City, open_city
from tongka.sandbox.discovery import publish
from tongka.serving import serving, url_of
from tongka.shell import now
from tongka.web import build_app


@dataclass(frozen=True, slots=True)
class Running:
    """Where it serves, and the file that says so."""

    city: City
    base_url: str
    discovery: Path


@asynccontextmanager
async def running_city(folder: Path, listening: socket.socket) -> AsyncIterator[Running]:
    """Make or reopen the city of a folder and serve it on a socket."""
    host, port = listening.getsockname()[:2]
    async with open_city(folder, host, port, now) as city:
        base_url = url_of(listening)
        async with serving(build_app(city.system), listening, city.system.settings.web), _worker(city):
            yield Running(city, base_url, await publish(city, base_url))


@asynccontextmanager
async def _worker(city: City) -> AsyncIterator[None]:
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(city.system, stop))
    try:
        yield
    finally:
        stop.set()
        await working
