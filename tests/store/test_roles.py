"""The role that serves can do its work, and cannot touch what proves it."""

import re
from datetime import datetime
from pathlib import Path

import asyncpg
import pytest

from tongka import settings, store
from tongka.days import ZONE
from tongka.errors import Malformed, Misconfigured
from tongka.store import roles
from tongka.store.audit import record, seal, verify
from tongka.store.audit_continue import continue_here
from tongka.store.audit_epochs import require_continuity
from tongka.store.db import open_url
from tongka.store.migrate import Migration, migrations, require_current, upgrade
from tongka.store.roles import APPEND_ONLY, DELETABLE, READ_ONLY, grant, grant_again, owner_complaint

NOON = datetime(2025, 6, 2, 12, 0, tzinfo=ZONE)
LIMITS = settings.Database(pool_min=0, pool_max=2)
SOURCES = [path.read_text("utf-8") for path in Path(store.__file__).parent.rglob("*") if path.suffix in {".py", ".sql"}]


def test_the_tables_whose_rows_may_go_are_those_that_the_store_deletes_from():
    named = {name for text in SOURCES for name in re.findall(r"DELETE FROM (\w+)", text)}
    assert named == DELETABLE, "add what is new to tongka.store.roles, or the serving role cannot remove it"


async def test_every_table_that_is_named_is_there(database):
    there = {row["tablename"] for row in await database.read(roles._TABLES)}
    assert there >= APPEND_ONLY | READ_ONLY | DELETABLE


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "ALTER TABLE audit ALTER txid SET DEFAULT 1",
        "SET session_replication_role = replica",
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "UPDATE audit_seal SET horizon = 0",
        "UPDATE transfer SET amount_fen = 1",
        "DELETE FROM transfer",
        "DELETE FROM orders",
        "DELETE FROM schema_migration",
        "DROP TABLE reply",
        "CREATE TABLE mine (n int)",
        "DROP TRIGGER audit_append_only ON audit",
    ],
)
async def test_the_serving_role_is_refused_what_could_change_the_past(serving_database, sql):
    with pytest.raises((Misconfigured, asyncpg.InsufficientPrivilegeError)) as refused:
        await serving_database.execute(sql)
    assert "role that owns the tables" in str(refused.value)


async def test_the_serving_role_starts_writes_and_seals(serving_database, database):
    await require_current(serving_database)
    await require_continuity(serving_database)
    await record(serving_database, NOON, actor="a", action="b", subject="c")
    for _ in range(100):
        if await seal(serving_database, NOON):
            break
    assert await verify(serving_database) == []


async def test_the_serving_role_continues_no_trail(serving_database, database):
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE audit_epoch SET server = 1")
    with pytest.raises(Misconfigured, match="role that owns the tables"):
        await continue_here(serving_database, NOON, "zhang")


async def test_only_an_owner_is_complained_of(serving_database, database):
    assert await owner_complaint(serving_database) is None
    assert "`tongka db grant`" in (await owner_complaint(database) or "")


async def test_a_role_that_is_not_there_is_refused_by_name(database):
    with pytest.raises(Malformed, match="no role 'nobody there'"):
        await grant(database, "nobody there")


async def test_what_a_migration_brings_is_granted_again(database, serving_database):
    last = migrations()[-1].number
    await upgrade(database, [*migrations(), Migration(last + 1, "new", "CREATE TABLE brand_new (n int)")])
    with pytest.raises(Misconfigured):
        await serving_database.execute("INSERT INTO brand_new VALUES (1)")
    await grant_again(database)
    await serving_database.execute("INSERT INTO brand_new VALUES (1)")


async def test_a_reading_role_reads_and_writes_nothing(database, postgres, scratch):
    role = f"{scratch}_reader"
    await database.execute(f"CREATE ROLE {role}")
    try:
        await grant(database, role, reads_only=True)
        assert await grant_again(database) == sorted([postgres.template, role])
        reader = await open_url(f"{postgres.serving_url_of(scratch)}_{scratch.rpartition('_')[2]}_reader", LIMITS)
        assert await reader.read_value("SELECT count(*) FROM transfer") == 0
        with pytest.raises(Misconfigured):
            await record(reader, NOON, actor="a", action="b", subject="c")
        await reader.close()
    finally:
        await database.execute(f"DROP OWNED BY {role}")
        await database.execute(f"DROP ROLE {role}")
