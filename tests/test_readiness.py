"""Readiness names what is missing, asks no oftener than it must, and tells once that a schema is another version's."""

from dataclasses import dataclass

import pytest

from tongka import logs, readiness
from tongka.errors import HsmUnavailable
from tongka.readiness import Readiness
from tongka.settings_monitoring import Log
from tongka.store.db import Database

FORGET = "DELETE FROM schema_migration WHERE number = (SELECT max(number) FROM schema_migration)"


class Keys:
    """A key store that is there, or not."""

    def __init__(self) -> None:
        self.gone, self.asked = False, 0

    async def ready(self) -> None:
        self.asked += 1
        if self.gone:
            raise HsmUnavailable("the token was lost")


@dataclass
class Installed:
    database: Database
    hsm: Keys


@pytest.fixture
def system(database):
    return Installed(database, Keys())


async def test_what_is_in_order_is_asked_once_in_a_while(system):
    ready = Readiness(system)
    assert [await ready.problems() for _ in range(5)] == [{}] * 5
    assert system.hsm.asked == 1


async def test_keys_that_do_not_answer_are_named(system, monkeypatch):
    monkeypatch.setattr(readiness, "CACHED_S", 0)
    ready = Readiness(system)
    system.hsm.gone = True
    assert await ready.problems() == {"keys": "the key store does not answer (hsm_unavailable)"}
    system.hsm.gone = False
    assert await ready.problems() == {}


async def test_another_schema_is_no_fit_and_told_once(system, monkeypatch, capsys):
    monkeypatch.setattr(readiness, "CACHED_S", 0)
    logs.configure(Log(format="json"))
    ready = Readiness(system)
    async with system.database.transaction() as connection:
        rows = await connection.fetch(f"{FORGET} RETURNING *")
    assert [set(await ready.problems()) for _ in range(2)] == [{"schema"}] * 2
    assert not ready.fits
    assert capsys.readouterr().err.count("refusing requests") == 1
    await system.database.execute("INSERT INTO schema_migration VALUES ($1, $2, $3, $4)", *rows[0])
    assert await ready.problems() == {}
    assert ready.fits
    assert "again" in capsys.readouterr().err


async def test_a_database_that_is_closed_is_named(system):
    await system.database.leases.pool.close()
    assert (await Readiness(system).problems())["database"].startswith("it does not answer")
