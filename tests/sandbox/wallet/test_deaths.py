"""Every business, with the phone dead at every boundary: card, order and books agree to the fen.

The boundaries are those of `Step`: before and after each APDU in the element, before a handshake or report leaves,
after an order came. Besides, the element's own power goes between any two of its internal writes, messages and their
answers get lost, reports come twice, and riders lose patience. The suite takes a sample; TONGKA_TEST_ALL=1 takes every
place.
"""

import contextlib
import itertools
import os

import pytest

from tongka.sandbox.card.power import AFTER
from tongka.sandbox.wallet.agent import LocalAgent, SessionGone
from tongka.sandbox.wallet.codes import WalletRefused, WalletUnknown
from tongka.sandbox.wallet.faults import Faults, PhoneDied, Step

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALL = bool(os.environ.get("TONGKA_TEST_ALL"))
STEPS_MAX = 150
STRIDES = {"OPEN": 17, "TOPUP": 4, "UPDATE": 8, "DELETE": 11, "LOCK": 8}
POINTS = (0, 1, 2, AFTER) if ALL else (1, AFTER)
"""Of a command in the element: before it, after its first write, after its second, before its answer leaves."""
BUSINESSES = tuple(STRIDES)


def places(business: str, offset: int = 1) -> itertools.count:
    return itertools.count(offset, 1 if ALL else STRIDES[business])


class Story:
    """One business on one phone, again and again; what it is to come to."""

    def __init__(self, rider, business: str) -> None:
        self.rider = rider
        self.business = business
        self.card = ""
        self.expected = 0

    async def prepare(self) -> None:
        """A phone without a card for an opening, with one for the rest."""
        rider = self.rider
        if self.business in {"OPEN", "DELETE"}:
            await rider.delete()
        if self.business != "OPEN" and not rider.purse:
            self.card = await rider.open(700)
        self.expected = rider.purse.balance_fen if rider.purse else 0

    async def order(self) -> str:
        rider = self.rider
        if self.business == "OPEN":
            self.expected = 300
            number = await rider.order("OPEN", amount=300)
        elif self.business == "TOPUP":
            self.expected += 100
            number = await rider.order("TOPUP", amount=100)
        else:
            more = {"cardType": "02"} if self.business == "UPDATE" else {}
            number = await rider.order(self.business, **more)
        return number

    async def run(self, number: str) -> str:
        """The session; its last notification."""
        session = (await self.rider.told(number))["sessionId"]
        rider = self.rider
        return (
            await LocalAgent(rider.http, rider.section["seram_url"], rider.phone, rider.wallet.sleep).run(session)
        ).notice

    async def check(self, number: str) -> None:
        """Done everywhere."""
        rider = self.rider
        assert (await rider.told(number))["state"] == "DONE"
        if self.business == "DELETE":
            assert not rider.element.image.instances
            assert await rider.held(self.card) == 0
        else:
            assert rider.purse.balance_fen == self.expected
        if self.business == "UPDATE":
            assert rider.purse.files["0017"][10] == 0x02
        if self.business == "LOCK":
            (instance,) = rider.element.image.instances.values()
            assert instance.locked
            assert await self.run(await rider.order("UNLOCK")) == "done"
        await rider.books()


async def cut_short(story: Story, number: str) -> bool:
    """Run until the phone dies; whether it did. Afterwards it is on again, and nothing more is to go wrong."""
    phone = story.rider.phone
    try:
        await story.run(number)
    except PhoneDied:
        return True
    finally:
        phone.switch_on()
        phone.faults = Faults()
    return False


@pytest.mark.parametrize("business", BUSINESSES)
async def test_a_phone_that_dies_anywhere_goes_on_afterwards(make_rider, scp, business):
    story = Story(await make_rider(scp), business)
    died = True
    for nth in places(business, 1 if scp == "03" else 3):
        await story.prepare()
        number = await story.order()
        story.rider.phone.faults = Faults(die_at=nth)
        died = await cut_short(story, number)
        assert await story.run(number) == "done"
        await story.check(number)
        if not died:
            break
        assert nth < STEPS_MAX


@pytest.mark.parametrize("business", BUSINESSES)
async def test_a_phone_that_dies_twice_and_repeats_itself_goes_on(make_rider, scp, business):
    story = Story(await make_rider(scp), business)
    for nth in places(business, 4):
        await story.prepare()
        number = await story.order()
        story.rider.phone.faults = Faults(die_at=nth, repeats=1)
        died = await cut_short(story, number)
        story.rider.phone.faults = Faults(die_at=2 + nth % 7, repeats=2, with_round=bool(nth % 2))
        await cut_short(story, number)
        assert await story.run(number) == "done"
        assert await story.run(number) == "done"  # whoever comes again is told the same
        await story.check(number)
        if not died:
            break


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("business", BUSINESSES)
async def test_an_element_that_loses_power_within_a_command_goes_on(make_rider, business, point):
    story = Story(await make_rider("03" if point % 2 else "02"), business)
    for nth in itertools.count(point % 3, 1 if ALL else STRIDES[business]):
        await story.prepare()
        number = await story.order()
        story.rider.element.switch.arm(point, skip=nth)
        assert await story.run(number) == "done"
        unused, story.rider.element.switch.point = story.rider.element.switch.point, None
        await story.check(number)
        if unused is not None:
            break  # fewer commands than that


@pytest.mark.parametrize("business", BUSINESSES)
async def test_messages_that_get_lost_either_way_are_sent_again(rider, business):
    story = Story(rider, business)
    for way, nth in itertools.product(("lost", "answer_lost"), range(1, 12) if ALL else (2, 5, 9)):
        await story.prepare()
        number = await story.order()
        rider.phone.faults = Faults(**{way: lambda message, nth=nth: message == nth})
        assert await story.run(number) == "done"
        rider.phone.faults = Faults()
        await story.check(number)


@pytest.mark.parametrize("business", ["OPEN", "TOPUP"])
async def test_a_rider_who_gives_up_gets_the_money_or_the_card_but_not_both(rider, business):
    story = Story(rider, business)
    kept = withdrawn = 0
    for nth in places(business):
        await story.prepare()
        before = story.expected
        number = await story.order()
        rider.phone.faults = Faults(die_at=nth)
        died = await cut_short(story, number)
        try:
            await rider.withdraw(number)
            withdrawn += 1
        except AssertionError:  # refused: the card may have it, so the phone has to say
            assert await story.run(number) == "done"
            await story.check(number)
            kept += 1
        else:
            await nothing_runs(story, number)
            assert (rider.purse.balance_fen if rider.purse else 0) == (before if business == "TOPUP" else 0)
            await clear(rider, business, number)
        if not died:
            break
    assert kept
    assert withdrawn


async def nothing_runs(story: Story, number: str) -> None:
    """A session that was given up stops at once, or (before its first order) is not there any more."""
    steps = story.rider.phone.faults.steps
    with contextlib.suppress(SessionGone):
        assert (await story.run(number)).startswith("cancelled")
    assert not {Step.APDU, Step.ANSWER} & set(steps)


async def clear(rider, business: str, number: str) -> None:
    """What an opening that was given up may have left in the element is not shown, and removed by the next one.

    Where the card was in use already, only its first top-up could be withdrawn; then the next opening is refused.
    """
    if business == "OPEN":
        rider.wallet.tokens["t"] = (rider.section["issuer_id"], rider.device)
        with pytest.raises(WalletRefused, match="1010210302"):
            await rider.wallet.add_transit_card("t", number)
        assert await no_card_shown(rider)
        refusal = await refusal_of(rider.open())
        assert not refusal or "card_exists" in refusal
        assert not await no_card_shown(rider)
        await rider.delete()
    await rider.books()


async def refusal_of(call) -> str:
    try:
        await call
    except WalletRefused as refused:
        return str(refused)
    return ""


async def no_card_shown(rider) -> bool:
    (device,) = await rider.wallet.get_card_metadata_in_device(rider.phone.type)
    return device.card_metadata[0].logical_card_number is None


# --- other phones -----------------------------------------------------------------------------------------------------


async def test_another_phone_cannot_take_the_order_over(make_rider):
    rider, thief = await make_rider("03", 0), await make_rider("03", 1)
    order = await rider.order("OPEN", amount=300)
    thief.wallet.devices[0].device_id = rider.device  # it lies, and has another chip
    token = await thief.wallet.can_add_transit_card(rider.section["issuer_id"], rider.device)
    with pytest.raises(WalletRefused, match="1010210302"):
        await thief.wallet.add_transit_card(token, order)
    assert not thief.element.image.instances
    token = await rider.wallet.can_add_transit_card(rider.section["issuer_id"], rider.device)
    assert (await rider.wallet.add_transit_card(token, order)).balance == 300


async def test_a_rider_changes_phones_and_keeps_the_money(make_rider):
    old, new = await make_rider("03", 0), await make_rider("02", 1)
    first = await old.open(1_500)
    balance = old.purse.balance_fen
    await old.delete()
    assert await old.held(first) == 0
    second = await new.open(balance)
    assert second != first
    assert new.purse.balance_fen == 1_500
    await new.books()


async def test_a_full_chip_is_told_and_the_order_can_be_refunded(rider):
    element = rider.element
    element.image = type(element.image).from_json(element.image.to_json() | {"room": 0})
    with pytest.raises(WalletRefused, match="1010200009"):
        await rider.wallet.can_add_transit_card(rider.section["issuer_id"], rider.device)
    rider.wallet.tokens["t"] = (rider.section["issuer_id"], rider.device)  # the chip filled up after the check
    order = await rider.order("OPEN", amount=300)
    with pytest.raises(WalletRefused, match=r"1010210302.*chip_full") as refused:
        await rider.wallet.add_transit_card("t", order)
    assert refused.value.row.refundable
    await rider.withdraw(order)
    assert not element.image.instances
    await rider.books()


async def test_a_phone_that_dies_leaves_its_orders_to_be_resumed(rider):
    card = await rider.open(1_000)
    order = await rider.order("TOPUP", amount=100)
    rider.phone.faults = Faults(die_at=12)
    with pytest.raises(PhoneDied):
        await rider.wallet.recharge_transit_card(card, rider.device, order)
    assert set(rider.wallet.unfinished) == {order}
    rider.phone.switch_on()
    assert await rider.wallet.resume() == {order: None}
    assert rider.purse.balance_fen == 1_100
    assert not rider.wallet.unfinished


async def test_a_deleted_card_with_a_lost_end_is_deleted_once(rider):
    card = await rider.open(900)
    order = await rider.order("DELETE")
    rider.phone.faults = Faults(lost=lambda message: message >= 8)
    with pytest.raises(WalletUnknown, match="1010210619"):
        await rider.wallet.delete_transit_card(card, rider.device, order)
    rider.phone.faults = Faults()
    assert await rider.wallet.resume() == {order: None}
    assert await rider.held(card) == 0
    await rider.books()
