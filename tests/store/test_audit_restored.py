"""The audit trail on another server: a dump is taken up by an operator, a copy of the files goes on by itself."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import asyncpg
import pytest
from typer.testing import CliRunner

from tongka import settings
from tongka.audit import SEALED
from tongka.cli import main
from tongka.crypto.scrypt import SALT_BYTES, hashed
from tongka.days import ZONE
from tongka.errors import Failed, Misconfigured, Refused
from tongka.store import audit, operators
from tongka.store.audit import head, record, seal, verify
from tongka.store.audit_continue import CONTINUED, continue_here
from tongka.store.audit_epochs import require_continuity
from tongka.store.db import open_url
from tongka.store.embedded import EmbeddedPostgres, wheel_binaries
from tongka.store.operators import Operator
from tongka.store.stamp import Stamp

NOON = datetime(2025, 6, 2, 12, 0, tzinfo=ZONE)
LIMITS = settings.Database(pool_min=0, pool_max=2)
BURN = "DO $$ BEGIN FOR i IN 1..4000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
"""A server that has been at work for a while: a new one's numbers are below."""


def program(name, *arguments):
    done = subprocess.run(
        [str(wheel_binaries() / name), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def named(url, name):
    """The same server's other database."""
    return re.sub(r"^(\w+://[^/]*/)[^?]*", rf"\g<1>{name}", url)


async def statement(url, sql):
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def write(database, *subjects):
    for subject in subjects:
        await record(database, NOON, actor="operator", action="order.create", subject=subject)


async def seal_all(database):
    """Seal, once the transactions of other databases on this server have ended."""
    for _ in range(200):
        if seals := await seal(database, NOON):
            return seals
        await asyncio.sleep(0.01)
    raise AssertionError("nothing could be sealed")


async def unsealed(database):
    rows = await database.read(
        "SELECT subject FROM audit WHERE action <> $1 AND id NOT IN (SELECT unnest(ids) FROM audit_seal) ORDER BY id",
        SEALED,
    )
    return [row["subject"] for row in rows]


async def rows_of(database):
    return [tuple(row) for row in await database.read("SELECT * FROM audit ORDER BY id")]


@pytest.fixture(scope="session")
def source(postgres):
    """A trail with two seals, and a row that is in none yet: where it is."""

    async def make():
        await statement(postgres.url, f"CREATE DATABASE {name} TEMPLATE {postgres.template}")
        database = await open_url(postgres.url_of(name), LIMITS)
        await database.execute(BURN)
        for subject in ("a", "b"):
            await write(database, subject)
            await seal_all(database)
        await write(database, "c")
        await database.close()

    name = f"{postgres.template}_source"
    asyncio.run(make())
    yield postgres.url_of(name)
    asyncio.run(statement(postgres.url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def elsewhere(source, tmp_path_factory):
    """Another, younger server, and in it the database `dumped` as pg_restore left it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    server = EmbeddedPostgres(folder / "data")
    server.start()
    asyncio.run(statement(server.url, "CREATE DATABASE dumped"))
    program("pg_dump", "-Fc", "-f", folder / "dump", source)
    program("pg_restore", "--no-owner", "--no-acl", "-d", named(server.url, "dumped"), folder / "dump")
    yield server
    server.close()


@pytest.fixture
async def restored(elsewhere):
    name = f"restored_{uuid.uuid4().hex[:8]}"
    await statement(elsewhere.url, f"CREATE DATABASE {name} TEMPLATE dumped")
    database = await open_url(named(elsewhere.url, name), LIMITS)
    yield database
    await database.close()
    await statement(elsewhere.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def origin(source):
    database = await open_url(source, LIMITS)
    yield database
    await database.close()


async def test_a_restored_dump_takes_no_seals_and_starts_nothing_and_is_as_it_was_sealed(restored, origin):
    for step in (require_continuity(restored), seal(restored, NOON)):
        with pytest.raises(Misconfigured, match="`tongka audit continue`"):
            await step
    kept = await head(origin)
    assert await verify(restored, (kept.number, kept.digest)) == []
    assert await rows_of(restored) == await rows_of(origin)


async def test_a_restored_trail_is_continued_without_a_change_to_what_was_and_without_a_gap(restored):
    before, kept = await rows_of(restored), await head(restored)
    done = await continue_here(restored, NOON, "zhang")
    assert (done.epoch, done.sealed, done.late) == (2, 2, 0)  # c, and the row that tells of the second seal
    await require_continuity(restored)
    await write(restored, "d")
    await seal_all(restored)
    await write(restored, "e")
    assert await unsealed(restored) == ["e"]
    assert (await rows_of(restored))[: len(before)] == before
    assert await verify(restored, (kept.number, kept.digest)) == []


async def test_who_continued_the_trail_and_where_stands_in_it(restored):
    await continue_here(restored, NOON, "zhang")
    row = await restored.read_row("SELECT actor, detail FROM audit WHERE action = $1", CONTINUED)
    here = await restored.read_value("SELECT system_identifier FROM pg_control_system()")
    detail = json.loads(row["detail"])
    assert (row["actor"], detail["server"], detail["server"] == detail["was"]) == ("zhang", here, False)


async def test_rows_written_too_early_are_taken_into_the_chain_and_named(restored):
    await write(restored, "early")
    await restored.execute(BURN)  # the numbers have come beyond the horizon meanwhile, and nothing looks wrong
    (found,) = await verify(restored)
    assert "inserted after its time" in found.what
    done = await continue_here(restored, NOON, "zhang")
    assert (done.late, await verify(restored)) == (1, [])
    detail = await restored.read_value("SELECT detail FROM audit WHERE action = $1", CONTINUED)
    assert json.loads(detail)["late_rows"] == [found.entry]


async def test_a_trail_can_be_continued_again_and_again(restored):
    await continue_here(restored, NOON, "zhang")
    await write(restored, "d")
    async with restored.transaction() as connection:  # as the same dump would find itself on a third server
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE audit_epoch SET server = server + 1 WHERE number = 2")
    done = await continue_here(restored, NOON, "zhang")
    assert done.epoch == 3
    await write(restored, "e")
    await seal_all(restored)
    assert (await unsealed(restored), await verify(restored)) == ([], [])


async def test_long_arrears_are_sealed_in_batches(restored, monkeypatch):
    monkeypatch.setattr("tongka.store.audit_continue.BATCH_MAX", 3)
    await write(restored, *"efghijk")
    done = await continue_here(restored, NOON, "zhang")
    assert [len(one.ids) for one in done.seals] == [3, 3, 3]
    assert (await unsealed(restored), await verify(restored)) == (["2"], [])  # the row of the new epoch itself


async def test_a_trail_that_goes_on_by_itself_is_not_continued(database):
    with pytest.raises(Refused, match="goes on by itself"):
        await continue_here(database, NOON, "zhang")


async def test_a_copy_beside_it_on_the_same_server_goes_on_by_itself(source, postgres, tmp_path):
    name = f"{postgres.template}_copy"
    await statement(postgres.url, f"CREATE DATABASE {name}")
    try:
        await asyncio.to_thread(program, "pg_dump", "-Fc", "-f", tmp_path / "dump", source)
        await asyncio.to_thread(program, "pg_restore", "-d", postgres.url_of(name), tmp_path / "dump")
        copy = await open_url(postgres.url_of(name), LIMITS)
        await require_continuity(copy)
        await write(copy, "d")
        await seal_all(copy)
        assert (await unsealed(copy), await verify(copy)) == ([], [])
        await copy.close()
    finally:
        await statement(postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_base_backup_goes_on_by_itself_and_its_promotion_is_noted(restored, elsewhere, tmp_path):
    await continue_here(restored, NOON, "zhang")
    kept = await head(restored)
    name = await restored.read_value("SELECT current_database()")
    backup = EmbeddedPostgres(await asyncio.to_thread(base_backup, elsewhere, tmp_path / "backup"))
    await asyncio.to_thread(backup.start)
    try:
        database = await open_url(named(backup.url, name), LIMITS)
        with pytest.raises(Failed, match="is a standby"):
            await require_continuity(database)
        await database.execute("SELECT pg_promote()")
        await require_continuity(database)
        await write(database, "d")
        await seal_all(database)
        assert await verify(database, (kept.number, kept.digest)) == []
        assert await database.read_value("SELECT count(*) FROM audit WHERE action = $1", audit.PROMOTED) == 1
        assert await unsealed(database) == []
        await database.close()
    finally:
        await asyncio.to_thread(backup.close)


def base_backup(server, folder):
    """A folder for the embedded server with a standby of the other in it."""
    folder.mkdir()
    program("pg_basebackup", "-D", folder / "pgdata", "-d", server.url, "-R", "-c", "fast", "--no-sync")
    owner = server.pgdata.stat()
    for path in [folder / "pgdata", *(folder / "pgdata").rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    shutil.copy(server.folder / "users.lock", folder)
    return folder


async def test_commands_refuse_a_restored_dump_until_an_operator_has_continued_it(restored, elsewhere, tmp_path):
    def run(*words):
        told = [*words, "--passphrase-file", str(tmp_path / "li")] if "--operator" in words else words
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            return apart.submit(CliRunner().invoke, main, told, env=variables).result()

    (tmp_path / "li").write_text("li has a long passphrase")
    salt = bytes(SALT_BYTES)
    stamp = Stamp(NOON, NOON.date(), "test")
    await operators.save(restored, Operator("li", salt, hashed("li has a long passphrase", salt)), stamp)
    url = named(elsewhere.url, await restored.read_value("SELECT current_database()"))
    variables = {"DATABASE_URL": url, "TONGKA_CONFIG": "", "COLUMNS": "200"}
    refused = run("partner", "list")
    assert (refused.exit_code, "tongka audit continue" in " ".join(refused.output.split())) == (2, True)
    assert run("ledger", "check").exit_code == 0
    done = run("audit", "continue", "--operator", "li")
    assert (done.exit_code, "epoch 2 of the trail begins" in done.output) == (0, True), done.output
    assert run("audit", "verify").exit_code == run("partner", "list").exit_code == 0
    again = run("audit", "continue", "--operator", "li")
    assert (again.exit_code, "goes on by itself" in " ".join(again.output.split())) == (2, True)
