"""Connections on loan: kept for the next, handed to who waits, and never kept when something went wrong with them."""

import asyncio

import pytest

from tongka import settings
from tongka.errors import Busy, TongkaError
from tongka.store import leases
from tongka.store.db import open_url


@pytest.fixture
async def two(postgres):
    """A database of two connections, whoever else uses the server."""
    database = await open_url(postgres.url, settings.Database(pool_min=0, pool_max=2, acquire_timeout_s=0.3))
    yield database
    await database.close()


async def eventually(holds) -> None:
    for _ in range(200):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


async def fail_in_a_transaction(database) -> None:
    async with database.transaction() as connection:
        await connection.execute("CREATE TEMPORARY TABLE left_over (n int)")
        raise RuntimeError


async def identity(database) -> int:
    return await database.fetchval("SELECT pg_backend_pid()")


async def test_whoever_asks_next_gets_the_same_connection(two):
    assert len({await identity(two) for _ in range(20)}) == 1


async def test_what_is_kept_goes_back_to_the_pool_when_nobody_asks(two):
    await identity(two)
    assert two.leases.pool.get_idle_size() == 0
    await asyncio.sleep(3 * leases.KEPT_S)
    assert two.leases.pool.get_idle_size() == 1


async def test_who_waits_is_served_before_anything_is_kept(two):
    first, second = await two.leases.take(), await two.leases.take()
    waiting = asyncio.create_task(two.leases.take())
    await asyncio.sleep(0.05)
    await two.leases.give_back(first, well=True)
    third = await asyncio.wait_for(waiting, 1)
    for connection in (second, third):
        await two.leases.give_back(connection, well=True)


async def test_more_askers_than_connections_are_all_served(two):
    assert len({*await asyncio.gather(*(identity(two) for _ in range(40)))}) <= 2


async def test_nobody_waits_without_end(two):
    held = [await two.leases.take(), await two.leases.take()]
    with pytest.raises(Busy, match=r"database\.pool_max"):
        await two.leases.take()
    for connection in held:
        await two.leases.give_back(connection, well=True)


async def test_a_kept_connection_that_died_is_not_handed_out(two):
    process = await identity(two)
    (kept,) = two.leases._kept
    other = await two.leases.pool.acquire()
    await other.execute("SELECT pg_terminate_backend($1)", process)
    await two.leases.pool.release(other)
    await eventually(lambda: leases.is_closed(kept))
    assert await identity(two) != process


async def test_a_statement_that_was_broken_off_leaves_nothing_behind(two):
    """The connection is still busy with it; it must not go to the next as it is."""
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(two.fetch("SELECT pg_sleep(5)"), 0.05)
        assert await two.fetchval("SELECT 1") == 1


async def test_a_refused_statement_and_a_failed_transaction_leave_nothing_behind(two):
    with pytest.raises(Exception, match="division by zero"):
        await two.fetchval("SELECT 1 / 0")
    with pytest.raises(RuntimeError):
        await fail_in_a_transaction(two)
    for _ in range(3):
        with pytest.raises(Exception, match="left_over"):
            await two.fetchval("SELECT count(*) FROM left_over")


async def test_closing_waits_for_none_that_is_kept(postgres):
    database = await open_url(postgres.url, settings.Database(pool_min=1, pool_max=2))
    await identity(database)
    await asyncio.wait_for(database.close(), 2)
    with pytest.raises(TongkaError, match="cannot be reached"):
        await identity(database)
