"""Several agents at one element: one works at a time, the others wait, and every order ends as if it had been alone.

A step is a handshake, a report, or an APDU. All places with TONGKA_TEST_ALL=1.
"""

import itertools
import json
import os

import pytest

from phone_stories import AID, purse, submitted
from tongka.sandbox.element.mint import SCPS
from tongka.store import rounds

ALL = bool(os.environ.get("TONGKA_TEST_ALL"))
STEPS_MAX = 2_000
CONTENTS = {"TOPUP": {"amount": 200}, "OPEN": {"amount": 300}, "UPDATE": {"cardType": "02"}}


class Going:
    """One agent of a phone, step by step."""

    def __init__(self, phone, business: str, session: str) -> None:
        self.phone, self.business, self.session = phone, business, session
        self.notice = ""
        self._steps = self._run()

    async def step(self) -> bool:
        """Take one; whether there was one."""
        return await anext(self._steps, None) is not None

    async def to_the_end(self) -> None:
        for _ in range(STEPS_MAX):
            if not await self.step():
                return
        raise AssertionError("the session does not end")

    async def _run(self):
        await self.phone.handshake(self.session)
        yield True
        order = await self.phone.report(self.session, "POLLING")
        while True:
            yield True
            commands = {one["ramCommandType"]: one for one in order.get("ramCommands", [])}
            if "ramStopCommand" in commands:
                self.notice = commands["notificationCommand"]["deviceAppNotification"]
                return
            answers = []
            for apdu in commands.get("seRamCommand", {}).get("listOfCAPDU", []):
                answers.append(self.phone.transmit(apdu))
                yield True
            self.phone.wait(order["delay"])
            status = "PROCESSED" if answers else "POLLING"
            order = await self.phone.report(self.session, status, answers or None, order["round"])


async def going(phone, businesses, number: str) -> list[Going]:
    if businesses[0] != "OPEN":
        assert await phone.do("OPEN", f"{number}-before", amount=1_000) == "done"
    return [
        Going(phone, business, await submitted(phone, business, f"{number}-{n}", **CONTENTS.get(business, {})))
        for n, business in enumerate(businesses)
    ]


async def ended_right(world, phone, agents: list[Going], number: str) -> None:
    """Every order has come to what it would have come to in some order, and the card says the same."""
    businesses, notices = [one.business for one in agents], [one.notice for one in agents]
    opened = businesses.count("OPEN")
    if opened:
        assert sorted(notices) == ["done", *["failed/card_exists"] * (opened - 1)]
        assert purse(phone).balance_fen == 300
    elif "DELETE" in businesses:
        assert purse(phone) is None
        assert notices[businesses.index("DELETE")] == "done"
        assert set(notices) <= {"done", "failed/card_state_wrong", "failed/card_not_there"}
    elif "LOCK" in businesses:
        assert phone.element.image.instances[AID].locked
        assert set(notices) <= {"done", "failed/card_locked", "failed/card_not_there"}  # locked, and not reported yet
    else:
        assert notices == ["done"] * len(agents)
        assert purse(phone).balance_fen == 1_000 + 200 * businesses.count("TOPUP")
    await world.books()


async def clear(phone, number: str) -> None:
    """The element is empty again."""
    if phone.element.image.instances.get(AID) and phone.element.image.instances[AID].locked:
        assert await phone.do("UNLOCK", f"{number}-unlock") == "done"
    if purse(phone):
        assert await phone.do("DELETE", f"{number}-end") == "done"


PAIRS = [
    ("OPEN", "OPEN"),
    ("TOPUP", "TOPUP"),
    ("TOPUP", "DELETE"),
    ("UPDATE", "UPDATE"),
    ("UPDATE", "TOPUP"),
    ("DELETE", "DELETE"),
    ("TOPUP", "LOCK"),
    ("LOCK", "UPDATE"),
]


@pytest.mark.parametrize("businesses", PAIRS, ids="+".join)
async def test_another_agent_takes_over_at_any_step_from_one_that_falls_silent_and_comes_back(
    world, phones, businesses
):
    phone = await phones.new()
    for nth in itertools.count(1, 1 if ALL else 5):
        number = f"{nth}"
        first, second = agents = await going(phone, businesses, number)
        under_way = all([await first.step() for _ in range(nth)])
        await second.to_the_end()
        await first.to_the_end()
        await ended_right(world, phone, agents, number)
        await clear(phone, number)
        if not under_way:
            break


@pytest.mark.parametrize("businesses", [*PAIRS, ("OPEN",) * 3, ("TOPUP", "UPDATE", "TOPUP")], ids="+".join)
@pytest.mark.parametrize("stride", range(1, 12) if ALL else (1, 4))
async def test_agents_that_take_turns_all_come_to_an_end(world, phones, businesses, stride):
    phone = await phones.new()
    agents = await going(phone, businesses, "1")
    left = list(agents)
    for _ in range(STEPS_MAX):
        left = [one for one in left if all([await one.step() for _ in range(stride)])]
        if not left:
            break
    assert not left
    await ended_right(world, phone, agents, "1")


async def test_another_session_waits_until_the_first_is_silent_for_as_long_as_is_set(world, phones):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=1_000) == "done"
    first, second = await submitted(phone, "TOPUP", "T1", amount=100), await submitted(phone, "UPDATE", "U1")
    await phone.handshake(first)
    looked = await phone.report(first, "POLLING")
    await phone.handshake(second)
    void = await phone.report(second, "POLLING")
    assert void == {"round": 1, "delay": 500}
    assert await phone.report(second, "POLLING", None, 0) == void  # a repeat gets the same
    world.pass_time(seconds=4)
    credit = await phone.report(first, "PROCESSED", phone.transmit_all(apdus(looked)), looked["round"])
    world.pass_time(seconds=4)
    assert await phone.report(second, "POLLING", None, 1) == {"round": 2, "delay": 500}
    world.pass_time(seconds=1)
    taken = await phone.report(second, "POLLING", None, 2)
    assert apdus(taken)[3].startswith("805A")  # it asks first what became of the load that broke off
    assert await phone.report(first, "PROCESSED", phone.transmit_all(apdus(credit)), credit["round"]) != {}
    assert (await phone.state("T1"))["state"] == "DONE"  # by the TAC, which is good whoever has the element
    assert await phone.run(second) == "done"
    await world.books()


def apdus(order: dict) -> list[str]:
    return next(one["listOfCAPDU"] for one in order["ramCommands"] if one["ramCommandType"] == "seRamCommand")


async def test_a_phone_that_died_goes_on_with_its_own_session_at_once(world, phones):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=1_000) == "done"
    session, before = await submitted(phone, "TOPUP", "T1", amount=100), world.now[0]
    await phone.handshake(session)
    await phone.report(session, "POLLING")
    phone.element.power_off()
    phone.element.power_on()
    assert await phone.run(session) == "done"
    assert await phone.do("DELETE", "D1") == "done"  # nor does a session that has ended keep the next one waiting
    assert world.now[0] == before


async def test_a_withdrawn_order_lets_go_of_the_element(world, phones):
    phone, before = await phones.new(), world.now[0]
    session = await submitted(phone, "OPEN", "O1", amount=300)
    await phone.handshake(session)
    await phone.report(session, "POLLING")
    assert (await phone.withdraw("O1")).status_code == 200
    assert await phone.do("OPEN", "O2", amount=300) == "done"
    assert world.now[0] == before
    await phones.refunds()


async def test_of_two_processes_that_begin_at_once_one_gets_the_element(world, phones, monkeypatch):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=1_000) == "done"
    first, second = await submitted(phone, "TOPUP", "T1", amount=100), await submitted(phone, "TOPUP", "T2", amount=100)
    for session in (first, second):
        await phone.handshake(session)
    advance, other = rounds.advance, []

    async def overtaken(database, step):
        """Between this one's look and its order the other session begins."""
        if not other and step.order.session_id == first:
            other.append(None)
            other[0] = await phone.report(second, "POLLING")
        return await advance(database, step)

    monkeypatch.setattr(rounds, "advance", overtaken)
    assert "ramCommands" not in await phone.report(first, "POLLING")
    assert apdus(other[0])
    monkeypatch.setattr(rounds, "advance", advance)
    assert await phone.run(second) == "done"
    assert await phone.run(first) == "done"
    assert purse(phone).balance_fen == 1_200
    await world.books()


# --- two agents of one session ----------------------------------------------------------------------------------------

PLACES = {scp: SCPS.index(scp) for scp in ("02", "03")}
"""Among the phones, one with each secure channel."""


@pytest.mark.parametrize("business", ["OPEN", "TOPUP", "UPDATE", "DELETE", "LOCK"])
@pytest.mark.parametrize("scp", PLACES)
@pytest.mark.parametrize("strides", [(1, 1), (5, 1)], ids=str)
async def test_two_agents_of_one_session_come_to_its_end_together(world, phones, business, scp, strides):
    phone = await phones.new(PLACES[scp])
    assert phone.element.image.scp == scp
    (first,) = await going(phone, (business,), "1")
    second = Going(phone, business, first.session)
    left = [(first, strides[0]), (second, strides[1])]
    for _ in range(STEPS_MAX):
        left = [(one, stride) for one, stride in left if all([await one.step() for _ in range(stride)])]
        if not left:
            break
    assert [first.notice, second.notice] == ["done", "done"]
    if business != "LOCK":
        assert (purse(phone) and purse(phone).balance_fen) == {"OPEN": 300, "TOPUP": 1_200, "UPDATE": 1_000}.get(
            business
        )
    await world.books()


async def test_an_agent_whose_report_differs_from_the_one_that_was_answered_stands_aside_until_the_other_is_silent(
    world, phones
):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=1_000) == "done"
    session = await submitted(phone, "TOPUP", "T1", amount=100)
    await phone.handshake(session)
    looked = await phone.report(session, "POLLING")
    answers = phone.transmit_all(apdus(looked))
    credit = await phone.report(session, "PROCESSED", answers, looked["round"])
    assert await phone.report(session, "PROCESSED", answers, looked["round"]) == credit
    other = phone.transmit_all(apdus(looked))
    for _ in range(2):
        aside = await phone.report(session, "PROCESSED", other, looked["round"])
        assert aside == {"round": looked["round"], "delay": 500}
    world.pass_time(seconds=5)
    assert await phone.report(session, "POLLING", None, aside["round"]) == credit
    assert await phone.run(session) == "done"
    assert await phone.report(session, "PROCESSED", other, looked["round"]) == json.loads(phone.orders[-2])
    assert purse(phone).balance_fen == 1_100
    await world.books()
