"""From uploads to trips, as stories; and that late, twice and shuffled makes the same trips."""

import random
from dataclasses import replace

import pytest

from tongka.settings import Merchant, Settings
from tongka.store import gates, taps, trades
from tongka.trips import TradeEvent

OTHER = "2088000000000002"


async def ride(city, *stops, user_id="2088000000000001", minutes=10):
    for gate in stops:
        city.show(gate, user_id)
        city.pass_time(minutes=minutes)


async def test_a_bus_and_the_metro_with_a_transfer(city):
    await ride(city, "bus1", "inA", "outC")
    await city.upload()
    await city.work()
    assert await city.told() == [("1", "single", 200, "due"), ("1", "paired", 400, "due")]


async def test_a_day_is_capped(city):
    await ride(city, *["inA", "outC"] * 4)
    await city.upload()
    await city.work()
    assert [fen for _, _, fen, _ in await city.told()] == [500, 500, 500, 0]
    assert (await city.told())[-1][3] == "free"


async def test_riders_have_nothing_to_do_with_each_other(city):
    city.show("inA")
    city.show("inB", OTHER)
    city.pass_time(minutes=20)
    city.show("outC", OTHER)
    city.show("outB")
    city.pass_time(minutes=1)
    await city.upload()
    await city.work()
    assert sorted(await city.told()) == [("1", "paired", 300, "due"), ("2", "paired", 300, "due")]


async def test_an_entry_waits_for_its_exit_and_costs_the_most_without_one(city):
    await ride(city, "inA")
    await city.upload()
    await city.work()
    assert await city.told() == []
    city.pass_time(hours=2)
    await city.upload()
    await city.work()
    assert await city.told() == [("1", "no_exit", 500, "due")]


async def test_an_exit_alone_costs_the_most_from_there(city):
    await ride(city, "outB")
    await city.upload()
    await city.work()
    assert await city.told() == [("1", "no_entry", 300, "due")]


async def test_copies_of_one_code_at_many_gates_are_one_trip(city):
    code = city.code()
    for gate in ("bus1", "bus2", "inA", "outB", "outC"):
        city.gates[gate].show(code)
        city.pass_time(seconds=3)
    city.pass_time(hours=3)
    await city.upload()
    await city.work()
    assert await city.told() == [("1", "single", 200, "due")]
    states = await city.system.database.read("SELECT state, count(*) FROM tap GROUP BY state")
    assert dict(map(tuple, states)) == {"trip": 1, "copy": 4}


async def test_a_copy_that_arrives_after_its_trip_was_made_is_a_copy_still(city):
    code = city.code()
    city.gates["bus1"].show(code)
    city.pass_time(seconds=30)
    await city.upload()
    await city.work()
    city.gates["bus2"].show(code)
    city.pass_time(seconds=30)
    await city.upload()
    await city.work()
    assert await city.told() == [("1", "single", 200, "due")]


async def test_nothing_is_made_before_every_gate_has_told_its_part(city):
    await ride(city, "bus1")
    await city.upload("bus1")
    await city.work()
    assert await city.told() == []
    await city.upload()
    await city.work()
    assert len(await city.told()) == 1


async def test_a_silent_gate_is_waited_for_so_long_and_one_out_of_service_not_at_all(city):
    await ride(city, "bus1")
    await city.upload("bus1")
    city.pass_time(hours=1)
    await city.work()
    assert len(await city.told()) == 1
    await ride(city, "bus1")
    for name in set(city.gates) - {"bus1"}:
        await gates.set_active(city.system.database, name, active=False)
    await city.upload("bus1")
    await city.work()
    assert len(await city.told()) == 2


async def test_a_record_after_its_turn_is_held_for_a_clerk(city):
    await ride(city, "inA", "outC")
    await city.upload("outC")
    city.pass_time(hours=5)
    await city.upload("bus1")
    await city.work()
    assert await city.told() == [("1", "no_entry", 500, "due")]
    await city.upload()
    await city.work()
    assert await city.told() == [("1", "late", 500, "held"), ("1", "no_entry", 500, "due")]
    (held,) = await trades.listed(city.system.database, "held")
    await trades.move_by_person(city.system.database, held.out_trade_no, TradeEvent.WAIVE, city.now[0], "clerk")
    assert (await city.told())[0] == ("1", "late", 500, "free")


async def test_a_service_that_no_table_knows_is_held(city):
    await city.system.database.execute("UPDATE gate SET service = 'ferry' WHERE gate_id = 'bus1'")
    await ride(city, "bus1")
    await city.upload()
    await city.work()
    assert await city.told() == [("1", "single", 0, "held")]


async def test_a_gate_cannot_speak_for_the_time_to_come(city):
    """A clock that is ahead makes no tap late: what it says is cut at our own time."""
    headers = {"authorization": f"Bearer {city.gates['bus1'].token}"}
    body = {"first": 1, "records": [], "complete_to": city.seconds() + 86_400}
    assert (await city.http.post("http://127.0.0.1/merchant/records", json=body, headers=headers)).status_code == 200
    city.pass_time(minutes=1)
    await ride(city, "bus1")
    await city.upload()
    await city.work()
    assert await city.told() == [("1", "single", 200, "due")]


async def test_an_unread_journal_holds_the_watermark(city):
    """Even where patience is over: what was uploaded is never late because we were slow."""
    await ride(city, "bus1")
    await city.upload()
    city.pass_time(days=1)
    moved = await taps.move_watermark(city.system.database, city.now[0], city.now[0])
    assert moved < city.now[0]
    await city.work()
    assert await city.told() == [("1", "single", 200, "due")]


async def day_of_rides(city, chance):
    """Some rides of three people, some with gaps; the journals are left in the gates."""
    for _ in range(12):
        user = f"208800000000000{chance.randint(1, 3)}"
        stops = chance.choice([["bus1"], ["bus2"], ["inA", "outC"], ["inB", "outC"], ["inA"], ["outB"]])
        await ride(city, *stops, user_id=user, minutes=chance.randint(1, 20))
    city.pass_time(hours=3)


@pytest.mark.parametrize("seed", range(4))
async def test_late_twice_and_shuffled_make_the_same_trips(city, database, seed):
    """One day, told in order at its end, and the same told in pieces, twice, shuffled, with the jobs in between."""
    patient = Settings(merchant=Merchant(patience_s=86_400))
    city.system = replace(city.system, settings=patient)
    chance = random.Random(seed)
    await day_of_rides(city, chance)
    pieces = [(name, at) for name, gate in city.gates.items() for at in range(len(gate.journal) + 1)]
    chance.shuffle(pieces)
    for name, at in pieces:
        await some_of_it(city, name, at)
        if chance.random() < 0.3:
            await city.work()
    await city.upload()
    await city.work()
    shuffled = await rows(city)
    for table in ("gate_record", "tap", "trip", "rider_spending", "gate_record_refused"):
        await database.execute(f"DELETE FROM {table}")  # which only their owner may
    await city.system.database.execute("UPDATE watermark SET moved_to = 'epoch'")
    await city.system.database.execute(
        "UPDATE gate SET next_serial = 1, next_reading = 1, read_until = 'epoch', told_until = 'epoch'"
    )
    for gate in city.gates.values():
        gate.uploaded = 0
    await city.upload()
    await city.work()
    assert shuffled == await rows(city)
    assert len(shuffled) > 5


async def some_of_it(city, name, upto):
    """What the gate has, up to a serial, without saying that this is all."""
    gate = city.gates[name]
    answer = await city.http.post(
        "http://127.0.0.1/merchant/records",
        json={"first": 1, "records": gate.journal[:upto]},
        headers={"authorization": f"Bearer {gate.token}"},
    )
    assert answer.status_code == 200


async def rows(city):
    found = await city.system.database.read(
        "SELECT out_trade_no, user_id, kind, amount_fen, state, first_gate, last_gate FROM trip ORDER BY out_trade_no"
    )
    return [tuple(row) for row in found]
