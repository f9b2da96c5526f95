"""Selling (activating) a card: write file 15 with the enable flag and the dates, take the deposit.

A card vouches for nothing here: UPDATE BINARY answers a bare status word. So the terminal's word stands, and its price
is small: a sale that is reported failed, or not at all, is repeated with a fresh challenge under the same order.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from tongka.card import appendix_c, commands
from tongka.card.apdu import Command
from tongka.card.commands import CommandKind
from tongka.card.files import EnableFlag, File15
from tongka.card.script import Script
from tongka.errors import CardAnswersMissing, Malformed
from tongka.journeys import looks
from tongka.journeys.call import Call
from tongka.journeys.looks import KnownCard
from tongka.journeys.refusals import CardReportedError, NeedsCardManagement, OperationFailed, OrderNotFound
from tongka.journeys.topup import new_order
from tongka.orders import CHARGEABLE, Event, Kind, MoveForbidden, State
from tongka.store import orders
from tongka.store.orders import Order

ANSWERED = tuple(appendix_c.command(index) for index in ("IDX_0002", "IDX_0004", "IDX_1001"))
"""The commands whose answers a sale request brings, in this order (Huzhou 4.10)."""

VALID_YEARS = 10
SFI_15 = 0x15


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """What is asked for; `customer` is sealed personal data of a real-name card, or None."""

    card_no: str
    payment_method: str
    payment_order: str
    cash: bool
    customer: bytes | None


async def request(call: Call, ask: Sale, script: Callable[[], Script]) -> bytes:
    """Answer the secured UPDATE BINARY that enables the card."""
    if not ask.payment_order and not ask.cash:
        raise Malformed("payorderno", "is required unless the payment is in cash")
    card = await looks.known_card(call, ask.card_no)
    looks.require_usable(card, call, sold=False)
    answers = script()
    looks.require_all_ok(answers)
    file15 = looks.read_same_card(answers, card).file15
    challenge = looks.answer_to(answers, CommandKind.GET_CHALLENGE)
    if challenge is None:
        raise CardAnswersMissing("the answer to GET CHALLENGE is missing")
    update = await _update(call, card, file15, challenge.data)
    order = await _order(call, card, ask)
    if order.state in CHARGEABLE:
        order = await call.move_on(order, Event.AUTHORISE, changes={"attempt": order.attempt + 1})
    again = order.state is not State.AUTHORISING
    event = Event.REWRITE if again else Event.KEYS_ANSWERED
    changes = {"command": bytes(update), "attempt": order.attempt + 1}
    return await call.move(order, event, call.outcome(order=order, commands=(update,)), changes=changes)


async def _order(call: Call, card: KnownCard, ask: Sale) -> Order:
    """The sale's order, new or not yet finished."""
    known = await orders.unfinished(call.system.database, ask.card_no, Kind.SALE)
    if known is not None:
        if known.institution != call.actor:
            raise NeedsCardManagement(f"another institution is selling card {ask.card_no}")
        return known
    order = new_order(
        call,
        Kind.SALE,
        ask.card_no,
        card.profile.deposit_fen,
        ask.payment_method,
        payment_order=ask.payment_order,
        customer=ask.customer,
    )
    order = order.changed(reference=order.order_no)
    await orders.create(call.system.database, order, call.actor)
    return order


async def _update(call: Call, card: KnownCard, file15: File15, challenge: bytes) -> Command:
    today = call.day
    written = replace(
        file15, enable_flag=EnableFlag.ENABLED, valid_from=today, valid_to=years_later(today, VALID_YEARS)
    ).build()
    message = commands.update_binary_header(SFI_15, 0, written)
    mac = await call.system.hsm.secure_mac(card.keys(), challenge, message)
    return commands.update_binary_mac(SFI_15, 0, written, mac)


def years_later(day: date, years: int) -> date:
    """The same day, years on; 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


async def confirm(
    call: Call, card_no: str, order_no: str, reference: str, script: Callable[[tuple[Command, ...]], Script] | None
) -> bytes:
    """The terminal's report; `script` is None where it says that the card was not written."""
    order = await looks.own_order(call, order_no, card_no, Kind.SALE)
    looks.require_alive(order)
    if order.reference != reference or order.command is None:
        raise OrderNotFound(f"order {order_no} has another refnum")
    if order.state not in {State.AUTHORISED, State.UNKNOWN}:
        raise MoveForbidden(f"order {order_no} has no command under way; send cardSaleRequest first")
    if script is None:
        failed = OperationFailed("the card was not written; ask for a sale again")
        return await call.move(order, Event.REPORTED_FAILED, failed)
    update = Command.parse(order.command)
    answer = looks.answer_to(script((update,)), CommandKind.UPDATE_BINARY_MAC)
    if answer is None or not answer.ok:
        said = CardReportedError(f"UPDATE BINARY answered {answer.sw:04X}" if answer else "UPDATE BINARY was not run")
        return await call.move(order, Event.REPORTED_FAILED, said)
    return await call.move(
        order,
        Event.CREDITED,
        call.outcome(order=order, detail=order.amount_fen),
        changes={"closed_by": "terminal"},
        card=_sold(order, update, call.day),
    )


def _sold(order: Order, update: Command, today: date) -> dict[str, object]:
    written = update.data[: File15.LENGTH]
    return {
        "enabled": True,
        "sold_on": today,
        "valid_to": File15.parse(written).valid_to,
        "deposit_fen": order.amount_fen,
        "customer": order.customer,
    }
