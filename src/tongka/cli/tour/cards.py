"""The chapters of plastic: a card is sold, topped up, torn away, refunded, returned; all over the card front."""

import asyncio
import secrets
from time import monotonic

from tongka.card.commands import CommandKind
from tongka.cli.card_front import front_of_section
from tongka.cli.tour.stage import ShownCard, Stage, TourFailed
from tongka.money import format_yuan
from tongka.partners.huzhou.client import CardFront, Order, Outcome, TopUpInterrupted
from tongka.partners.huzhou.codes import ORDER_STATES, text_of
from tongka.partners.huzhou.messages import ChargeOrderCreate, ChargeOrderQuery
from tongka.sandbox.card.power import AFTER, BEFORE

REFUND_WAIT_S = 30
REFUNDED = "B"
UNIONPAY = "02"


def front(stage: Stage) -> CardFront:
    return front_of_section(stage.document["huzhou"], stage.http())


def payment() -> str:
    """The number under which the rider's payment app knows his payment."""
    return f"TOUR{secrets.token_hex(8).upper()}"


async def sell(stage: Stage) -> None:
    """A card is sold, topped up, and at the end of its life taken back."""
    stage.chapter("A rider buys a card")
    card = stage.card(enabled=False)
    async with front(stage) as office:
        stage.say(f"A blank card lies on the counter: {card.number}, not enabled, {card.yuan}.")
        await office.sell(card)
        stage.expect(card.card.image.file15.enabled, "its file 15 now says enabled, written under the card's own MAC")
        order = await office.top_up(card, 5_000, payment())
        stage.expect(card.balance_fen == 5_000, f"topped up over the card front: {card.yuan}, order {order.order_no}")

    stage.chapter("He moves away and returns it")
    async with front(stage) as office:
        paid = await office.return_card(card)
        stage.expect(
            (card.balance_fen, paid) == (0, 5_000),
            f"the balance was purchased away, {card.yuan} is left; ¥{format_yuan(paid)} and the deposit are paid out",
        )


async def tear(stage: Stage) -> None:
    """The dangerous moment, both ways."""
    stage.chapter("A rider tears his card out of the reader, after MAC2 has left the server")
    async with front(stage) as office:
        for point, story in ((AFTER, "the card had taken the money"), (BEFORE, "the card had not yet taken it")):
            card = stage.card(enabled=True, least_fen=1, most_fen=30_000)
            before = card.balance_fen
            stage.say(f"Card {card.number} holds {card.yuan}; 10 yuan are on the way; the card is gone: {story}.")
            await _interrupted(stage, office, card, point)
            stage.expect(card.balance_fen == before + 1_000, f"one top-up, once on the card: {card.yuan}")


async def _interrupted(stage: Stage, office: CardFront, card: ShownCard, point: int) -> None:
    card.card.switch.arm(point, kind=CommandKind.CREDIT_FOR_LOAD)
    paid = payment()
    try:
        await office.top_up(card, 1_000, paid)
    except TopUpInterrupted as broken:
        order = broken.order
    else:
        raise TourFailed("the card was to be torn out, and was not")
    stage.say(f"The server knows that it does not know: {await _state(office, order)}.")
    card.card.power_on()
    outcome = await office.recover(card, order)
    stage.expect(
        outcome is (Outcome.CREDITED if point == AFTER else Outcome.NOT_CREDITED),
        f"asked by card management, the card itself vouches: {outcome.name.lower().replace('_', ' ')} ({outcome})",
    )
    if outcome is Outcome.NOT_CREDITED:
        again = await office.top_up(card, 1_000, paid)
        stage.say(f"The same payment tops it up now, under the same order {again.order_no}.")


async def refund(stage: Stage) -> None:
    """An order is paid, then the rider thinks again."""
    stage.chapter("Another rider pays, and cancels before he comes to a reader")
    card = stage.card(enabled=True, least_fen=1, most_fen=30_000)
    async with front(stage) as office:
        order = await _ordered(office, card, 2_000)
        stage.say(f"Order {order.order_no} over 20 yuan: {await _state(office, order)}.")
        await office.cancel(order)
        stage.say(f"Cancelled: {await _state(office, order)}.")
        await _refunded(stage, office, order)


async def _ordered(office: CardFront, card: ShownCard, amount_fen: int) -> Order:
    paid = payment()
    charge = ChargeOrderCreate(
        card_no=card.number,
        charge_type="01",
        payment_method=UNIONPAY,
        payment_order=paid,
        amount_text=str(amount_fen),
    )
    created = await office.charge_order_create(charge)
    return Order(
        order_no=created.order_no,
        card_no=card.number,
        amount_fen=amount_fen,
        payment_method=UNIONPAY,
        payment_order=paid,
    )


async def _refunded(stage: Stage, office: CardFront, order: Order) -> None:
    until = monotonic() + REFUND_WAIT_S
    while await _state_code(office, order) != REFUNDED:
        if monotonic() > until:
            raise TourFailed(f"order {order.order_no} is not refunded after {REFUND_WAIT_S} s")
        await asyncio.sleep(0.2)
    stage.expect(True, f"the worker asked the payment institution: {await _state(office, order)}")


async def _state_code(office: CardFront, order: Order) -> str:
    wanted = ChargeOrderQuery(card_no=order.card_no, order_no=order.order_no, page_size_text="1", page_text="1")
    page = await office.charge_order_query(wanted)
    return str(page.orders[0].state)


async def _state(office: CardFront, order: Order) -> str:
    code = await _state_code(office, order)
    return f"state {code}, {text_of(ORDER_STATES, code)}"
