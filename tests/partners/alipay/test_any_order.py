"""Trades that come late, twice, in pieces and shuffled: the books end the same as a plain model says."""

import asyncio
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RICH, POOR, EMPTY = "2088000000000001", "2088000000000002", "2088000000000003"
RIDERS = (RICH, POOR, EMPTY)
DEBT_LIMIT_FEN = 1_000

RIDES = st.lists(st.tuples(st.sampled_from(RIDERS), st.sampled_from([100, 200, 450])), min_size=1, max_size=6)
COPIES = st.lists(st.integers(0, 5), max_size=6)
PLANS = st.tuples(RIDES, COPIES, st.randoms(use_true_random=False), st.integers(1, 4), st.booleans())

_plans = count()


async def test_late_twice_and_shuffled_end_in_the_same_books(gateway):
    loop = asyncio.get_running_loop()

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(PLANS)
    def holds(plan):
        asyncio.run_coroutine_threadsafe(play(gateway, *plan), loop).result()

    await asyncio.to_thread(holds)
    await gateway.books()


async def play(gateway, rides, copies, rng, parts, at_once):
    """Each ride's trade, some a second time, some as another trade of the same code; settled in shuffled calls."""
    plan = next(_plans)
    before = {user: await gateway.balance(user) for user in RIDERS}
    trades, of_code = [], []
    for number, (user, fen) in enumerate(rides):
        code = await gateway.code(user)
        for copy in range(1 + copies.count(number)):
            record = gateway.record(code, pos=f"p{plan}-{number}-{copy}")
            trades.append(gateway.trade(record, user=user, amount=f"{fen / 100:.2f}"))
            of_code.append(number)
    sent = [*range(len(trades)), *(rng.randrange(len(trades)) for _ in range(3))]
    rng.shuffle(sent)
    calls = [[trades[nth] for nth in sent[start::parts]] for start in range(parts) if sent[start::parts]]
    if at_once:
        answers = await asyncio.gather(*(gateway.settle(*call) for call in calls))
    else:
        answers = [await gateway.settle(*call) for call in calls]
    last = {one["out_trade_no"]: one for answer in answers for one in answer}
    assert_as_modelled(rides, trades, of_code, last, before, {user: await gateway.balance(user) for user in RIDERS})


def assert_as_modelled(rides, trades, of_code, last, before, after):
    """One charge for one code; each fen charged left an account or became a debt within its limit."""
    charged = [
        n for n, trade in zip(of_code, trades, strict=True) if last[trade["out_trade_no"]]["result"] == "SUCCESS"
    ]
    assert len(charged) == len(set(charged))
    for user in RIDERS:
        fen = sum(rides[n][1] for n in charged if rides[n][0] == user)
        (held, owed), (holds, owes) = before[user], after[user]
        assert (held - owed) - (holds - owes) == fen
        assert owes <= DEBT_LIMIT_FEN
        assert not owes or not holds
        waiting = [n for n in range(len(rides)) if rides[n][0] == user and n not in charged]
        assert all(holds + DEBT_LIMIT_FEN - owes < rides[n][1] for n in waiting), "nobody waits who could be charged"
