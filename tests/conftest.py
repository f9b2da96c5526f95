"""The database of the tests: one server for the run, and for each test a fresh copy of a migrated database.

`TONGKA_TEST_DATABASE_URL` names another server to use, with the right to create databases; everything made there is
dropped again.
"""

import asyncio
import os
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from tongka import settings
from tongka.store.db import Database, open_url
from tongka.store.embedded import EmbeddedPostgres
from tongka.store.migrate import upgrade
from tongka.store.roles import grant

LIMITS = settings.Database(pool_min=0, pool_max=20, acquire_timeout_s=20)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server on which databases may be made; `template` is a migrated empty one,
    and the name of the role that serves.
    """

    url: str
    template: str

    def url_of(self, name: str) -> str:
        return re.sub(r"^(\w+://[^/]*/)[^?]*", rf"\g<1>{name}", self.url)

    def serving_url_of(self, name: str) -> str:
        """The same in the role that serves: it owns nothing."""
        url = self.url_of(name)
        return f"{url}{'&' if '?' in url else '?'}role={self.template}"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL server for the whole run."""
    outside = os.environ.get("TONGKA_TEST_DATABASE_URL")
    server = None if outside else EmbeddedPostgres(Path(tmp_path_factory.mktemp("postgres")))
    if server:
        server.start()
    running = Postgres(outside or server.url, f"tongka_test_{uuid.uuid4().hex[:12]}")
    asyncio.run(_make_template(running))
    yield running
    asyncio.run(_statement(running.url, f"DROP DATABASE {running.template}"))
    asyncio.run(_statement(running.url, f"DROP ROLE {running.template}"))
    if server:
        server.close()


@pytest.fixture
async def scratch(postgres: Postgres) -> AsyncIterator[str]:
    """The name of a fresh migrated database."""
    name = f"{postgres.template}_{uuid.uuid4().hex[:8]}"
    await _statement(postgres.url, f"CREATE DATABASE {name} TEMPLATE {postgres.template}")
    yield name
    await _statement(postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(postgres: Postgres, scratch: str) -> AsyncIterator[Database]:
    """It, open for its owner."""
    opened = await open_url(postgres.url_of(scratch), LIMITS)
    yield opened
    await opened.close()


@pytest.fixture
async def serving_database(postgres: Postgres, scratch: str) -> AsyncIterator[Database]:
    """It, open in the role that serves: journeys are to be content with that."""
    opened = await open_url(postgres.serving_url_of(scratch), LIMITS)
    yield opened
    await opened.close()


async def _make_template(postgres: Postgres) -> None:
    await _statement(postgres.url, f"CREATE DATABASE {postgres.template}")
    opened = await open_url(postgres.url_of(postgres.template), LIMITS)
    await upgrade(opened)
    await opened.execute(f"CREATE ROLE {postgres.template}")
    await grant(opened, postgres.template)
    await opened.close()


async def _statement(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
