"""Trades: what each answer does, and that nothing is asked before its time, forgotten, or changed on the way."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from tongka.errors import Failed, Refused, Unknown
from tongka.journeys.trades import Result, Settled, pause
from tongka.store import trades
from tongka.trips import TradeEvent, TradeMoveForbidden


@pytest.fixture
async def due(city):
    """The number of a trade that is due."""
    city.show("bus1")
    city.pass_time(minutes=1)
    await city.upload()
    await city.work()
    (row,) = await trades.listed(city.system.database)
    return row.out_trade_no


async def row_of(city, number):
    return next(row for row in await trades.listed(city.system.database) if row.out_trade_no == number)


async def test_a_success_is_settled_and_never_sent_again(city, due):
    assert await city.settle_up() == 1
    assert await city.settle_up() == 0
    row = await row_of(city, due)
    assert (row.state, row.trade_no, row.next_try_at, len(city.gateway.asked)) == ("settled", "T1", None, 1)


async def test_a_fail_is_final_unless_the_gateway_asks_for_more(city, due):
    city.gateway.usual = Settled(Result.FAIL, error_code="QUOTA", message="no")
    await city.settle_up()
    row = await row_of(city, due)
    assert (row.state, row.error_code, row.message, row.next_try_at) == ("failed", "QUOTA", "no", None)
    city.pass_time(days=1)
    await city.settle_up()
    assert len(city.gateway.asked) == 1


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (lambda at: Settled(Result.UNKNOWN, next_retry_time=at), "unknown"),
        (lambda at: Settled(Result.UNKNOWN, need_retry=True, next_retry_time=at), "unknown"),
        (lambda at: Settled(Result.FAIL, need_retry=True, next_retry_time=at), "due"),
    ],
)
async def test_the_gateways_next_time_is_kept(city, due, answer, state):
    city.gateway.usual = answer(city.now[0] + timedelta(minutes=30))
    await city.settle_up()
    assert (await row_of(city, due)).state == state
    city.gateway.usual = Settled(Result.SUCCESS)
    city.pass_time(minutes=29)
    assert await city.settle_up() == 0
    city.pass_time(minutes=1)
    assert await city.settle_up() == 1
    first, second = ([one.out_trade_no for one in asked] for asked in city.gateway.asked)
    assert first == second == [due]


@pytest.mark.parametrize(
    ("error", "state"), [(Unknown("lost"), "unknown"), (Failed("shut"), "due"), (Refused("no right"), "due")]
)
async def test_a_call_that_breaks_is_made_again_with_the_same_contents(city, due, error, state):
    city.gateway.error = error
    await city.settle_up()
    row = await row_of(city, due)
    assert (row.state, row.error_code, row.next_try_at) == (state, error.code, city.now[0] + pause(1))
    city.gateway.error = None
    city.pass_time(seconds=5)
    assert await city.settle_up() == 1
    first, second = (asked[0] for asked in city.gateway.asked)
    changing = ("attempts", "state")
    assert {name: getattr(first, name) for name in first.__slots__ if name not in changing} == {
        name: getattr(second, name) for name in second.__slots__ if name not in changing
    }


async def test_not_reached_after_lost_is_unknown_still(city, due):
    city.gateway.error = Unknown("lost")
    await city.settle_up()
    city.gateway.error = Failed("shut")
    city.pass_time(minutes=1)
    await city.settle_up()
    assert (await row_of(city, due)).state == "unknown"


async def test_a_trade_without_a_result_is_lost(city, due):
    city.gateway.settle = lambda trades: nothing(city, trades)
    await city.settle_up()
    assert (await row_of(city, due)).state == "unknown"


async def nothing(city, trades):
    return {}


async def test_a_worker_that_dies_loses_nothing(city, due):
    """Claimed, and then nothing: when the lease is over, it is sent again."""
    assert len(await trades.claim(city.system.database, city.now[0], 120, 10)) == 1
    assert await city.settle_up() == 0
    city.pass_time(seconds=121)
    assert await city.settle_up() == 1


async def test_a_paired_trip_carries_both_records(city):
    entry = city.show("inA")
    city.pass_time(minutes=10)
    leaving = city.show("outC")
    city.pass_time(minutes=1)
    await city.upload()
    await city.work()
    await city.settle_up()
    ((trade,),) = city.gateway.asked
    assert [record.hex() for record in trade.records] == [entry, leaving]
    assert (trade.first_station, trade.last_station, trade.amount_fen) == ("A", "C", 500)


async def test_more_than_one_call_holds_are_all_sent(city, monkeypatch):
    monkeypatch.setattr("tongka.journeys.trades.SEND_AT_ONCE", 20)
    for _ in range(45):
        city.show("bus1", f"20880000{city.seconds() % 100_000_000:08}")
        city.pass_time(seconds=7)
    await city.upload()
    await city.work()
    assert await city.settle_up() == 45
    assert [len(asked) for asked in city.gateway.asked] == [20, 20, 5]


async def test_a_person_may_retry_what_failed_but_not_what_is_settled(city, due):
    city.gateway.usual = Settled(Result.FAIL)
    await city.settle_up()
    database = city.system.database
    await trades.move_by_person(database, due, TradeEvent.RETRY, city.now[0], "clerk")
    city.gateway.usual = Settled(Result.SUCCESS)
    assert await city.settle_up() == 1
    with pytest.raises(TradeMoveForbidden):
        await trades.move_by_person(database, due, TradeEvent.RETRY, city.now[0], "clerk")
    with pytest.raises(Refused, match="no trade"):
        await trades.move_by_person(database, "X", TradeEvent.RETRY, city.now[0], "clerk")
    assert await database.read_value("SELECT count(*) FROM audit WHERE action = 'trade retry'") == 1


async def test_workers_beside_each_other_make_and_send_each_trip_once(city):
    for number in range(12):
        city.show("bus1", f"208800000000{number:04}")
        city.pass_time(seconds=7)
    await city.upload()
    await asyncio.gather(*(city.work() for _ in range(4)))
    await city.work()
    assert sum(await asyncio.gather(*(city.settle_up() for _ in range(4)))) == 12
    sent = [one.out_trade_no for asked in city.gateway.asked for one in asked]
    assert len(sent) == len(set(sent)) == 12


async def test_a_held_trip_without_a_price_is_charged_what_a_person_says(city):
    await city.system.database.execute("UPDATE gate SET service = 'ferry' WHERE gate_id = 'bus1'")
    city.show("bus1")
    city.pass_time(minutes=1)
    await city.upload()
    await city.work()
    (row,) = await trades.listed(city.system.database, "held")
    charge = partial(trades.move_by_person, city.system.database, row.out_trade_no, TradeEvent.CHARGE, city.now[0], "c")
    with pytest.raises(Refused, match="no price"):
        await charge()
    await charge(amount_fen=350)
    assert await city.settle_up() == 1
    assert city.gateway.asked[0][0].amount_fen == 350


async def test_a_settled_trade_is_to_be_reported_and_no_other(city):
    city.show("bus1")
    city.show("bus2", "2088000000000002")
    city.pass_time(minutes=1)
    await city.upload()
    await city.work()
    refused = (await trades.listed(city.system.database, user_id="2088000000000002"))[0].out_trade_no
    city.gateway.answers[refused] = Settled(Result.FAIL)
    assert await city.settle_up() == 1
    due = await city.system.database.read("SELECT user_id FROM trip_report WHERE report_at IS NOT NULL")
    assert [row["user_id"] for row in due] == ["2088000000000001"]


def test_pauses_double_up_to_an_hour():
    assert [pause(n).total_seconds() for n in (1, 2, 3, 20, 500)] == [5, 10, 20, 3600, 3600]
