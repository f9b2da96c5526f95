"""Which chip it is (CPLC), and elements and agents that do not tell; a lock that asks first what became of a top-up."""

from dataclasses import replace

import pytest

from phone_stories import AID, CASES, At, Cut, purse, submitted
from tongka.card.apdu import Response
from tongka.errors import CardGone
from tongka.store import elements, orders

OTHER_CHIP = bytes(10) + b"\x01\x02\x03\x04\x05\x06\x07\x08" + bytes(24)
BUSINESSES = ("OPEN", "DELETE", "LOCK")


async def known_chip(world, phone) -> bytes | None:
    (element,) = await elements.elements_of(world.database, phone.device_id)
    return element.cplc


def swap(phone, cplc: bytes) -> bytes:
    """Another chip with the same keys and the same contents; what the former one was."""
    former = phone.element.image.cplc
    phone.element.image = replace(phone.element.image, cplc=cplc)
    return former


async def test_a_chip_is_known_from_its_first_channel_on(world, phones):
    phone = await phones.new()
    assert await known_chip(world, phone) is None
    assert await phone.do("OPEN", "O1", amount=300) == "done"
    assert await known_chip(world, phone) == phone.element.image.cplc
    assert await phone.do("DELETE", "D1") == "done"
    assert await known_chip(world, phone) == phone.element.image.cplc


async def test_what_has_not_proved_its_keys_is_not_remembered(world, phones):
    phone = await phones.new()
    chip, phone.element = phone.element, (await phones.new(0, seed=b"\1" * 32)).element
    assert (await phone.do("OPEN", "O1")).startswith("unknown/mac")
    assert await known_chip(world, phone) is None
    phone.element = chip
    assert await phone.do("OPEN", "O2") == "done"


async def changes(world) -> list[str]:
    """What the audit trail says of chips that took another's place."""
    rows = await world.database.read("SELECT detail FROM audit WHERE action = 'chip changed' ORDER BY id")
    return [row["detail"] for row in rows]


@pytest.mark.parametrize("business", BUSINESSES)
async def test_another_chip_with_the_elements_keys_is_served_and_noted(world, phones, business):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=300) == "done"
    if business == "OPEN":
        assert await phone.do("DELETE", "D1") == "done"
    former = swap(phone, OTHER_CHIP)
    assert await phone.do(business, "B1", **CASES[business][0]) == "done"
    assert await known_chip(world, phone) == OTHER_CHIP
    assert await changes(world) == [f"{former.hex()} {OTHER_CHIP.hex()}"]
    await world.books()


async def test_a_phone_that_is_built_anew_each_time_is_served_whatever_the_books_have_in_it(world, phones):
    for nth in range(4):
        phone = await phones.new()
        swap(phone, bytes([nth]) * 42)
        assert await phone.do("OPEN", f"O{nth}", amount=300) == "done"
        if nth % 2:
            assert await phone.do("DELETE", f"D{nth}") == "done"
    assert len(await changes(world)) == 3
    await world.books()


async def test_a_deletion_whose_debit_has_run_goes_on_in_a_chip_that_tells_another_name(world, phones):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=300) == "done"
    session = await submitted(phone, "DELETE", "D1")

    def cut(step: str) -> None:
        if step == "after" and phone.apdus[-1].startswith("8054"):
            raise Cut

    phone.cut = cut
    with pytest.raises(Cut):
        await phone.run(session)
    phone.cut = lambda _: None
    swap(phone, OTHER_CHIP)
    assert await phone.run(session) == "done"
    assert purse(phone) is None
    await world.books()


class Telling:
    """An element that answers GET DATA in its own way; None: not at all."""

    def __init__(self, inner, answer: Response | None) -> None:
        self.inner, self.answer = inner, answer

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def transmit(self, apdu: bytes) -> Response:
        if apdu[:4] != bytes.fromhex("80CA9F7F"):
            return self.inner.transmit(apdu)
        if self.answer is None:
            raise CardGone("not to be had")
        return self.answer


class Dumb(Telling):
    """An element that answers nothing at all."""

    def transmit(self, apdu: bytes) -> Response:
        raise CardGone("not to be had")


@pytest.mark.parametrize("use_round", [False, True])
async def test_an_element_that_answers_nothing_is_given_up_after_some_looks(world, phones, use_round):
    phone = await phones.new()
    phone.use_round, chip = use_round, phone.element
    phone.element = Dumb(chip, None)
    assert await phone.do("OPEN", "O1", amount=300) == "unknown/card_does_not_follow"
    phone.element = chip
    assert await phone.run((await phone.state("O1"))["sessionId"]) == "done"
    await world.books()


class Fetching(Telling):
    """An element that keeps what a SELECT tells until it is fetched."""

    def transmit(self, apdu: bytes) -> Response:
        told = self.inner.transmit(apdu)
        return Response(b"", 0x6100 | len(told.data)) if apdu[1] == 0xA4 and told.data else told


@pytest.mark.parametrize("stops", [False, True], ids=["runs-all", "stops-at-a-no"])
async def test_a_select_whose_data_wait_to_be_fetched_has_selected(world, phones, stops):
    phone = await phones.new()
    phone.stops = stops
    phone.element = Fetching(phone.element, None)
    for business in ("OPEN", "TOPUP", "UPDATE", "LOCK", "UNLOCK", "DELETE"):
        contents = CASES[business][0] if business in CASES else {}
        assert await phone.do(business, business, **contents) == "done", business
    await world.books()


ODD_ANSWERS = [
    *(Response(b"", sw) for sw in (0x6A88, 0x6D00, 0x6A86, 0x6E00, 0x6982, 0x9000)),
    Response(b"\x9f\x7f\x2a\x00", 0x9000),
    Response(b"\x01" * 41, 0x9000),
    None,
]


@pytest.mark.parametrize("stops", [False, True], ids=["runs-all", "stops-at-a-no"])
@pytest.mark.parametrize("answer", ODD_ANSWERS, ids=lambda one: one.raw.hex().upper() if one else "none")
async def test_an_element_that_does_not_tell_who_it_is_is_served_as_ever(world, phones, answer, stops):
    phone = await phones.new()
    phone.stops = stops
    phone.element = Telling(phone.element, answer)
    for business in ("OPEN", "LOCK", "UNLOCK", "DELETE"):
        contents = CASES[business][0] if business in CASES else {}
        assert await phone.do(business, business, **contents) == "done", business
    assert await known_chip(world, phone) is None
    await world.books()


async def test_an_agent_that_stops_at_a_no_still_tells_which_chip_it_is(world, phones):
    phone = await phones.new()
    phone.stops = True
    assert await phone.do("OPEN", "O1", amount=300) == "done"
    assert await known_chip(world, phone) == phone.element.image.cplc


# --- locking ----------------------------------------------------------------------------------------------------------


async def top_up_cut(phone, number: str, *, credited: bool) -> str:
    """A top-up of 200 whose CREDIT FOR LOAD has left, and was executed or not; its session."""

    def cut(step: str) -> None:
        if credited and step == "after" and phone.apdus[-1].startswith("8052"):
            raise Cut
        if not credited and step == "order" and b'"8052' in phone.orders[-1]:
            raise Cut

    session = await submitted(phone, "TOPUP", number, amount=200)
    phone.cut = cut
    with pytest.raises(Cut):
        await phone.run(session)
    phone.cut = lambda _: None
    phone.element.power_off()
    phone.element.power_on()
    return session


async def load_of(world, number: str) -> str:
    """The state of an order's top-up."""
    row = await world.database.read_row("SELECT load_no FROM wallet_order WHERE server_order_id = $1", number)
    return (await orders.by_number(world.database, row["load_no"])).state.value


@pytest.mark.parametrize("credited", [True, False])
async def test_a_lock_first_asks_what_became_of_a_top_up(world, phones, credited):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=300) == "done"
    await top_up_cut(phone, "T1", credited=credited)
    assert await phone.do("LOCK", "L1") == "done"
    assert phone.element.image.instances[AID].locked
    assert await load_of(world, "T1") == ("8" if credited else "3")
    assert purse(phone).balance_fen == 300 + 200 * credited
    await world.books()


class Silent:
    """Answers nothing, or always the same no, for the purse; the security domain works."""

    def __init__(self, inner, answer: Response | None) -> None:
        self.inner, self.answer, self.at_purse = inner, answer, False

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def transmit(self, apdu: bytes) -> Response:
        if apdu[1] == 0xA4:
            self.at_purse = AID in apdu
        if not self.at_purse:
            return self.inner.transmit(apdu)
        if self.answer is None:
            raise CardGone("not to be had")
        return self.answer


@pytest.mark.parametrize(
    "answer", [None, Response(b"", 0x6A82), Response(b"", 0x6985), Response(bytes(30), 0x9000)], ids=repr
)
async def test_a_lock_waits_for_nothing_that_the_card_does_not_tell(world, phones, answer):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=300) == "done"
    session = await top_up_cut(phone, "T1", credited=True)
    chip, phone.element = phone.element, Silent(phone.element, answer)
    assert await phone.do("LOCK", "L1") == "done"
    assert chip.image.instances[AID].locked
    phone.element = chip
    assert await load_of(world, "T1") in {"2", "4"}
    assert await phone.do("UNLOCK", "U1") == "done"
    assert await phone.run(session) == "done"
    assert purse(phone).balance_fen == 500
    await world.books()


async def test_a_lock_of_a_card_with_an_undecided_top_up_that_dies_anywhere_goes_on(world, phones):
    phone = await phones.new()
    for nth in range(1, 60, 4):
        assert await phone.do("OPEN", f"O{nth}", amount=300) == "done"
        top_up = await top_up_cut(phone, f"T{nth}", credited=bool(nth % 8 == 1))
        session = await submitted(phone, "LOCK", f"L{nth}")
        phone.cut = At(nth)
        try:
            await phone.run(session)
        except Cut:
            phone.element.power_off()
            phone.element.power_on()
        phone.cut = lambda _: None
        await phone.run(session)
        assert phone.element.image.instances[AID].locked
        assert await phone.do("UNLOCK", f"U{nth}") == "done"
        await phone.run(top_up)
        assert purse(phone).balance_fen == 500
        assert await phone.do("DELETE", f"D{nth}") == "done"
    await world.books()


async def test_a_lost_card_is_not_unlocked(world, phones):
    phone = await phones.new()
    assert await phone.do("OPEN", "O1", amount=300) == "done"
    assert await phone.do("LOCK", "L1") == "done"
    await world.database.execute("UPDATE card SET status = '03' WHERE card_no = $1", purse(phone).card_no)
    assert await phone.do("UNLOCK", "U1") == "failed/card_state_wrong"
    assert phone.element.image.instances[AID].locked
