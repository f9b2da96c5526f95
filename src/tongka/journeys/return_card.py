"""Returning a card (退卡): a good one is emptied by a debit, a bad one is paid by the books after a waiting period."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tongka.card import commands
from tongka.card.apdu import Command
from tongka.card.commands import CommandKind
from tongka.card.purse import Moment, PurchaseInit
from tongka.card.script import Script
from tongka.days import ZONE
from tongka.errors import CardAnswersMissing, HsmUnavailable, Malformed
from tongka.journeys import looks, tac
from tongka.journeys.call import Call
from tongka.journeys.debit import payout, verify_debit
from tongka.journeys.looks import KnownCard
from tongka.journeys.refusals import (
    NeedsCardManagement,
    OrderNotFound,
    TooEarly,
)
from tongka.journeys.topup import new_order
from tongka.orders import CHARGEABLE, RELEASED, Event, Kind, MoveForbidden, State
from tongka.settings_city import City
from tongka.store import ledger, orders
from tongka.store.orders import Order

CASH = "01"
GOOD, BAD = "0", "1"
LOST = "03"
DEBIT_ANSWER_LEN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What is asked for; `balance_fen` is what the terminal read, where it says so."""

    card_no: str
    return_type: str
    balance_fen: int | None
    customer: bytes | None
    payment_method: str = CASH


async def apply(call: Call, ask: Return, script: Callable[[], Script]) -> bytes:
    """A good card: answer the DEBIT of its whole balance. A bad card: note the claim."""
    card = await looks.known_card(call, ask.card_no)
    if ask.return_type == BAD and (claimed := await _claimed(call, ask)):
        return await call.answer(call.outcome(order=claimed, detail=claimed.amount_fen), "return again")
    looks.require_usable(card, call, sold=True)
    if ask.return_type == BAD:
        return await _claim(call, ask)
    answers = script()
    looks.require_all_ok(answers)
    looks.read_same_card(answers, card)
    init = _purchase_init(answers)
    if ask.balance_fen is not None and ask.balance_fen != init.balance:
        raise Malformed("cardbal", f"the card answers a balance of {init.balance} fen")
    if init.amount != init.balance:
        raise Malformed("apdulist", f"INIT FOR PURCHASE must be run with the whole balance, {init.balance} fen")
    return await _debit(call, card, ask, init)


def _purchase_init(answers: Script) -> PurchaseInit:
    for command, answer in reversed(answers):
        if commands.classify(command) is CommandKind.INIT_FOR_PURCHASE:
            asked = commands.InitData.parse(command)
            return PurchaseInit.parse(asked.amount, asked.terminal, answer.data)
    raise CardAnswersMissing("the answer to INIT FOR PURCHASE is missing")


async def _debit(call: Call, card: KnownCard, ask: Return, init: PurchaseInit) -> bytes:
    """1 → 6 → 2, or again from 2 and 4 for the same balance and counter.

    The card's same answer gets the same command: it would run either of two, and only one's TAC would be known.
    """
    order = await _order(call, ask, init)
    if order.state in RELEASED and (order.init, order.terminal) == (init.answer, init.terminal):
        released = Command.parse(order.command or b"")
        return await call.answer(
            call.outcome(order=order, commands=(released,), detail=order.amount_fen), "return again"
        )
    serial = call.system.random(4)
    when = Moment.of(call.at.astimezone(ZONE))
    if order.state in CHARGEABLE:
        pinned = {"pin_atc": init.offline_atc, "attempt": order.attempt + 1}
        order = await call.move_on(order, Event.AUTHORISE, changes=pinned)
    again = order.state is not State.AUTHORISING
    mac1 = await call.system.hsm.authorise_purchase(card.keys(init.key_version), init, serial, when)
    debit = commands.debit_for_purchase(serial, when, mac1).without_le()
    changes = {
        "command": bytes(debit),
        "init": init.answer,
        "terminal": init.terminal,
        "moment": when.bytes,
        "attempt": order.attempt + 1,
    }
    event = Event.REWRITE if again else Event.KEYS_ANSWERED
    outcome = call.outcome(order=order, commands=(debit,), detail=order.amount_fen)
    return await call.move(order, event, outcome, changes=changes)


async def _order(call: Call, ask: Return, init: PurchaseInit) -> Order:
    """The return's order: new, or the one that was broken off, if it is of the same balance and counter."""
    known = await orders.unfinished(call.system.database, ask.card_no, Kind.RETURN)
    if known is not None and known.institution == call.actor and _is_of(known, init):
        return known
    if known is not None and known.state not in CHARGEABLE:
        raise NeedsCardManagement(f"a command of order {known.order_no} may be under way; run card management")
    if known is not None:  # no command was released; what the card holds has changed since
        await call.move_on(known, Event.CANCEL_UNPAID)
    order = _new(call, ask, init.balance)
    await orders.create(call.system.database, order, call.actor)
    return order


def _is_of(order: Order, init: PurchaseInit) -> bool:
    return order.amount_fen == init.balance and order.pin_atc in {None, init.offline_atc}


def _new(call: Call, ask: Return, amount_fen: int) -> Order:
    order = new_order(call, Kind.RETURN, ask.card_no, amount_fen, ask.payment_method, customer=ask.customer)
    return order.changed(reference=order.order_no, return_type=ask.return_type)


async def _claimed(call: Call, ask: Return) -> Order | None:
    """The caller's claim for this card that is waiting already: its answer may have been lost."""
    known = await orders.unfinished(call.system.database, ask.card_no, Kind.RETURN)
    return known if known and (known.institution, known.return_type) == (call.actor, BAD) else None


async def _claim(call: Call, ask: Return) -> bytes:
    """A bad card cannot say what it holds; the books do. It is blocked from now on."""
    known = await orders.open_of_card(call.system.database, ask.card_no)
    if known is not None:
        raise NeedsCardManagement(f"order {known.order_no} of this card is undecided; a clerk has to look at it first")
    begun = await orders.unfinished(call.system.database, ask.card_no, Kind.RETURN)
    if begun is not None:  # as a good card's, and broken off before a command was released
        await call.move_on(begun, Event.CANCEL_UNPAID)
    order = await new_claim(call, ask)
    return await call.create(order, call.outcome(order=order, detail=order.amount_fen), card_status=LOST)


async def new_claim(call: Call, ask: Return) -> Order:
    """A claim to what the books have now."""
    return _new(call, ask, max(0, await ledger.card_balance(call.system.database, ask.card_no)))


async def confirm(
    call: Call, card_no: str, order_no: str, reference: str, script: Callable[[tuple[Command, ...]], Script]
) -> bytes:
    """A good card's TAC, or the end of a bad card's waiting period, pays the balance and the deposit out."""
    order = await looks.own_order(call, order_no, card_no, Kind.RETURN)
    looks.require_alive(order)
    if order.reference != reference:
        raise OrderNotFound(f"order {order_no} has another refnum")
    card = await looks.known_card(call, card_no)
    if order.return_type == BAD:
        return await _pay_claim(call, card, order)
    if order.command is None or order.state in {State.INITIAL, State.AUTHORISING, State.FAILED}:
        raise MoveForbidden(f"order {order_no} has no command under way; send cardReturnApply first")
    answer = tac.answer_to(script((Command.parse(order.command),)), CommandKind.DEBIT_FOR_PURCHASE)
    if not answer.ok or len(answer.data) != DEBIT_ANSWER_LEN:
        return await tac.reported_failed(call, order, CommandKind.DEBIT_FOR_PURCHASE, answer.sw)
    return await _check_tac(call, card, order, answer.data[:4])


async def _check_tac(call: Call, card: KnownCard, order: Order, told: bytes) -> bytes:
    try:
        refused = await tac.refuse_wrong(call, card, order, lambda: verify_debit(call, card, order, told))
    except HsmUnavailable as error:
        raise HsmUnavailable("the keys do not answer; send the same confirm again") from error
    if refused is not None:
        return refused
    return await _pay(call, card, order, Event.CREDITED, "tac")


def due_at(city: City, claimed_at: datetime) -> datetime:
    """When the waiting period of a bad card is over: all its rides are cleared by then."""
    return claimed_at + timedelta(days=city.bad_card_wait_days)


async def _pay_claim(call: Call, card: KnownCard, order: Order) -> bytes:
    due = due_at(call.system.settings.city, order.created_at)
    if call.at < due:
        raise TooEarly(f"a bad card is paid out from {due.astimezone(ZONE):%Y-%m-%d} on")
    return await _pay(call, card, order, Event.WAITED, "books")


async def _pay(call: Call, card: KnownCard, order: Order, event: Event, closed_by: str) -> bytes:
    """The balance leaves the float with the order's own transfer; the deposit joins it, and both are paid out."""
    changes = {"closed_by": closed_by}
    return await call.move(
        order, event, call.outcome(order=order), changes=changes, **payout(card.row.deposit_fen, order)
    )
