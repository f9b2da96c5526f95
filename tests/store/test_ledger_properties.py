"""Whatever is posted, in whatever order: the books add up, and no guarded account goes below zero."""

import asyncio
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tongka.days import ZONE
from tongka.errors import LedgerRefused
from tongka.ledger import Account, AccountKind, Posting, TransferKind
from tongka.store.ledger import balances, open_account, post
from tongka.store.ledger_checks import LEDGER_CHECKS, check

NOON = datetime(2025, 6, 2, 12, 0, tzinfo=ZONE)
GUARDED = (1_000_001, 1_000_002)
ACCOUNTS = (Account.BANK, Account.ORDERS_IN_HAND, Account.CARD_FLOAT, *GUARDED)
AMOUNTS = st.integers(1, 50)

MOVE = st.tuples(st.sampled_from(["single", "pending"]), st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), AMOUNTS)
RESOLVE = st.tuples(st.sampled_from(["post", "void"]), st.integers(0, 5))
STEPS = st.lists(MOVE | RESOLVE, max_size=15)


class Model:
    """What the books must say: posted and available sums, kept in the plainest way."""

    def __init__(self):
        self.posted = dict.fromkeys(ACCOUNTS, 0)
        self.available = dict.fromkeys(GUARDED, 0)
        self.open = []

    def reserve(self, move):
        """Whether a single or pending move is allowed; if so, it is made."""
        kind, debit, credit, amount = move
        if debit == credit or (debit in GUARDED and self.available[debit] < amount):
            return False
        self._change(self.available, debit, -amount)
        if kind == "single":
            self._credit(debit, credit, amount)
        return True

    def resolve(self, kind, move):
        _, debit, credit, amount = move
        if kind == "post":
            self._credit(debit, credit, amount)
        else:
            self._change(self.available, debit, amount)

    def _credit(self, debit, credit, amount):
        self._change(self.available, credit, amount)
        self._change(self.posted, debit, -amount)
        self._change(self.posted, credit, amount)

    def _change(self, sums, account, delta):
        if account in sums:
            sums[account] += delta


async def play(database, model, step):
    if step[0] in {"single", "pending"}:
        allowed = model.reserve(step)
        number = await attempt(database, Posting(step[1], step[2], step[3], "step", TransferKind(step[0])), allowed)
        if allowed and step[0] == "pending":
            model.open.append((number, step))
    elif model.open:
        number, move = model.open.pop(step[1] % len(model.open))
        model.resolve(step[0], move)
        again = Posting(move[1], move[2], move[3], "step", TransferKind(step[0]), pending_id=number)
        await attempt(database, again, allowed=True)
        await attempt(database, again, allowed=False)


async def attempt(database, posting, allowed):
    if allowed:
        return (await post(database, [posting], NOON, NOON.date()))[0]
    with pytest.raises(LedgerRefused):
        await post(database, [posting], NOON, NOON.date())
    return None


@pytest.fixture
async def books(database):
    for account in GUARDED:
        await open_account(database, account, f"prepaid {account}", AccountKind.LIABILITY)
    return database


async def test_any_sequence_of_postings_leaves_the_books_as_a_plain_model_says(books):
    loop = asyncio.get_running_loop()

    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(STEPS)
    def holds(steps):
        asyncio.run_coroutine_threadsafe(sequence(books, steps), loop).result()

    await asyncio.to_thread(holds)


async def sequence(books, steps):
    """Play the steps on top of what earlier examples left, and compare the differences."""
    before = {one.account: one for one in await balances(books)}
    model = Model()
    model.available = {account: before[account].available_fen for account in GUARDED}
    for step in steps:
        await play(books, model, step)
    after = {one.account: one for one in await balances(books)}
    moved = {
        number: after[number].kind.sign * -(after[number].balance_fen - before[number].balance_fen)
        for number in ACCOUNTS
    }
    assert moved == model.posted
    assert {account: after[account].available_fen for account in GUARDED} == model.available
    assert sum(one.debit_fen - one.credit_fen for one in after.values()) == 0
    assert all(fen >= 0 for fen in model.available.values())
    assert await check(books, LEDGER_CHECKS) == []
