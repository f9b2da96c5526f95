"""Migrations: in order, once, each whole, and never changed afterwards."""

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest

from tongka import settings
from tongka.errors import Misconfigured
from tongka.store import migrate
from tongka.store.db import open_url
from tongka.store.migrate import Migration, applied, migrations, pending, require_current, upgrade

RELEASED = Path(__file__).parents[1] / "vectors" / "migrations.json"
LAST = migrations()[-1].number
ONE = Migration(LAST + 1, "one", "CREATE TABLE one (n int); INSERT INTO one VALUES (1);")
TWO = Migration(LAST + 2, "two", "ALTER TABLE one ADD m int;")
TWO_ALONE = Migration(TWO.number, "two", "CREATE TABLE two (n int);")


def known(*more):
    return [*migrations(), *more]


async def test_numbers_are_unique_and_grow():
    numbers = [migration.number for migration in migrations()]
    assert numbers == sorted(set(numbers))


async def test_a_migrated_database_is_current(database):
    assert await upgrade(database) == []
    await require_current(database)
    assert [str(one) for one in migrations()[:2]] == ["0001_ledger", "0002_audit"]


async def test_what_is_pending_is_applied_in_order_and_once(database):
    told = []
    assert await upgrade(database, known(ONE, TWO), told.append) == told == [ONE, TWO]
    assert await upgrade(database, known(ONE, TWO)) == []
    assert await database.read_value("SELECT count(*) FROM one WHERE m IS NULL") == 1


async def test_upgrades_at_the_same_time_apply_each_migration_once(database):
    done = await asyncio.gather(*(upgrade(database, known(ONE, TWO)) for _ in range(5)))
    assert sorted(str(one) for each in done for one in each) == [str(ONE), str(TWO)]


async def test_a_migration_that_breaks_leaves_nothing_and_what_was_before_it_stays(database):
    broken = Migration(TWO.number, "broken", "CREATE TABLE half (n int); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await upgrade(database, known(ONE, broken))
    assert await database.read_value("SELECT to_regclass('half')") is None
    assert ONE.number in await applied(database)
    assert await upgrade(database, known(ONE, TWO)) == [TWO]


async def test_a_file_changed_after_it_was_applied_is_refused(database):
    await upgrade(database, known(ONE))
    changed = Migration(ONE.number, ONE.name, ONE.sql + "-- changed")
    with pytest.raises(Misconfigured, match="_one was changed after it was applied"):
        await upgrade(database, known(changed))


async def test_a_database_of_a_newer_release_is_refused(database):
    await upgrade(database, known(ONE))
    with pytest.raises(Misconfigured, match="newer than this software"):
        await require_current(database)


async def test_a_number_below_what_was_applied_is_refused(database):
    await upgrade(database, known(TWO_ALONE))
    with pytest.raises(Misconfigured, match="older than what the database has"):
        pending(known(ONE, TWO_ALONE), await applied(database))


async def test_a_schema_that_lacks_migrations_is_refused_with_the_command(database, monkeypatch):
    monkeypatch.setattr(migrate, "migrations", lambda: tuple(known(ONE)))
    with pytest.raises(Misconfigured, match="tongka db upgrade"):
        await require_current(database)


async def test_an_empty_database_has_nothing_applied(database):
    await database.execute("DROP TABLE schema_migration")
    assert await applied(database) == {}


def unlike(released, present):
    """The first released migration that is not where and what it was, or None."""
    return next((one for at, one in enumerate(released) if present[at : at + 1] != [one]), None)


def test_released_migrations_come_first_and_are_as_they_were_released():
    released = json.loads(RELEASED.read_text("utf-8"))["released"]
    assert unlike(released, [[str(one), one.checksum] for one in migrations()]) is None


@pytest.mark.parametrize("present", [[["0001_a", "x"]], [["0001_a", "x"], ["0002_b", "z"]], [["0000_c", "w"]]])
def test_a_released_migration_that_was_removed_changed_or_preceded_is_found(present):
    assert unlike([["0001_a", "x"], ["0002_b", "y"]], present) is not None


async def test_serving_processes_are_counted_before_an_upgrade_and_commands_are_not(database, postgres):
    name = await database.read_value("SELECT current_database()")
    assert await migrate.others_at_work(database) == 0
    serving = await open_url(postgres.url_of(name), settings.Database(pool_min=1, pool_max=1), role="web")
    assert await migrate.others_at_work(database) == 1
    await serving.close()
