"""The database is killed in a loop while moves are acknowledged: none is lost, none doubled, and every error is true.

A SIGKILL proves what a crash of the server does; what a power cut does to pages that were not fsynced it cannot show.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from datetime import datetime

import pytest

from tongka import settings
from tongka.days import ZONE
from tongka.errors import Failed, Unknown
from tongka.ledger import Account, Posting
from tongka.orders import Kind, State
from tongka.store.db import open_database
from tongka.store.embedded import SERVER_OPTIONS
from tongka.store.ledger import post
from tongka.store.ledger_checks import LEDGER_CHECKS, check
from tongka.store.migrate import upgrade
from tongka.store.orders import Order, create

CYCLES = int(os.environ.get("TONGKA_TEST_CRASHES", "150"))
WRITERS = 6
"""Half of them post transfers, alone; the other half create orders, in company."""
NOON = datetime(2025, 6, 2, 12, 0, tzinfo=ZONE)


async def post_alone(database, order_no):
    posting = Posting(Account.BANK, Account.ORDERS_IN_HAND, 100, "create", order_no=order_no)
    await post(database, [posting], NOON, NOON.date())


async def create_in_company(database, order_no):
    order = Order(
        card_no="1" * 19, order_no=order_no, kind=Kind.TOPUP, state=State.INITIAL, institution="90000001",
        payment_order=order_no, payment_method="02", order_type="40", channel="10", amount_fen=100, paid=True,
        created_at=NOON, moved_at=NOON, settlement_date=NOON.date(),
    )  # fmt: skip
    await create(database, order, "writer")


class Writer:
    """Writes one transfer after the other, each under its own order number, and keeps what it was told of each."""

    def __init__(self, database, number):
        self.database, self.name = database, f"writer{number}"
        self.write = create_in_company if number % 2 else post_alone
        self.told = {}

    async def run(self, stop):
        while not stop.is_set():
            order_no = f"{self.name}.{len(self.told)}"
            self.told[order_no] = await self.attempt(order_no)
            if self.told[order_no] == "failed":
                await asyncio.sleep(0.005)

    async def attempt(self, order_no):
        try:
            await self.write(self.database, order_no)
        except Unknown:
            return "unknown"
        except Failed:
            return "failed"
        return "done"


async def eventually(ask):
    """Ask until nothing breaks: the pool starts the killed server again by itself, and a kill takes effect late."""
    while True:
        with suppress(Failed):
            return await ask()
        await asyncio.sleep(0.005)


def kill_some(folder, pids, dice):
    """Kill all processes of the server, the first one alone, or any one of them."""
    try:
        postmaster = int((folder / "pgdata" / "postmaster.pid").read_text().split()[0])
    except (OSError, IndexError):
        postmaster = pids[0]  # it is just starting
    for pid in dice.choice([pids, [postmaster], [dice.choice(pids)]]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def campaign(database, folder, processes_of, cycles):
    """Post and kill; answers how often what was told of a posting met how many rows of it: ("done", 1), hopefully."""
    dice = random.Random(20250602)
    await upgrade(database)
    await database.execute("CHECKPOINT")
    writers = [Writer(database, number) for number in range(WRITERS)]
    stop = asyncio.Event()
    tasks = [asyncio.create_task(writer.run(stop)) for writer in writers]
    kills = 0
    while kills < cycles:
        await asyncio.sleep(dice.uniform(0.0, 0.05))
        if pids := processes_of(folder):  # else it is going down of the kill before
            kill_some(folder, pids, dice)
            kills += 1
        await eventually(lambda: database.read_value("SELECT 1"))
    stop.set()
    await asyncio.gather(*tasks)
    sql = "SELECT order_no, count(*) AS times FROM transfer GROUP BY order_no"
    times = {row["order_no"]: row["times"] for row in await eventually(lambda: database.read(sql))}
    told = {order_no: what for writer in writers for order_no, what in writer.told.items()}
    assert times.keys() <= told.keys()
    return Counter((what, times.get(order_no, 0)) for order_no, what in told.items())


@pytest.fixture
async def killable(folder, processes_of):
    """A database on an embedded server of its own."""
    database = await open_database(settings.Database(data_dir=str(folder), acquire_timeout_s=30))
    yield database
    await database.close()
    assert processes_of(folder) == []


@pytest.mark.slow
async def test_nothing_acknowledged_is_lost_or_doubled_when_the_database_is_killed(killable, folder, processes_of):
    outcomes = await campaign(killable, folder, processes_of, CYCLES)
    assert set(outcomes) <= {("done", 1), ("unknown", 0), ("unknown", 1), ("failed", 0)}, outcomes
    assert outcomes["done", 1] > CYCLES
    assert await eventually(lambda: check(killable, LEDGER_CHECKS)) == []


@pytest.mark.slow
async def test_the_loop_finds_losses_where_commits_are_acknowledged_too_early(monkeypatch, folder, processes_of):
    """The control: the same loop, over a server that answers before a commit is written."""
    monkeypatch.setitem(SERVER_OPTIONS, "synchronous_commit", "off")
    database = await open_database(settings.Database(data_dir=str(folder), acquire_timeout_s=30))
    outcomes = await campaign(database, folder, processes_of, 20)
    assert outcomes["done", 0] > 0
    await database.close()
