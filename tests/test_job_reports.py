"""What jobs come to: kept for monitoring, told once a minute, silent while the database is away."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tongka import logs
from tongka.errors import Busy
from tongka.job_reports import FAULT, Reports
from tongka.settings_monitoring import Log
from tongka.store.db import Database
from tongka.store.monitoring import job_runs

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)


@dataclass
class System:
    database: Database

    def clock(self) -> datetime:
        return NOON


async def well() -> None:
    pass


async def busy() -> None:
    raise Busy("held by another")


async def broken() -> None:
    raise RuntimeError("a fault of ours")


@pytest.fixture
def reports(database):
    logs.configure(Log(format="json"))
    return Reports(System(database))


async def test_they_are_added_up_over_workers_and_saves(database, reports):
    for once in (well, busy, busy):
        await reports.turn("sweep", once)
    await reports.save()
    other = Reports(System(database))
    await other.turn("sweep", broken)
    await other.save()
    await other.save()
    (run,) = await job_runs(database)
    assert (run.name, run.succeeded_at, run.failed_at, run.failures, run.error) == ("sweep", NOON, NOON, 3, FAULT)


async def test_the_same_failure_is_told_once_a_minute(reports, capsys):
    for _ in range(5):
        await reports.turn("sweep", busy)
    await reports.turn("seal", busy)
    await reports.turn("sweep", broken)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3
    assert sum("RuntimeError" in line for line in told) == 1


async def test_nothing_is_told_while_the_database_is_away(database, reports, capsys):
    database.leases.reach.lost(OSError("refused"))
    database.leases.reach.lost(OSError("refused"))
    await reports.turn("sweep", busy)
    (told,) = capsys.readouterr().err.splitlines()
    assert "the database is away" in told
    assert await database.read_value("SELECT 1") == 1


async def test_its_return_is_told_when_a_connection_can_be_made_again(database, reports, capsys):
    database.leases.reach.lost(OSError("refused"))
    connection = await database.leases.take()
    other = await database.leases.take()  # one that was kept says nothing
    for one in (connection, other):
        await database.leases.give_back(one, well=True)
    assert not database.leases.reach.away
    assert "the database is back" in capsys.readouterr().err
