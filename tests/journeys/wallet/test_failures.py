"""Agents that cannot run what they are sent: the script stands, is asked again later, and in the end waits.

The places are every order with commands of every script; at each the agent fails before or after the element executed
them, which nobody can tell apart.
"""

import itertools

import pytest

from phone_stories import CASES, submitted

STATUSES = ("UNAVAILABLE_SE", "UNKNOWN_FAILURE", "UNGRANTED_ACCESS")
MOVED = "SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM transfer), (SELECT array_agg(state) FROM orders)"


def apdus(order: dict) -> list[str]:
    commands = order.get("ramCommands", [])
    return next((one["listOfCAPDU"] for one in commands if one["ramCommandType"] == "seRamCommand"), [])


def kinds(order: dict) -> list[str]:
    return [one["ramCommandType"] for one in order.get("ramCommands", [])]


async def until_place(phone, session: str, place: int) -> dict:
    """The `place`th order with commands, or the last order of the session."""
    await phone.handshake(session)
    order = await phone.report(session, "POLLING")
    for _ in range(place):
        if "ramStopCommand" in kinds(order):
            break
        order = await phone.report(session, "PROCESSED", [*map(phone.transmit, apdus(order))], order["round"])
    return order


async def finish(phone, session: str, order: dict) -> str:
    """Go on as an agent that can; what the last notification says."""
    for _ in range(40):
        if "ramStopCommand" in kinds(order):
            return next(one["deviceAppNotification"] for one in order["ramCommands"] if "deviceAppNotification" in one)
        answers = [*map(phone.transmit, apdus(order))]
        status = "PROCESSED" if answers else "POLLING"
        order = await phone.report(session, status, answers or None, order["round"])
    raise AssertionError("the session does not end")


@pytest.mark.parametrize("executed", [False, True], ids=["ran-nothing", "lost-the-answers"])
@pytest.mark.parametrize("business", CASES)
async def test_an_agent_that_fails_anywhere_moves_nothing_and_goes_on_when_it_can(world, phones, business, executed):
    contents, before, check = CASES[business]
    phone = await phones.new()
    for place in itertools.count():
        number = f"{business}-{place}"
        if before:
            await before(phone, f"{number}-before")
        session = await submitted(phone, business, number, **contents)
        order = await until_place(phone, session, place)
        ended = "ramStopCommand" in kinds(order)
        if not ended:
            await fails(world, phone, session, order, executed=executed)
            order = await phone.report(session, "POLLING", None, order["round"] + len(STATUSES))
            assert kinds(order)[-1] == "seRamCommand"
            assert await finish(phone, session, order) == "done"
        await check(phone, number)
        if ended:
            break
    assert place > 1
    await world.books()


async def fails(world, phone, session: str, order: dict, *, executed: bool) -> None:
    """Report one failure after another: each void order is to be waited for longer, and nothing moves."""
    if executed:
        for apdu in apdus(order):
            phone.transmit(apdu)
    before = await world.database.read_row(MOVED)
    delays = []
    for number, status in enumerate(STATUSES, start=order["round"]):
        for _ in range(2):  # a report that is repeated gets the same order
            void = await phone.report(session, status, None, number)
            assert void == {"round": number + 1, "delay": void["delay"]}
        delays.append(void["delay"])
    assert delays == [500, 1_000, 2_000]
    assert await world.database.read_row(MOVED) == before


@pytest.mark.parametrize("status", STATUSES)
async def test_answers_that_come_after_all_are_read(world, phones, status):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1", amount=100)).json()["sessionId"]
    order = await until_place(phone, session, 0)
    while "ramStopCommand" not in kinds(order):
        await phone.report(session, status, [""] * len(apdus(order)), order["round"])
        answers = [*map(phone.transmit, apdus(order))]
        order = await phone.report(session, "PROCESSED", answers, order["round"] + 1)
    assert (await phone.state("S1"))["state"] == "DONE"
    await world.books()


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("status", STATUSES)
async def test_an_agent_that_cannot_for_five_minutes_leaves_the_order_unknown_until_a_handshake(
    world, phones, status, place
):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1", amount=100)).json()["sessionId"]
    order = await until_place(phone, session, place)
    for _ in range(40):
        order = await phone.report(session, status, None, order["round"])
        if "ramStopCommand" in kinds(order):
            break
        world.pass_time(milliseconds=order["delay"])
        order = await phone.report(session, "POLLING", None, order["round"])
    told = await phone.state("S1")
    assert (told["state"], told["reason"]) == ("UNKNOWN", status.lower())
    assert kinds(order) == ["notificationCommand", "ramStopCommand"]
    assert await phone.run(session) == "done"
    await world.books()


async def test_an_agent_that_fails_half_way_again_and_again_comes_to_an_end(world, phones):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1", amount=100)).json()["sessionId"]
    order = await until_place(phone, session, 0)
    for _ in range(40):
        for _ in range(2):
            order = await phone.report(session, "PROCESSED", [*map(phone.transmit, apdus(order))], order["round"])
        if "ramStopCommand" in kinds(order):
            break
        void = await phone.report(session, "UNKNOWN_FAILURE", None, order["round"])
        phone.element.power_off()
        phone.element.power_on()
        order = await phone.report(session, "POLLING", None, void["round"])
    assert (await phone.state("S1"))["reason"] == "card_does_not_follow"
    assert await phone.run(session) == "done"
    await world.books()


async def test_a_session_that_begins_with_a_failure_is_started_by_its_first_commands(phones):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1")).json()["sessionId"]
    await phone.handshake(session)
    assert kinds(await phone.report(session, "UNAVAILABLE_SE")) == []
    order = await phone.report(session, "POLLING", None, 1)
    assert kinds(order) == ["ramStartCommand", "seRamCommand"]


async def test_agents_that_name_no_round_poll_on_after_a_void_order(world, phones):
    phone = await phones.new()
    phone.use_round = False
    session = (await phone.order("OPEN", "S1", amount=100)).json()["sessionId"]
    order = await until_place(phone, session, 2)
    assert kinds(await phone.report(session, "UNAVAILABLE_SE")) == []
    again = await phone.report(session, "POLLING")
    assert apdus(again)
    assert apdus(again) != apdus(order)
    assert await phone.report(session, "POLLING") == again
    assert await finish(phone, session, again) == "done"
    await world.books()


async def test_a_withdrawn_order_stops_an_agent_that_fails(world, phones):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1", amount=100)).json()["sessionId"]
    order = await until_place(phone, session, 1)
    await phone.report(session, "UNAVAILABLE_SE", None, order["round"])
    assert (await phone.withdraw("S1")).json()["state"] == "CANCELLED"
    assert "ramStopCommand" in kinds(await phone.report(session, "UNAVAILABLE_SE", None, order["round"] + 1))
    await phones.refunds()
    await world.books()
