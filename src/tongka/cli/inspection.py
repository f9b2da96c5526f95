"""Everything that a start opens, opened once to see what is wrong with it: for `tongka config check --live`."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from tongka import tls
from tongka.errors import TongkaError
from tongka.keys.uri import open_hsm
from tongka.merchant.settlement import open_settlement
from tongka.payments.key_files import complaints_of
from tongka.production import key_complaints, live_complaints
from tongka.settings import Settings
from tongka.shell import now, open_system
from tongka.store.audit_epochs import require_continuity
from tongka.store.db import Database, durability, open_database
from tongka.store.migrate import require_current
from tongka.web import build_app


async def inspect(settings: Settings) -> list[str]:
    """Every mistake of the installation; where no part has one, what the whole says of itself."""
    found = await _told(_keys(settings)) + await _told(_tls(settings)) + await _told(_database(settings))
    found += complaints_of(settings, now())
    if settings.merchant.gateway:
        found += await _told(_merchant(settings))
    return found or await _told(_whole(settings))


async def _told(part: Coroutine[Any, Any, list[str]]) -> list[str]:
    try:
        return await part
    except TongkaError as error:
        return str(error).splitlines()


async def _keys(settings: Settings) -> list[str]:
    hsm, sandbox = open_hsm(settings.keys)
    await hsm.close()
    return key_complaints(settings, sandbox_keys=sandbox)


async def _tls(settings: Settings) -> list[str]:
    fault = tls.complaint(tls.read_pair(settings.web), now())
    return [fault] if fault else []


async def _database(settings: Settings) -> list[str]:
    async with _opened(settings) as database:
        found = live_complaints(settings, await durability(database))
        return found + await _told(_schema(database))


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = await open_database(settings.database)
    try:
        yield database
    finally:
        await database.close()


async def _schema(database: Database) -> list[str]:
    await require_current(database)
    await require_continuity(database)
    return []


async def _merchant(settings: Settings) -> list[str]:
    async with open_settlement(settings.merchant):
        return []


async def _whole(settings: Settings) -> list[str]:
    async with open_system(settings) as system:
        build_app(system)
    return []
