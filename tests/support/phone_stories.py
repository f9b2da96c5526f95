"""The businesses of phones, what each is to come to, and elements of another make; shared by the tests of IF5."""

from seram_agent import Agent, Cut
from tongka.card.apdu import Command, Response, StatusWord
from tongka.card.commands import CommandKind, classify, file_of
from tongka.sandbox.element.machine import SoftwareElement

AID = bytes.fromhex("A000000632010105")


class EarlyReader(SoftwareElement):
    """Files can be read as soon as they have come, before the keys are there; so do ordinary applets."""

    def _blank(self, aid: bytes, apdu: bytes) -> Response:
        command = Command.parse(apdu)
        if classify(command) is not CommandKind.READ_BINARY:
            return super()._blank(aid, apdu)
        content = self.image.instances[aid].stored.get(int(file_of(command).fid or "0", 16))
        return Response(content, StatusWord.OK) if content else Response(b"", StatusWord.FILE_NOT_FOUND)


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
