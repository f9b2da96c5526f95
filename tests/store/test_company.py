"""Statements that travel together: who shares a transaction, and that nobody suffers for another."""

import asyncio
from collections import Counter

import asyncpg
import pytest

from tongka.errors import Unknown
from tongka.store import company

PUT = "WITH put AS (INSERT INTO seen VALUES ($1::int) RETURNING n) SELECT n, pg_current_xact_id()::text FROM put"


@pytest.fixture
async def seen(database):
    await database.execute("CREATE TABLE seen (n int PRIMARY KEY)")
    return database


async def test_what_is_ready_at_the_same_time_is_one_transaction(seen):
    rows = await asyncio.gather(*(seen.fetch_joined(PUT, n) for n in range(5)))
    assert [row["n"] for row in rows] == [0, 1, 2, 3, 4]
    assert len({row["pg_current_xact_id"] for row in rows}) == 1


async def test_many_set_out_in_two_companies_where_nobody_else_is_away(seen):
    rows = await asyncio.gather(*(seen.fetch_joined(PUT, n) for n in range(2 * company.WORTH_A_WAY)))
    shares = Counter(row["pg_current_xact_id"] for row in rows)
    assert sorted(shares.values()) == [company.WORTH_A_WAY] * 2


async def test_many_stay_together_while_another_statement_is_away(seen):
    other = asyncio.create_task(seen.read_joined("SELECT $1::int, pg_sleep(0.05)", 1))
    await asyncio.sleep(0.01)
    rows = await asyncio.gather(*(seen.fetch_joined(PUT, n) for n in range(2 * company.WORTH_A_WAY)))
    assert len({row["pg_current_xact_id"] for row in rows}) == 1
    await other
    assert seen.road.away == 0


async def test_no_more_than_the_largest_company_share_a_transaction(seen):
    rows = await asyncio.gather(*(seen.fetch_joined(PUT, n) for n in range(4 * company.LARGEST)))
    shares = Counter(row["pg_current_xact_id"] for row in rows)
    assert max(shares.values()) == company.LARGEST


async def test_whoever_comes_later_has_his_own(seen):
    first, second = await seen.fetch_joined(PUT, 1), await seen.fetch_joined(PUT, 2)
    assert first["pg_current_xact_id"] != second["pg_current_xact_id"]


async def test_one_that_is_refused_does_not_take_the_others_along(seen):
    outcomes = await asyncio.gather(*(seen.fetch_joined(PUT, n) for n in (1, 2, 2, 3)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [type(error) for error in refused] == [asyncpg.UniqueViolationError]
    assert [row["n"] for row in await seen.read("SELECT n FROM seen ORDER BY n")] == [1, 2, 3]


async def test_wrong_arguments_are_their_senders_error_alone(seen):
    outcomes = await asyncio.gather(seen.fetch_joined(PUT, 1), seen.fetch_joined(PUT, "x"), return_exceptions=True)
    assert outcomes[0]["n"] == 1
    assert isinstance(outcomes[1], asyncpg.DataError)


async def test_writes_whose_connection_breaks_are_unknown_to_all_and_not_sent_again(seen):
    breaks = """
        WITH put AS (INSERT INTO seen VALUES ($1::int) RETURNING n)
        SELECT CASE WHEN n = 2 THEN pg_terminate_backend(pg_backend_pid()) END FROM put
    """
    outcomes = await asyncio.gather(*(seen.fetch_joined(breaks, n) for n in (1, 2, 3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unknown] * 3
    assert await seen.read_value("SELECT count(*) FROM seen") == 0


async def test_reads_whose_connection_breaks_are_sent_again(seen):
    await seen.execute("CREATE SEQUENCE attempts")
    breaks_once = """
        SELECT $1::int, CASE WHEN n = 1 THEN pg_terminate_backend(pg_backend_pid())::text END
        FROM (SELECT nextval('attempts') AS n) AS attempt
    """
    rows = await asyncio.gather(*(seen.read_joined(breaks_once, n) for n in range(3)))
    assert [row[0] for row in rows] == [0, 1, 2]


async def test_a_company_that_meets_a_lock_does_not_hold_up_the_next(seen):
    async with seen.transaction() as other:
        await other.execute("INSERT INTO seen VALUES (1)")
        stuck = asyncio.gather(seen.fetch_joined(PUT, 1), seen.fetch_joined(PUT, 2), return_exceptions=True)
        await asyncio.sleep(0)
        assert (await asyncio.wait_for(seen.fetch_joined(PUT, 3), 10))["n"] == 3
        assert not stuck.done()
    refused, put = await stuck
    assert isinstance(refused, asyncpg.UniqueViolationError)
    assert put["n"] == 2


async def test_one_who_gives_up_waiting_does_not_disturb_the_others(seen):
    given_up, waits = (asyncio.create_task(seen.fetch_joined(PUT, n)) for n in (1, 2))
    await asyncio.sleep(0)
    given_up.cancel()
    assert (await waits)["n"] == 2
    assert given_up.cancelled()
