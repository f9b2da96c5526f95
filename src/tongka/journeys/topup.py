"""A top-up: create, authorise, confirm. The verbs every partner's load comes down to.

The order of steps in `authorise` is what keeps every fen: MAC1 is verified, the order is pinned to the card's counter
and committed (6), the keys make MAC2, and MAC2 is committed with the answer's bytes (2) before it leaves the process.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tongka.card import commands
from tongka.card.apdu import Command
from tongka.card.commands import CommandKind
from tongka.card.purse import LoadInit, Moment
from tongka.card.script import Script
from tongka.crypto.pboc import Algorithm
from tongka.days import ZONE
from tongka.errors import Busy, CardAnswersMissing, CardError, HsmUnavailable, MacWrong, Malformed
from tongka.journeys import looks
from tongka.journeys.call import Call, Outcome
from tongka.journeys.looks import KnownCard
from tongka.journeys.refusals import (
    AlreadyCharged,
    AmountDiffers,
    AmountNotMultiple,
    AmountTooSmall,
    CardReportedError,
    NeedsCardManagement,
    OperationUnknown,
    OrderWithdrawn,
    OverMaximum,
    RepeatedPayment,
    TacWrong,
)
from tongka.orders import CHARGEABLE, DONE, WITHDRAWN, Event, Kind, MoveForbidden, State
from tongka.payments import Answer
from tongka.store import orders
from tongka.store.orders import Order

WITH_COMMANDS_AGAIN = (*CHARGEABLE, State.AUTHORISED, State.UNKNOWN)
TAC_LEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """What is ordered."""

    card_no: str
    amount_fen: int
    payment_method: str
    payment_order: str
    order_type: str
    cash: bool


def new_order(call: Call, kind: Kind, card_no: str, amount_fen: int, payment_method: str, **more: object) -> Order:
    """A fresh order in its first state; its number is the moment and ten random digits."""
    number = f"{call.at.astimezone(ZONE):%Y%m%d%H%M%S}{int.from_bytes(call.system.random(8), 'big') % 10**10:010d}"
    parts: dict[str, object] = {"payment_order": "", "order_type": "", "paid": True, **more}
    return Order(
        card_no=card_no,
        order_no=number,
        kind=kind,
        state=State.INITIAL,
        institution=call.actor,
        payment_method=payment_method,
        channel=call.channel,
        amount_fen=amount_fen,
        created_at=call.at,
        moved_at=call.at,
        settlement_date=call.day,
        **parts,  # type: ignore[arg-type]
    )


# --- create -----------------------------------------------------------------------------------------------------------


async def create(call: Call, ask: TopUp) -> bytes:
    """Take a paid order and answer the commands to run: SELECT and INIT FOR LOAD.

    The same payment with the same contents gets the same order again, with fresh commands.
    """
    if not ask.payment_order and not ask.cash:
        raise Malformed("payorderno", "is required unless the payment is in cash")
    card = await looks.known_card(call, ask.card_no)
    looks.require_usable(card, call, sold=True)
    _require_amount_fits(card, ask.amount_fen)
    init = init_commands(card, ask.amount_fen, call.terminal)
    known = await orders.by_payment(call.system.database, call.actor, ask.payment_order) if ask.payment_order else None
    if known:
        _require_same(known, ask)
        return await call.answer(call.outcome(order=known, commands=init), "create again")
    order = new_order(
        call,
        Kind.TOPUP,
        ask.card_no,
        ask.amount_fen,
        ask.payment_method,
        payment_order=ask.payment_order,
        order_type=ask.order_type,
        paid=ask.cash or await _is_paid(call, ask),
    )
    return await call.create(order, call.outcome(order=order, commands=init))


def init_commands(card: KnownCard, amount_fen: int, terminal: bytes) -> tuple[Command, ...]:
    select = commands.select_purse(card.profile.aid).without_le()
    return (select, commands.init_for_load(amount_fen, terminal).without_le())


def _require_amount_fits(card: KnownCard, amount_fen: int) -> None:
    profile = card.profile
    if amount_fen < profile.topup_min_fen:
        raise AmountTooSmall(f"the smallest top-up is {profile.topup_min_fen} fen")
    if amount_fen % profile.charge_base_fen:
        raise AmountNotMultiple(f"top-ups are multiples of {profile.charge_base_fen} fen")
    if amount_fen > min(profile.topup_max_fen, profile.wallet_max_fen):
        raise OverMaximum(f"the largest top-up is {min(profile.topup_max_fen, profile.wallet_max_fen)} fen")


def _require_same(known: Order, ask: TopUp) -> None:
    same = (known.kind, known.card_no, known.amount_fen, known.payment_method)
    if same != (Kind.TOPUP, ask.card_no, ask.amount_fen, ask.payment_method):
        raise RepeatedPayment(f"payment {ask.payment_order} pays for order {known.order_no} with other contents")
    if known.state in WITHDRAWN:
        raise OrderWithdrawn(f"order {known.order_no} of this payment was cancelled")
    if known.state in DONE:
        raise AlreadyCharged(f"order {known.order_no} of this payment is on the card")
    if known.state not in WITH_COMMANDS_AGAIN:
        raise NeedsCardManagement(f"order {known.order_no} is in state {known.state.value}; run card management")


async def _is_paid(call: Call, ask: TopUp) -> bool:
    answer = await call.system.payments.paid(call.actor, ask.payment_order, ask.amount_fen)
    if answer is Answer.NO:
        raise AmountDiffers(f"payment {ask.payment_order} was not made with {ask.amount_fen} fen")
    if answer is Answer.UNKNOWN:
        raise Busy("the payment institution does not answer; ask again with the same payment")
    return True


# --- authorise --------------------------------------------------------------------------------------------------------


async def authorise(call: Call, card_no: str, order_no: str, amount_fen: int, script: Callable[[], Script]) -> bytes:
    """Verify the card's MAC1 and answer the CREDIT FOR LOAD that carries MAC2."""
    order = await looks.own_order(call, order_no, card_no, Kind.TOPUP)
    looks.require_alive(order)
    looks.require_amount(order, amount_fen)
    card = await looks.known_card(call, card_no)
    looks.require_usable(card, call, sold=True)
    ran = script()
    looks.require_all_ok(ran)
    reading = looks.read_same_card(ran, card)
    if reading.init is None:
        raise CardAnswersMissing("the answer to INIT FOR LOAD is missing; run the commands of the order first")
    return await authorise_init(call, card, order, reading.init)


async def authorise_init(call: Call, card: KnownCard, order: Order, init: LoadInit) -> bytes:
    """From the card's INIT on, whichever partner brought it."""
    _require_fits(card, order, init)
    if order.state in {State.AUTHORISED, State.UNKNOWN} and _same_init(order, init):
        return await call.answer(_released(call, order), "authorise again")
    await looks.require_trusted(call, card)
    if order.state in CHARGEABLE:
        return await _first(call, card, order, init)
    if order.state in {State.AUTHORISED, State.UNKNOWN} and init.online_atc == order.pin_atc:
        return await _rewrite(call, card, order, init)
    if order.state is State.AUTHORISING:
        raise Busy(f"order {order.order_no} is being authorised; ask again")
    raise NeedsCardManagement(f"a command of order {order.order_no} may be under way; run card management")


def _require_fits(card: KnownCard, order: Order, init: LoadInit) -> None:
    if init.amount != order.amount_fen:
        raise AmountDiffers(f"INIT FOR LOAD was run with {init.amount} fen, the order has {order.amount_fen}")
    if Algorithm.of_byte(init.algorithm) is not card.profile.algorithm:
        raise CardError(f"the card answers algorithm {init.algorithm:02X}, its type has {card.profile.algorithm.label}")
    if init.balance + init.amount > card.profile.wallet_max_fen:
        raise OverMaximum(f"the card may hold {card.profile.wallet_max_fen} fen and holds {init.balance}")


def _same_init(order: Order, init: LoadInit) -> bool:
    return (order.init, order.terminal) == (init.answer, init.terminal)


def _released(call: Call, order: Order) -> Outcome:
    return call.outcome(order=order, commands=(Command.parse(order.command or b""),))


async def _first(call: Call, card: KnownCard, order: Order, init: LoadInit) -> bytes:
    """1, 3 → 6 → 2."""
    keys = card.keys(init.key_version)
    await _verify_mac1(call, card, init)
    pinned = {"pin_atc": init.online_atc, "init": init.answer, "terminal": init.terminal, "attempt": order.attempt + 1}
    order = await call.move_on(order, Event.AUTHORISE, changes=pinned)
    when = Moment.of(call.at.astimezone(ZONE))
    try:
        mac2 = await call.system.hsm.authorise_load(keys, init, when)
    except HsmUnavailable:
        await call.move_on(order, Event.KEYS_FAILED, changes={"pin_atc": None, "attempt": order.attempt + 1})
        raise
    return await _release(call, order, Event.KEYS_ANSWERED, _credit(when, mac2))


async def _rewrite(call: Call, card: KnownCard, order: Order, init: LoadInit) -> bytes:
    """2, 4 → 2 (补写卡): the card shows the pinned counter, so nothing was credited; MAC2 for its new challenge."""
    await _verify_mac1(call, card, init)
    when = Moment.of(call.at.astimezone(ZONE))
    mac2 = await call.system.hsm.authorise_load(card.keys(init.key_version), init, when)
    anew = {"init": init.answer, "terminal": init.terminal, "attempt": order.attempt + 1, "challenge": None}
    return await _release(call, order, Event.REWRITE, anew | _credit(when, mac2))


def _credit(when: Moment, mac2: bytes) -> dict[str, object]:
    """The columns that hold what is released: the command and its date and time."""
    return {"command": bytes(commands.credit_for_load(when, mac2).without_le()), "moment": when.bytes}


async def _release(call: Call, order: Order, event: Event, changes: dict[str, object]) -> bytes:
    """Commit MAC2 together with the answer that carries it; only then do the bytes leave."""
    credit = Command.parse(changes["command"])  # type: ignore[arg-type]
    return await call.move(order, event, call.outcome(order=order, commands=(credit,)), changes=changes)


async def _verify_mac1(call: Call, card: KnownCard, init: LoadInit) -> None:
    try:
        await call.system.hsm.verify_load(card.keys(init.key_version), init)
    except MacWrong as error:
        await looks.count_failure(call, card, error)
        raise


# --- confirm ----------------------------------------------------------------------------------------------------------


async def confirm(call: Call, card_no: str, order_no: str, amount_fen: int, script: Callable[[], Script]) -> bytes:
    """Take the card's answer to CREDIT FOR LOAD. Only a TAC that verifies makes the order credited."""
    order = await looks.own_order(call, order_no, card_no, Kind.TOPUP)
    looks.require_alive(order)
    looks.require_amount(order, amount_fen)
    card = await looks.known_card(call, card_no)
    if order.command is None or order.state in {State.INITIAL, State.AUTHORISING}:
        raise MoveForbidden(f"order {order_no} has no command under way; send cardChargeRequest first")
    ran = script()
    answer = looks.answer_to(ran, CommandKind.CREDIT_FOR_LOAD)
    if answer is None:
        raise CardAnswersMissing("the answer to CREDIT FOR LOAD is missing")
    if not answer.ok or len(answer.data) != TAC_LEN:
        return await _reported_failed(call, order, answer.sw)
    return await _check_tac(call, card, order, answer.data)


async def _reported_failed(call: Call, order: Order, sw: int) -> bytes:
    """A status word is a hint for people: the result is unknown until the card itself vouches."""
    error = CardReportedError(f"CREDIT FOR LOAD answered {sw:04X}; run card management")
    if order.state in {State.AUTHORISED, State.UNKNOWN}:
        return await call.move(order, Event.REPORTED_FAILED, error, detail=f"{sw:04X}")
    raise error


async def _check_tac(call: Call, card: KnownCard, order: Order, tac: bytes) -> bytes:
    await looks.require_trusted(call, card)
    try:
        await verify_tac(call, card, order, tac)
    except MacWrong as error:
        await looks.count_failure(call, card, error)
        wrong = TacWrong("the TAC does not verify; run card management")
        if order.state in {State.AUTHORISED, State.UNKNOWN}:
            return await call.move(order, Event.TAC_WRONG, wrong, detail="ALARM: TAC wrong")
        raise wrong from error
    except HsmUnavailable:
        held = OperationUnknown("the answer is kept and will be verified as soon as the keys answer")
        return await call.move(order, Event.HELD, held, changes={"evidence": tac})
    return await call.move(order, Event.CREDITED, call.outcome(order=order), changes={"closed_by": "tac"})


async def verify_tac(call: Call, card: KnownCard, order: Order, tac: bytes) -> None:
    """E+: the TAC over the pinned counter, amount, terminal, and our date and time."""
    init = pinned_init(order)
    moment = Moment((order.moment or b"")[:4], (order.moment or b"")[4:])
    await call.system.hsm.verify_load_tac(card.keys(init.key_version), init, moment, tac)


def pinned_init(order: Order) -> LoadInit:
    return LoadInit.parse(order.amount_fen, order.terminal or b"", order.init or b"")
