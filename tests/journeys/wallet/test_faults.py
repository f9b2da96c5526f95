"""The server dies after a journey has moved and before its order is stored; chips are full, taken, or not ours."""

import json
from dataclasses import replace

import pytest

from phone_stories import AID, dies, submitted
from tongka.card.apdu import Response
from tongka.card.purse import Moment
from tongka.errors import CardGone
from tongka.journeys.wallet import session as sessions
from tongka.journeys.wallet.session import Report
from tongka.ledger import Account
from tongka.partners.huawei.messages import write_order
from tongka.sandbox.card.terminal import Terminal
from tongka.sandbox.element import personal
from tongka.sandbox.element.image import Instance
from tongka.store import ledger, payouts


class DiedError(Exception):
    """The process is gone."""


def process_dies(_: object) -> bytes:
    raise DiedError


async def drive(world, phone, session: str) -> str:
    """Every report is first answered by a process that dies before its order is stored, then by another."""
    await phone.handshake(session)
    report = Report(digest=b"", polling=True)
    for _ in range(60):
        with pytest.raises(DiedError):
            await sessions.exchange(world.system, session, report, process_dies)
        order = json.loads(await sessions.exchange(world.system, session, report, write_order))
        answers = None
        for command in order["ramCommands"]:
            if command["ramCommandType"] == "seRamCommand":
                answers = tuple(bytes.fromhex(phone.transmit(apdu)) for apdu in command["listOfCAPDU"])
            elif command["ramCommandType"] == "notificationCommand":
                return command["deviceAppNotification"]
        report = Report(digest=b"", polling=answers is None, answers=answers or (), round=order["round"])
    raise AssertionError("the session does not end")


async def test_a_process_that_dies_in_every_round_costs_nothing(world, phones):
    phone = await phones.new()
    for business, contents in (("OPEN", {"amount": 500}), ("TOPUP", {"amount": 300}), ("UPDATE", {}), ("DELETE", {})):
        session = (await phone.order(business, business, **contents)).json()["sessionId"]
        assert await drive(world, phone, session) == "done", business
        if business == "TOPUP":
            assert phone.element.image.instances[AID].purse.balance_fen == 800
        await world.books()
    assert AID not in phone.element.image.instances


async def test_a_full_chip_gets_no_card_and_its_order_is_refundable(world, phones):
    phone = await phones.new()
    phone.element.image = replace(phone.element.image, room=0)
    assert await phone.do("OPEN", "O1", amount=500, deposit=1_000) == "failed/chip_full"
    assert (await phone.state("O1"))["state"] == "FAILED"
    assert (await phone.withdraw("O1")).status_code == 200
    await phones.refunds()
    assert sorted(world.bank.refunded.values()) == [500, 1_000]
    await world.books()


async def test_an_element_that_holds_a_card_takes_no_second_one(world, phones):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=500) == "done"
    assert await phone.do("OPEN", "O2", amount=500) == "failed/card_exists"
    assert (await phone.withdraw("O2")).status_code == 200
    await phones.refunds()
    assert phone.element.image.instances[AID].purse.balance_fen == 500
    await world.books()


def made_anew(phone) -> None:
    """The phone is reset: what was in its element is gone, and we have not heard of it."""
    phone.element.power_off()
    phone.element.image = phone.element.image.without(AID)
    phone.element.power_on()


async def test_a_card_that_went_with_a_reset_makes_room_for_another_and_stays_on_the_books(world, phones):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=1_000) == "done"
    earlier = (await phone.state("O1"))["cardNumber"]
    made_anew(phone)
    for business in ("TOPUP", "UPDATE", "DELETE", "LOCK"):
        more = {"amount": 100} if business == "TOPUP" else {}
        assert await phone.do(business, business, **more) == "failed/card_not_there"
    assert await phone.do("OPEN", "O2", amount=700) == "done"
    assert phone.element.image.instances[AID].purse.balance_fen == 700
    assert await phone.do("TOPUP", "T2", amount=300) == "done"
    assert await ledger.card_balance(world.database, earlier) == 1_000
    assert (await phone.order("DELETE", "D1", logicalCardNumber=earlier)).status_code == 404
    assert await phone.do("DELETE", "D2") == "done"
    assert await phone.do("OPEN", "O3", amount=100) == "done"
    await world.books()


async def test_an_opening_in_a_reset_phone_that_dies_goes_on(world, phones):
    phone = await phones.new()
    for nth in (9, 14, 19, 24, 29):
        assert await phone.do("OPEN", f"B{nth}", amount=100) == "done"
        made_anew(phone)
        session = await submitted(phone, "OPEN", f"O{nth}", amount=700)
        assert await dies(phone, session, nth)
        assert await phone.run(session) == "done"
        assert phone.element.image.instances[AID].purse.balance_fen == 700
        assert await phone.do("DELETE", f"D{nth}") == "done"
    await world.books()


async def test_orders_of_a_card_that_is_gone_leave_the_one_that_took_its_place_alone(world, phones):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=1_000) == "done"
    sessions_of_old = {}
    for business in ("LOCK", "DELETE"):
        sessions_of_old[business] = (await phone.order(business, business)).json()["sessionId"]
    made_anew(phone)
    assert await phone.do("OPEN", "O2", amount=700) == "done"
    assert await phone.run(sessions_of_old["LOCK"]) == "failed/card_not_there"
    assert (await phone.run(sessions_of_old["DELETE"])) != "done"
    await world.database.execute(  # paid out as a lost card meanwhile
        "UPDATE card SET status = '02' WHERE card_no = $1", (await phone.state("O1"))["cardNumber"]
    )
    session = await renewed(world, phone, sessions_of_old["DELETE"])
    assert await phone.run(session) == "done"
    assert phone.element.image.instances[AID].purse.balance_fen == 700
    assert not phone.element.image.instances[AID].locked


async def renewed(world, phone, session: str) -> str:
    """The session as if it had not begun."""
    await world.database.execute("DELETE FROM wallet_round WHERE session_id = $1", session)
    await world.database.execute(
        "UPDATE wallet_order SET state = 'accepted', round = 0, program = NULL WHERE session_id = $1", session
    )
    return session


async def test_a_card_in_use_is_not_removed_by_an_agent_that_does_not_show_it(world, phones):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=500) == "done"
    chip, phone.element = phone.element, Shy(phone.element)
    assert await phone.do("OPEN", "O2", amount=500) == "failed/card_exists"
    assert chip.image.instances[AID].purse.balance_fen == 500
    await world.books()


async def test_a_locked_card_is_not_topped_up(world, phones):
    phone = await phones.new()
    await phone.do("OPEN", "O1", amount=500)
    assert await phone.do("LOCK", "L1") == "done"
    assert await phone.do("TOPUP", "T1", amount=100) == "failed/card_locked"
    assert (await phone.withdraw("T1")).status_code == 200
    assert await phone.do("UNLOCK", "L2") == "done"
    assert await phone.do("TOPUP", "T2", amount=100) == "done"
    await phones.refunds()
    await world.books()


class Refusing:
    """An element that says no to one instruction, whatever it is asked; `times` so often, then no more."""

    classes = (0x04, 0x80, 0x84)

    def __init__(self, inner, ins: int, sw: int, times: int = 10**6) -> None:
        self.inner, self.ins, self.sw, self.times = inner, ins, sw, times

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def transmit(self, apdu: bytes) -> Response:
        if apdu[1] != self.ins or self.times <= 0 or apdu[0] not in self.classes:
            return self.inner.transmit(apdu)
        self.times -= 1
        return Response(b"", self.sw)


REFUSALS = [
    (0x50, 0x6A88, "failed/channel_refused_6A88"),
    (0x82, 0x6300, "failed/channel_refused_6300"),
    (0xE6, 0x6A88, "failed/install_refused_6A88"),
    (0xE6, 0x6A84, "failed/chip_full"),
    (0xE2, 0x6581, "failed/personalisation_refused_6581"),
    (0xE2, 0x6A84, "failed/chip_full"),
    (0x5C, 0x6985, "failed/card_refused_6985"),
]


@pytest.mark.parametrize(("ins", "sw", "notice"), REFUSALS)
async def test_an_element_that_refuses_for_good_is_left_empty_and_the_order_refundable(world, phones, ins, sw, notice):
    phone = await phones.new()
    chip, phone.element = phone.element, Refusing(phone.element, ins, sw)
    assert await phone.do("OPEN", "O1", amount=500, deposit=1_000) == notice
    assert not chip.image.instances
    assert (await phone.withdraw("O1")).status_code == 200
    await phones.refunds()
    assert sorted(world.bank.refunded.values()) == [500, 1_000]
    phone.element = chip
    assert await phone.do("OPEN", "O2", amount=500) == "done"
    await world.books()


@pytest.mark.parametrize(("ins", "sw", "notice"), REFUSALS)
async def test_an_element_that_refuses_once_is_asked_again(world, phones, ins, sw, notice):
    phone = await phones.new()
    phone.element = Refusing(phone.element, ins, sw, times=1)
    assert await phone.do("OPEN", "O1", amount=500) == (notice if "chip_full" in notice else "done")
    await world.books()


class Losing:
    """An agent that loses one answer of a kind, and whose channel breaks there; `times` so often."""

    def __init__(self, inner, ins: int, times: int) -> None:
        self.inner, self.ins, self.times = inner, ins, times

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def transmit(self, apdu: bytes) -> Response:
        if apdu[1] == self.ins and apdu[0] & 0x80 and self.times > 0:
            self.times -= 1
            self.inner.power_off()
            self.inner.power_on()
            raise CardGone("lost")
        return self.inner.transmit(apdu)


@pytest.mark.parametrize("ins", [0x50, 0x82, 0xE6, 0xE2, 0xF2])
async def test_answers_that_get_lost_are_no_refusals_whatever_follows_them(world, phones, ins):
    phone = await phones.new()
    phone.element = Losing(phone.element, ins, times=5)
    assert await phone.do("OPEN", "O1", amount=500) == "done"
    await world.books()


async def test_a_new_card_that_already_holds_something_is_not_taken_into_use(world, phones, monkeypatch):
    phone = await phones.new()
    purse_of = personal.purse_of
    with monkeypatch.context() as patch:
        patch.setattr(personal, "purse_of", lambda stored: replace(purse_of(stored), balance_fen=500))
        assert await phone.do("OPEN", "O1", amount=1_000) == "failed/new_card_not_empty"
    assert not phone.element.image.instances
    assert (await phone.withdraw("O1")).status_code == 200
    await phones.refunds()
    assert await phone.do("OPEN", "O2", amount=1_000) == "done"
    await world.books()


async def broken_off(phone, business: str, number: str, nth: int, **contents: object) -> str:
    """An order whose phone died at a step; its session."""
    session = await submitted(phone, business, number, **contents)
    assert await dies(phone, session, nth)
    return session


@pytest.mark.parametrize("nth", [9, 10])
async def test_another_card_says_nothing_about_a_topup_that_may_be_on_the_right_one(world, phones, nth):
    phone, other = await phones.new(0), await phones.new(1)
    assert await phone.do("OPEN", "O1", amount=500) == "done"
    assert await other.do("OPEN", "O2", amount=100) == "done"
    session = await broken_off(phone, "TOPUP", "T1", nth, amount=300)
    mine, phone.element = phone.element, other.element
    assert await phone.run(session) == "unknown/wrong_card"
    assert (await phone.state("T1"))["state"] == "UNKNOWN"
    phone.element = mine
    assert await phone.run(session) == "done"
    assert mine.image.instances[AID].purse.balance_fen == 800
    await world.books()


async def test_a_deletion_whose_debit_is_out_is_not_withdrawn_and_one_that_rides_overtook_goes_on(world, phones):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=1_000) == "done"
    session = await broken_off(phone, "DELETE", "D1", 20)
    assert (await phone.withdraw("D1")).status_code == 409
    purse = phone.element.image.instances[AID].purse
    assert purse.balance_fen == 1_000
    gate = Terminal(phone.element, purse.suite, purse.keys, b"\0" * 6)
    gate.select()
    gate.purchase(200, b"\0\0\0\1", Moment.of(world.now[0]))
    lock = await submitted(phone, "LOCK", "L1")
    assert await phone.run(lock) == "done"
    assert await phone.do("UNLOCK", "L2") == "done"
    assert await phone.run(session) == "done"
    assert AID not in phone.element.image.instances
    assert (await phone.withdraw("D1")).status_code == 409


async def test_a_phone_that_stays_silent_leaves_the_order_unknown_until_it_is_back(world, phones):
    phone = await phones.new()
    session = await broken_off(phone, "OPEN", "O1", 9, amount=500)
    assert await sessions.give_up_silent(world.system) == 0
    world.pass_time(hours=2)
    assert await sessions.give_up_silent(world.system) == 1
    told = await phone.state("O1")
    assert (told["state"], told["reason"]) == ("UNKNOWN", "phone_silent")
    assert (await phone.order("OPEN", "O1", amount=500)).status_code == 201
    assert await phone.run(session) == "done"


async def test_a_lock_that_the_element_refuses_fails(phones):
    phone = await phones.new()
    await phone.do("OPEN", "O1")
    phone.element = Refusing(phone.element, 0xF0, 0x6A80)
    assert await phone.do("LOCK", "L1") == "failed/lock_refused_6A80"


@pytest.mark.parametrize("contents", [{}, {"cardType": "02"}])
async def test_an_update_that_the_card_refuses_fails_even_where_the_file_stands_already(phones, contents):
    phone = await phones.new()
    await phone.do("OPEN", "O1")
    chip, phone.element = phone.element, Refusing(phone.element, 0xD6, 0x6988, times=2)
    assert await phone.do("UPDATE", "U1", **contents) == "done"
    phone.element = Refusing(chip, 0xD6, 0x6988)
    assert await phone.do("UPDATE", "U2", **contents) == "failed/update_refused_6988"


async def test_a_deletion_tells_what_the_partner_has_to_pay_out_and_is_set_off_with_him(world, phones):
    phone = await phones.new()
    await phone.do("OPEN", "O1", amount=500, deposit=1_800)
    assert await phone.do("DELETE", "D1") == "done"
    told = await phone.state("D1")
    assert (told["balance"], told["deposit"]) == (500, 1_800)
    payable = await ledger.balance(world.database, Account.REFUNDS_PAYABLE)
    assert (payable.credit_fen, payable.balance_fen) == (2_300, 0)
    assert await payouts.unfinished(world.database, 10) == []  # it is the partner's, not ours
    await world.books()


async def test_an_element_with_other_keys_is_not_opened(world, phones):
    phone = await phones.new(0)
    other = await phones.new(0, seed=b"\1" * 32)
    phone.element = other.element
    assert (await phone.do("OPEN", "O1")).startswith("unknown/mac")
    assert not phone.element.image.instances
    await world.books()


async def test_a_topup_above_the_wallets_maximum_is_refused_and_refundable(world, phones):
    phone = await phones.new()
    await phone.do("OPEN", "O1", amount=60_000)
    assert await phone.do("TOPUP", "T1", amount=60_000) == "failed/over_maximum"
    assert (await phone.withdraw("T1")).status_code == 200
    await phones.refunds()
    assert world.bank.refunded
    await world.books()


class Shy:
    """An agent that does not tell what the card's application answers."""

    def __init__(self, inner) -> None:
        self.inner = inner

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def transmit(self, apdu: bytes) -> Response:
        answer = self.inner.transmit(apdu)
        if apdu[0] == 0x00:
            raise CardGone("the agent keeps it to itself")
        return answer


class OddElement:
    """An element that tells GET STATUS in its own way, and SELECT's answers not at all (as some agents do)."""

    def __init__(self, inner, status_answer: Response) -> None:
        self.inner, self.status_answer = inner, status_answer

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def transmit(self, apdu: bytes) -> Response:
        answer = self.inner.transmit(apdu)
        if apdu[1] == 0xF2:
            return self.status_answer
        if apdu[1] == 0xA4 and answer.ok:
            raise CardGone("the agent keeps it to itself")
        return answer


@pytest.mark.parametrize("sw", [0x6A82, 0x6A88, 0x6D00, 0x9000])
@pytest.mark.parametrize("data", [b"", b"\x08\xa0\x00\x00"])
async def test_an_element_with_its_own_way_of_telling_its_status_is_served(world, phones, sw, data):
    phone = await phones.new()
    chip = phone.element
    chip.image = chip.image.with_instance(AID, Instance(module=AID))  # what a broken-off opening left
    phone.element = OddElement(chip, Response(data, sw))
    assert await phone.do("OPEN", "O1", amount=500) == "done"
    assert chip.image.instances[AID].purse.balance_fen == 500
    phone.element = chip
    assert await phone.do("DELETE", "D1") == "done"
    assert AID not in chip.image.instances
    await world.books()
