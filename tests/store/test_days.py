"""Closing days: in order, once, whole or not at all; and what is closed stays as it is."""

import asyncio
import random
from datetime import datetime, timedelta

import asyncpg
import pytest

from tongka.days import ZONE
from tongka.errors import Busy, LedgerRefused
from tongka.ledger import Account, Posting
from tongka.store import day_figures, days
from tongka.store.day_checks import DAY_CHECKS
from tongka.store.days import DayRefused, add_up, shut
from tongka.store.ledger import post
from tongka.store.ledger_checks import LEDGER_CHECKS, check
from tongka.store.stamp import Stamp

NOON = datetime(2025, 6, 2, 12, 0, tzinfo=ZONE)
DAY, NEXT = NOON.date(), NOON.date() + timedelta(days=1)
STAMP = Stamp(NOON, DAY, "test")
PAID, FLOAT, BANK = Account.RECEIVABLE_ALIPAY, Account.CARD_FLOAT, Account.BANK
BROKEN = (asyncpg.PostgresError, asyncpg.InterfaceError)
CHECKS = (*LEDGER_CHECKS, *DAY_CHECKS)


async def put(database, day=DAY, amount=100, debit=PAID, credit=FLOAT):
    await post(database, [Posting(debit, credit, amount, "test")], NOON, day)


async def close(database, day):
    return await shut(database, day, STAMP), await add_up(database, day, STAMP)


async def test_the_database_refuses_a_transfer_on_a_closed_day(database):
    await put(database)
    await shut(database, DAY, STAMP)
    for day in (DAY, DAY - timedelta(days=1)):
        with pytest.raises(LedgerRefused, match="day_is_closed"):
            await put(database, day)
    await put(database, NEXT)


async def test_days_are_closed_and_added_up_one_after_the_other(database):
    await put(database)
    with pytest.raises(DayRefused, match="2025-06-02 is open"):
        await shut(database, NEXT, STAMP)
    assert await shut(database, DAY, STAMP)
    with pytest.raises(DayRefused, match="2025-06-03 is open"):
        await shut(database, NEXT + timedelta(days=1), STAMP)
    assert await shut(database, NEXT, STAMP)
    with pytest.raises(DayRefused, match="2025-06-02 is not added up"):
        await add_up(database, NEXT, STAMP)
    assert [await add_up(database, day, STAMP) for day in (DAY, NEXT, DAY, NEXT)] == [True, True, False, False]
    assert await check(database, CHECKS) == []


async def test_of_many_at_once_one_closes_and_one_adds_up(database):
    await put(database)
    shuts = await asyncio.gather(*(shut(database, DAY, STAMP) for _ in range(8)))
    sums = await asyncio.gather(*(add_up(database, DAY, STAMP) for _ in range(8)))
    assert (sum(shuts), sum(sums)) == (1, 1)
    told = await database.read("SELECT action, count(*) FROM audit GROUP BY action ORDER BY action")
    assert [tuple(row) for row in told] == [("add up day", 1), ("close day", 1)]


async def test_what_is_posted_while_a_day_is_shut_is_in_it_or_refused(database):
    async def poster():
        posted = 0
        while True:
            try:
                await put(database, amount=1)
            except LedgerRefused:
                return posted
            posted += 1

    posters = [asyncio.create_task(poster()) for _ in range(6)]
    await asyncio.sleep(0.2)
    await close(database, DAY)
    posted = sum(await asyncio.gather(*posters))
    assert await database.read_value("SELECT debit_fen FROM account_rollup WHERE account = $1", PAID) == posted
    assert await check(database, CHECKS) == []


@pytest.mark.parametrize("name", ["_ROLL_UP", "_FIGURES", "_CARRY", "_ADDED_UP"])
async def test_a_day_is_added_up_whole_or_not_at_all(database, monkeypatch, name):
    await put(database)
    await shut(database, DAY, STAMP)
    with monkeypatch.context() as patch:
        patch.setattr(days, name, "SELECT 1 / 0")
        with pytest.raises(BROKEN):
            await add_up(database, DAY, STAMP)
    for table in ("account_rollup", "day_figure", "day_carried"):
        assert await database.read_value(f"SELECT count(*) FROM {table}") == 0
    assert await check(database, CHECKS) == []
    assert await add_up(database, DAY, STAMP)
    assert await check(database, CHECKS) == []


async def test_what_writes_for_too_long_puts_the_closing_off(database, monkeypatch):
    monkeypatch.setattr(days, "WAIT_S", 1)
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE transfer IN ROW EXCLUSIVE MODE")
        with pytest.raises(Busy, match="next turn"):
            await shut(database, DAY, STAMP)
    assert await shut(database, DAY, STAMP)


async def test_a_role_that_serves_closes_days_and_opens_none(database):
    """It may insert, and owns nothing."""
    await put(database)
    role = f"serving_{await database.read_value('SELECT current_database()')}"
    await database.execute(f"CREATE ROLE {role}")
    try:
        async with database.transaction() as connection:
            await connection.execute(f"GRANT INSERT, SELECT ON ALL TABLES IN SCHEMA public TO {role}")
            await connection.execute(f"SET LOCAL ROLE {role}")
            assert await connection.fetchval(days._SHUT, DAY, NOON, "test") is None
            assert await connection.fetchval(days._SHUT, DAY, NOON, "test") == DAY
        async with database.transaction() as connection:
            await connection.execute(f"SET LOCAL ROLE {role}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("SELECT guard_days_through('2020-01-01')")
        with pytest.raises(LedgerRefused, match="day_is_closed"):
            await put(database)
    finally:
        await database.execute(f"DROP OWNED BY {role}")
        await database.execute(f"DROP ROLE {role}")


async def test_a_day_that_could_not_be_shut_is_open(database, monkeypatch):
    await put(database)
    monkeypatch.setattr(days, "_SHUT", "SELECT 1 / 0")
    with pytest.raises(BROKEN):
        await shut(database, DAY, STAMP)
    await put(database)
    assert await days.last_closed(database) is None


@pytest.mark.parametrize("table", ["closed_day", "account_rollup", "day_figure", "day_carried"])
@pytest.mark.parametrize("sql", ["UPDATE {} SET business_date = '2025-01-01'", "DELETE FROM {}", "TRUNCATE {}"])
async def test_the_rows_of_a_closed_day_are_not_changed(database, table, sql):
    await put(database)
    await close(database, DAY)
    with pytest.raises(LedgerRefused, match="closed_days_stay_closed"):
        await database.execute(sql.format(table))


async def test_every_account_begins_with_what_it_ended_with(database):
    """Postings at random over a week."""
    draw = random.Random(7)
    accounts = (Account.CARD_FLOAT, Account.BANK, Account.RECEIVABLE_CASH, Account.CASH_DESK)
    before: dict[int, int] = {}
    for day in (DAY + timedelta(days=n) for n in range(7)):
        for _ in range(draw.randrange(6)):
            debit, credit = draw.sample(accounts, 2)
            await put(database, day, draw.randrange(1, 10**9), debit, credit)
        await close(database, day)
        rows = await day_figures.accounts(database, day)
        assert {row.account: row.opening_fen for row in rows if row.account in before} == before
        assert sum(row.kind.sign * row.closing_fen for row in rows) == 0
        before = {row.account: row.closing_fen for row in rows}
    assert await check(database, CHECKS) == []


DAMAGE = {
    "day_guards_in_place": "ALTER TABLE transfer DISABLE TRIGGER transfer_day_open",
    "closed_days_are_guarded": "INSERT INTO closed_day (business_date, closed_at) VALUES ('2025-06-05', now())",
    "days_follow_one_another": "DELETE FROM closed_day WHERE business_date = '2025-06-03'",
    "balances_chain": "UPDATE account_rollup SET opening_fen = opening_fen + 1 WHERE business_date = '2025-06-03'",
    "figures_are_the_lists": "UPDATE day_figure SET lines = lines + 1",
    "lists_are_the_accounts": "DELETE FROM day_figure",
    "carried_is_what_is_in_hand": "INSERT INTO day_carried VALUES ('2025-06-02', 'c', 'o', 5, 0)",
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_found(database, name):
    for day in (DAY, NEXT, NEXT + timedelta(days=1)):
        await put(database, day)
        await close(database, day)
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(DAMAGE[name])
    assert name in {finding.check for finding in await check(database, CHECKS)}


def test_every_check_is_shown_its_damage():
    assert set(DAMAGE) == {one.name for one in DAY_CHECKS}
