"""Every business, dead at every step: the card's balance, the order and the books agree to the fen.

The steps are: before and after each APDU in the element, before a report leaves, after an order came. The suite takes
every eleventh; all of them with TONGKA_TEST_ALL=1.
"""

import itertools
import os

import pytest

from seram_agent import Agent, Cut

AID = bytes.fromhex("A000000632010105")
STRIDE = 1 if os.environ.get("TONGKA_TEST_ALL") else 11
STEPS_MAX = 200


class At:
    """Dies at the nth step, once."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def __call__(self, _: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise Cut


async def dies(phone: Agent, session: str, nth: int) -> bool:
    """Whether it died; it is switched on again."""
    phone.cut = At(nth)
    try:
        await phone.run(session)
    except Cut:
        return True
    finally:
        phone.cut = lambda _: None
        phone.element.power_off()
        phone.element.power_on()
    return False


async def submitted(phone: Agent, business: str, number: str, **more: object) -> str:
    answered = await phone.order(business, number, **more)
    assert answered.status_code == 201, answered.text
    return answered.json()["sessionId"]


def purse(phone: Agent):
    instance = phone.element.image.instances.get(AID)
    return instance.purse if instance else None


async def opened(phone: Agent, number: str) -> None:
    assert await phone.do("OPEN", number, amount=300) == "done"


async def check_open(phone: Agent, number: str) -> None:
    told = await phone.state(number)
    assert (told["state"], purse(phone).balance_fen, purse(phone).card_no) == ("DONE", 300, told["cardNumber"])
    assert await phone.do("DELETE", f"{number}-end") == "done"


async def check_topup(phone: Agent, number: str) -> None:
    assert (await phone.state(number))["state"] == "DONE"
    assert purse(phone).balance_fen == 500
    assert await phone.do("DELETE", f"{number}-end") == "done"


async def check_update(phone: Agent, number: str) -> None:
    assert (await phone.state(number))["state"] == "DONE"
    assert purse(phone).files["0017"][10] == 0x02
    assert await phone.do("DELETE", f"{number}-end") == "done"


async def check_delete(phone: Agent, number: str) -> None:
    assert (await phone.state(number))["state"] == "DONE"
    assert purse(phone) is None


async def check_lock(phone: Agent, number: str) -> None:
    assert (await phone.state(number))["state"] == "DONE"
    assert phone.element.image.instances[AID].locked
    assert await phone.do("UNLOCK", f"{number}-unlock") == "done"
    assert await phone.do("DELETE", f"{number}-end") == "done"


CASES = {
    "OPEN": ({"amount": 300}, None, check_open),
    "TOPUP": ({"amount": 200}, opened, check_topup),
    "UPDATE": ({"cardType": "02"}, opened, check_update),
    "DELETE": ({}, opened, check_delete),
    "LOCK": ({}, opened, check_lock),
}


@pytest.mark.parametrize("business", CASES)
async def test_dead_at_any_step_it_goes_on(world, phones, business):
    contents, before, check = CASES[business]
    phone = await phones.new()
    for nth in itertools.count(1, STRIDE):
        number = f"{business}-{nth}"
        if before:
            await before(phone, f"{number}-before")
        session = await submitted(phone, business, number, **contents)
        died = await dies(phone, session, nth)
        await phone.run(session)
        await check(phone, number)
        if not died:
            break
        assert nth < STEPS_MAX
    await world.books()
