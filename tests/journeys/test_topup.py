"""Top-ups as stories: the five flows of chapter 3, and every way in which they break."""

from dataclasses import dataclass
from typing import Any

import pytest

from tongka.card.apdu import Response
from tongka.card.commands import CommandKind, classify
from tongka.journeys import refund, sweep
from tongka.partners.huzhou import messages as m
from tongka.partners.huzhou.client import CardFrontRefused, Order, Outcome, TopUpInterrupted
from tongka.payments import Answer
from tongka.sandbox.card.power import AFTER, BEFORE
from tongka.store import orders

PROFILES = ["huzhou-ministry-3des", "huzhou-ministry-sm4", "huzhou-city-3des"]


async def state_of(world, order: Order) -> str:
    found = await orders.by_number(world.database, order.order_no)
    assert found is not None
    return found.state.value


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_app_tops_a_card_up(world, profile):
    """3.1: paid, ordered, authorised, written, confirmed."""
    card = await world.card(profile)
    order = await world.client.top_up(card, 1_000, "pay-1")
    assert card.image.balance_fen == 6_000
    assert await state_of(world, order) == "5"
    await world.books()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("point", "outcome", "balance"), [(BEFORE, Outcome.NOT_CREDITED, 5_000), (AFTER, Outcome.CREDITED, 6_000)]
)
async def test_a_card_torn_out_during_the_credit_is_recovered(world, profile, point, outcome, balance):
    """3.5: only the card's own word decides."""
    card = await world.card(profile)
    card.switch.arm(point, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted) as broken:
        await world.client.top_up(card, 1_000, "pay-2")
    order = broken.value.order
    assert await state_of(world, order) == "2"
    card.power_on()
    assert await world.client.recover(card, order) is outcome
    assert card.image.balance_fen == balance
    assert await state_of(world, order) == ("8" if outcome is Outcome.CREDITED else "3")
    await world.books()
    if outcome is Outcome.NOT_CREDITED:
        again = await world.client.top_up(card, 1_000, "pay-2")
        assert again.order_no == order.order_no
        assert card.image.balance_fen == 6_000
        await world.books()


async def test_a_load_by_another_channel_leaves_the_order_to_a_clerk(world):
    """E>: the counter moved on and no TAC is to be had (000155)."""
    card = await world.card()
    card.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted) as broken:
        await world.client.top_up(card, 1_000, "pay-3")
    card.power_on()
    card.image = card.image.__class__.from_json({**card.image.to_json(), "online_atc": card.image.online_atc + 1})
    assert await world.client.recover(card, broken.value.order) is Outcome.FOR_A_CLERK
    assert await state_of(world, broken.value.order) == "9"
    await world.books()


async def test_a_paid_order_is_cancelled_and_refunded(world):
    """3.4: A, then B; and it can't be charged any more."""
    card = await world.card()
    charge = m.ChargeOrderCreate(
        card_no=card.image.card_no, charge_type="01", payment_method="02", payment_order="pay-4", amount_text="700"
    )
    created = await world.client.charge_order_create(charge)
    order = Order(
        order_no=created.order_no,
        card_no=card.image.card_no,
        amount_fen=700,
        payment_method="02",
        payment_order="pay-4",
    )
    await world.client.cancel(order)
    assert await state_of(world, order) == "A"
    world.bank.refunds = Answer.UNKNOWN
    assert await refund.ask_again(world.system) == 0
    assert await state_of(world, order) == "A"
    world.bank.refunds = Answer.YES
    world.pass_time(minutes=2)
    assert await refund.ask_again(world.system) == 1
    assert await state_of(world, order) == "B"
    assert list(world.bank.refunded.values()) == [700]
    with pytest.raises(CardFrontRefused) as refused:
        await world.client.charge_order_create(charge)
    assert refused.value.result == "000159"
    await world.books()


async def test_a_refused_refund_may_be_asked_for_again(world):
    card = await world.card()
    created = await world.client.charge_order_create(
        m.ChargeOrderCreate(
            card_no=card.image.card_no, charge_type="01", payment_method="02", payment_order="pay-5", amount_text="700"
        )
    )
    order = Order(order_no=created.order_no, card_no=card.image.card_no, amount_fen=700, payment_method="02")
    await world.client.cancel(order)
    world.bank.refunds = Answer.NO
    assert await refund.ask_again(world.system) == 1
    assert await state_of(world, order) == "C"
    world.bank.refunds = Answer.YES
    await world.client.cancel(order)
    assert await refund.ask_again(world.system) == 1
    assert await state_of(world, order) == "B"
    await world.books()


async def test_an_order_under_way_cannot_be_cancelled(world):
    card = await world.card()
    card.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted) as broken:
        await world.client.top_up(card, 1_000, "pay-6")
    with pytest.raises(CardFrontRefused) as refused:
        await world.client.cancel(broken.value.order)
    assert refused.value.result == "000040"


async def test_silence_makes_the_result_unknown_and_rewriting_is_still_possible(world):
    """2 → 4 after T; a new INIT with the same counter gets MAC2 for its own challenge (补写卡)."""
    card = await world.card()
    card.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted) as broken:
        await world.client.top_up(card, 1_000, "pay-7")
    world.pass_time(minutes=10)
    assert await sweep.sweep(world.system) == 1
    assert await state_of(world, broken.value.order) == "4"
    card.power_on()
    await world.client.top_up(card, 1_000, "pay-7")
    assert card.image.balance_fen == 6_000
    assert await state_of(world, broken.value.order) == "5"
    await world.books()


async def test_a_second_order_of_the_card_waits_for_the_first(world):
    card = await world.card()
    card.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted):
        await world.client.top_up(card, 1_000, "pay-8")
    card.power_on()
    with pytest.raises(CardFrontRefused) as refused:
        await world.client.top_up(card, 500, "pay-9")
    assert refused.value.result == "000151"
    await world.books()


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_card_is_sold_topped_up_and_returned(world, profile):
    card = await world.card(profile, balance_fen=0, enabled=False)
    with pytest.raises(CardFrontRefused) as refused:
        await world.client.top_up(card, 1_000, "pay-10")
    assert refused.value.result == "000078"
    sold = await world.client.sell(card)
    assert sold.deposit == "1800"
    assert (await world.client.read_card(card)).init_flag == "01"
    await world.client.top_up(card, 1_000, "pay-11")
    assert await world.client.return_card(card) == 1_000
    assert card.image.balance_fen == 0
    assert (await world.client.read_card(card)).status == "02"
    await world.books()


async def test_a_bad_card_is_paid_by_the_books_after_the_wait(world):
    card = await world.card()
    applied = await world.client.apply_bad_return(card.image.card_no)
    assert applied.amount == "5000"
    with pytest.raises(CardFrontRefused) as refused:
        await world.client.confirm_bad_return(card.image.card_no, applied)
    assert refused.value.result == "000112"
    world.pass_time(days=8)
    await world.client.confirm_bad_return(card.image.card_no, applied)
    await world.books()


async def test_a_full_card_takes_no_more(world):
    card = await world.card(balance_fen=99_500)
    with pytest.raises(CardFrontRefused) as refused:
        await world.client.top_up(card, 1_000, "pay-12")
    assert refused.value.result == "000041"
    await world.books()


async def test_the_query_lists_the_cards_orders(world):
    card = await world.card()
    for number in range(3):
        await world.client.top_up(card, 100, f"pay-q{number}")
    page = await world.client.charge_order_query(
        m.ChargeOrderQuery(card_no=card.image.card_no, page_size_text="2", page_text="1", order_by="0")
    )
    assert (page.total, page.pages, len(page.orders)) == (3, 2, 2)
    assert {order.state for order in page.orders} == {"5"}


async def test_a_proof_decides_also_where_the_card_can_begin_no_load_any_more(world):
    """E+ needs no INIT: the counter may have come to its end (9402)."""
    card = await world.card()
    card.switch.arm(AFTER, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted) as broken:
        await world.client.top_up(card, 1_000, "pay-end")
    card.power_on()
    at_its_end = ResponseTo(card, CommandKind.INIT_FOR_LOAD, bytes.fromhex("9402"))
    assert await world.client.recover(at_its_end, broken.value.order) is Outcome.CREDITED
    assert await state_of(world, broken.value.order) == "8"
    await world.books()


async def test_what_card_management_found_is_told_again(world):
    card = await world.card()
    card.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted) as broken:
        await world.client.top_up(card, 1_000, "pay-told")
    card.power_on()
    for _ in range(2):
        assert await world.client.recover(card, broken.value.order) is Outcome.NOT_CREDITED


@dataclass
class ResponseTo:
    """A card that answers one kind of command in its own way."""

    card: Any
    kind: CommandKind
    raw: bytes

    def transmit(self, apdu: bytes) -> Response:
        return Response.parse(self.raw) if classify(apdu) is self.kind else self.card.transmit(apdu)
