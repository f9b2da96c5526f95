"""The door to the database: what each broken connection means, and what is repeated."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from tongka import settings
from tongka.errors import Busy, Failed, LedgerRefused, Malformed, Misconfigured, Unknown
from tongka.store import db
from tongka.store.db import durability, open_database, open_url

END = "SELECT pg_terminate_backend(pg_backend_pid())"


async def test_a_write_whose_connection_breaks_is_unknown(database):
    with pytest.raises(Unknown):
        await database.execute(END)


async def test_a_read_whose_connections_break_is_a_failure(database):
    with pytest.raises(Failed):
        await database.read_value(END)


async def test_a_read_is_repeated_when_its_connection_breaks(database):
    await database.execute("CREATE SEQUENCE attempts")
    breaks_once = """
        SELECT CASE WHEN n = 1 THEN pg_terminate_backend(pg_backend_pid())::text ELSE n::text END
        FROM (SELECT nextval('attempts') AS n) AS attempt
    """
    assert await database.read_value(breaks_once) == "2"


async def test_a_write_is_not_repeated_when_its_connection_breaks(database):
    await database.execute("CREATE SEQUENCE attempts")
    with pytest.raises(Unknown):
        await database.fetchval("SELECT nextval('attempts'), pg_terminate_backend(pg_backend_pid())")
    assert await database.read_value("SELECT nextval('attempts')") == 2


async def test_the_pool_goes_on_after_its_connections_were_ended(database):
    await asyncio.gather(*(database.read_value("SELECT pg_sleep(0.01)") for _ in range(5)))
    await database.read("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                        " AND datname = current_database()")  # fmt: skip
    values = await asyncio.gather(*(database.read_value("SELECT 1") for _ in range(5)))
    assert values == [1] * 5


async def test_a_deadlock_is_tried_again(database):
    await database.execute("CREATE TABLE pair (n int PRIMARY KEY, hits int)")
    await database.execute("INSERT INTO pair VALUES (1, 0), (2, 0)")
    await database.execute(
        "CREATE FUNCTION hit(a int, b int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE pair SET hits = hits + 1 WHERE n = a; PERFORM pg_sleep(0.05);"
        " UPDATE pair SET hits = hits + 1 WHERE n = b; END $$"
    )
    await asyncio.gather(database.execute("SELECT hit(1, 2)"), database.execute("SELECT hit(2, 1)"))
    assert [row["hits"] for row in await database.read("SELECT hits FROM pair")] == [2, 2]


async def test_a_statement_beyond_its_time_is_a_failure(postgres, database):
    url = postgres.url_of(await database.read_value("SELECT current_database()"))
    hurried = await open_url(url, settings.Database(pool_min=0, statement_timeout_s=1))
    with pytest.raises(Failed, match="gave the statement up"):
        await hurried.execute("SELECT pg_sleep(60)")
    async with hurried.transaction(unhurried=True) as connection:
        assert await connection.fetchval("SHOW statement_timeout") == "0"
    assert await hurried.read_value("SHOW statement_timeout") == "1s"
    await hurried.close()


async def test_no_free_connection_is_busy(postgres, database):
    url = postgres.url_of(await database.read_value("SELECT current_database()"))
    narrow = await open_url(url, settings.Database(pool_min=0, pool_max=1, acquire_timeout_s=1))
    async with narrow.transaction():
        with pytest.raises(Busy, match="pool_max"):
            await narrow.read_value("SELECT 1")
    await narrow.close()


async def test_what_the_books_forbid_is_told_by_its_name_from_any_statement(database):
    row = "INSERT INTO account (id, name, kind, balance_fen) VALUES (1000001, 'x', 'liability', -1)"
    with pytest.raises(LedgerRefused) as caught:
        await database.execute(row)
    with pytest.raises(LedgerRefused):
        async with database.transaction() as connection:
            await connection.execute(row)
    assert caught.value.reason == "balance_would_be_negative"


async def test_other_errors_of_the_database_are_not_dressed_up(database):
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.execute("SELECT * FROM no_such_table")


async def test_wrong_arguments_are_the_callers_mistake_and_not_a_broken_connection(database):
    for arguments in ((1, 2), ("text",), (1 << 40,)):
        with pytest.raises((asyncpg.InterfaceError, asyncpg.DataError)):
            await database.execute("SELECT $1::int", *arguments)


@pytest.mark.parametrize("error", [FileNotFoundError, TimeoutError, ConnectionResetError])
async def test_an_error_of_the_callers_own_inside_a_transaction_stays_what_it_is(database, error):
    async def caller():
        async with database.transaction():
            raise error

    with pytest.raises(error):
        await caller()


async def test_a_server_that_does_not_answer_in_time_leaves_a_write_unknown_and_fails_a_read(database):
    impatient = replace(database, timeout_s=0.05)
    with pytest.raises(Unknown):
        await impatient.execute("SELECT pg_sleep(5)")
    with pytest.raises(Failed):
        await impatient.read("SELECT pg_sleep(5)")


async def test_a_read_beyond_its_time_is_not_repeated(database):
    await database.execute("CREATE SEQUENCE attempts")
    with pytest.raises(Failed, match="gave the statement up"):
        await database.read("SELECT nextval('attempts'), pg_cancel_backend(pg_backend_pid()), pg_sleep(5)")
    assert await database.read_value("SELECT nextval('attempts')") == 2


async def test_a_transaction_is_all_or_nothing(database):
    async def half():
        async with database.transaction() as connection:
            await connection.execute("CREATE TABLE half (n int)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await half()
    assert await database.read_value("SELECT to_regclass('half')") is None


async def test_a_transaction_that_breaks_before_its_commit_is_a_failure(database):
    with pytest.raises(Failed):
        async with database.transaction() as connection:
            await connection.execute(END)


async def test_a_transaction_that_breaks_in_its_commit_is_unknown(database):
    async def cut_off():
        async with database.transaction() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            await database.read("SELECT pg_terminate_backend($1, 5000)", pid)

    with pytest.raises(Unknown):
        await cut_off()


async def test_a_snapshot_does_not_see_what_comes_later_and_writes_nothing(database):
    async with database.transaction(snapshot=True) as connection:
        before = await connection.fetchval("SELECT count(*) FROM account")
        await database.execute("INSERT INTO account (id, name, kind) VALUES (5000, 'x', 'asset')")
        assert await connection.fetchval("SELECT count(*) FROM account") == before
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("DELETE FROM account")


async def test_days_in_sql_are_the_city_s(database):
    assert await database.read_value("SHOW timezone") == "Asia/Shanghai"


async def test_the_live_durability_is_read(database):
    assert await durability(database) == {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


async def test_a_server_that_is_too_old_is_refused(postgres, monkeypatch):
    monkeypatch.setattr(db, "OLDEST_POSTGRES", 99)
    with pytest.raises(Misconfigured, match="too old"):
        await open_url(postgres.url, settings.Database(pool_min=0))


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://tongka@127.0.0.1:1/tongka", Failed),
        ("postgresql://tongka@/tongka?host=/no/such/folder", Failed),
        ("nonsense://x", Misconfigured),
    ],
)
async def test_a_server_that_cannot_be_reached_or_named_is_told(url, error):
    with pytest.raises(error, match=r"database\.url"):
        await open_url(url, settings.Database())


async def test_a_database_that_does_not_exist_is_a_mistake_in_the_settings(postgres):
    with pytest.raises(Misconfigured, match=r"database\.url"):
        await open_url(postgres.url_of("no_such_database"), settings.Database())


async def test_without_a_url_the_embedded_server_is_started_and_let_go(folder, processes_of):
    database = await open_database(settings.Database(data_dir=str(folder)))
    assert await database.read_value("SELECT current_database()") == "tongka"
    await database.close()
    assert processes_of(folder) == []


async def test_an_embedded_server_is_let_go_if_it_cannot_be_used(folder, processes_of, monkeypatch):
    monkeypatch.setattr(db, "OLDEST_POSTGRES", 99)
    with pytest.raises(Misconfigured):
        await open_database(settings.Database(data_dir=str(folder)))
    assert processes_of(folder) == []


async def test_a_text_that_cannot_be_stored_is_malformed(database):
    with pytest.raises(Malformed, match="U\\+0000"):
        await database.read_value("SELECT $1::text", "a\0b")
