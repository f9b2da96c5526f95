"""A top-up: create, authorise, confirm. The verbs every partner's load comes down to.

The order of steps in `authorise` is what keeps every fen: MAC1 is verified, the order is pinned to the card's counter
and committed (6), the keys make MAC2, and MAC2 is committed with the answer's bytes (2) before it leaves the process.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tongka.card import commands
from tongka.card.apdu import Command
from tongka.card.commands import CommandKind
from tongka.card.profiles import CardProfile
from tongka.card.purse import LoadInit, Moment, TransactionType
from tongka.card.script import Script
from tongka.crypto.pboc import Algorithm
from tongka.days import ZONE
from tongka.errors import (
    Busy,
    CardAnswersMissing,
    CardError,
    HsmUnavailable,
    MacWrong,
    Malformed,
    RepeatedWithOtherContents,
    Unsupported,
)
from tongka.journeys import counter, looks, tac
from tongka.journeys.call import Call, Outcome
from tongka.journeys.looks import KnownCard
from tongka.journeys.refusals import (
    AlreadyCharged,
    AmountDiffers,
    AmountNotMultiple,
    AmountTooSmall,
    CardHoldsLess,
    NeedsCardManagement,
    OperationUnknown,
    OrderWithdrawn,
    OverMaximum,
    RepeatedPayment,
)
from tongka.ledger import Account
from tongka.orders import CHARGEABLE, DONE, RELEASED, WITHDRAWN, Event, Kind, Leg, MoveForbidden, State
from tongka.payments import Answer
from tongka.store import orders
from tongka.store.orders import AnotherOpenOrder, MovedMeanwhile, Order, PaymentClaimed
from tongka.system import System

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """What pays for an order that was made before its amount was known; it is drawn as MAC2 is asked for.

    Attributes:
        kind: a top-up, or an unload, which draws nothing and pays out to the same place.
        account: a guarded account of stored value; 0: what the payment method fills.
        note: whatever the audit is to keep of who asked for it.
        payer: sealed personal data of who pays, or is paid.

    """

    amount_fen: int
    payment_method: str
    payment_order: str = ""
    account: int = 0
    kind: Kind = Kind.TOPUP
    note: str = ""
    payer: bytes | None = None

    def columns(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "amount_fen": self.amount_fen,
            "payment_method": self.payment_method,
            "payment_order": self.payment_order,
            "funded_from": self.account,
            "paid": True,
            "customer": self.payer,
        }

    def parts(self, order: Order) -> dict[str, Any]:
        """Of the move that draws it."""
        leg = Leg("single", order.source, Account.ORDERS_IN_HAND)
        drawn = ((leg, self.amount_fen),) if self.kind is Kind.TOPUP else ()
        return {"extra_legs": drawn, "claim": self.payment_order, "detail": self.note}


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
    require_amount_fits(card.profile, ask.amount_fen)
    init = init_commands(card, ask.amount_fen, call.terminal)
    known = await looks.order_paid_by(call, ask.payment_order) if ask.payment_order else None
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
        paid=ask.cash or await is_paid(call, ask.payment_order, ask.amount_fen),
    )
    try:
        return await call.create(order, call.outcome(order=order, commands=init))
    except PaymentClaimed as error:  # it was nobody's a moment ago: the order that it pays for is looked at next
        raise MovedMeanwhile(f"payment {ask.payment_order} was taken by another request; ask again") from error


def init_commands(card: KnownCard, amount_fen: int, terminal: bytes) -> tuple[Command, ...]:
    select = commands.select_purse(card.profile.aid).without_le()
    return (select, commands.init_for_load(amount_fen, terminal).without_le())


def require_amount_fits(profile: CardProfile, amount_fen: int) -> None:
    if amount_fen < profile.topup_min_fen:
        raise AmountTooSmall(f"the smallest top-up is {profile.topup_min_fen} fen")
    if amount_fen % profile.charge_base_fen:
        raise AmountNotMultiple(f"top-ups are multiples of {profile.charge_base_fen} fen")
    if amount_fen > min(profile.topup_max_fen, profile.wallet_max_fen):
        raise OverMaximum(f"the largest top-up is {min(profile.topup_max_fen, profile.wallet_max_fen)} fen")


def _require_same(known: Order, ask: TopUp) -> None:
    """The same payment again.

    Raises:
        MovedMeanwhile: it is being authorised.

    """
    same = (known.kind, known.card_no, known.amount_fen, known.payment_method)
    if same != (Kind.TOPUP, ask.card_no, ask.amount_fen, ask.payment_method):
        raise RepeatedPayment(f"payment {ask.payment_order} pays for order {known.order_no} with other contents")
    if known.state in WITHDRAWN:
        raise OrderWithdrawn(f"order {known.order_no} of this payment was cancelled")
    if known.state in DONE:
        raise AlreadyCharged(f"order {known.order_no} of this payment is on the card")
    if known.state is State.AUTHORISING:
        raise orders.MovedMeanwhile(f"order {known.order_no} is being authorised; ask again")
    if known.state not in WITH_COMMANDS_AGAIN:
        raise NeedsCardManagement(f"order {known.order_no} is in state {known.state.value}; run card management")


async def is_paid(call: Call, payment_order: str, amount_fen: int) -> bool:
    """What the payment institution says of a payment; its no and its silence are refusals."""
    answer = await call.system.payments.paid(call.actor, payment_order, amount_fen)
    if answer is Answer.NO:
        raise AmountDiffers(f"payment {payment_order} was not made with {amount_fen} fen")
    if answer is Answer.UNKNOWN:
        raise Busy("the payment institution does not answer; ask again with the same payment")
    return True


# --- authorise --------------------------------------------------------------------------------------------------------


async def authorise(call: Call, card_no: str, order_no: str, amount_fen: int, script: Callable[[], Script]) -> bytes:
    """Verify the card's MAC1 and answer the CREDIT FOR LOAD that carries MAC2."""
    order = await looks.order_at_hand(call, order_no, card_no, Kind.TOPUP)
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


async def authorise_init(
    call: Call,
    card: KnownCard,
    order: Order,
    init: LoadInit,
    *,
    when: Moment | None = None,
    funding: Funding | None = None,
    other: Order | None = None,
) -> bytes:
    """From the card's INIT on, whichever partner brought it.

    `when` is the moment that a terminal names itself, ours otherwise; `funding` pays for an order that is not paid yet;
    `other` is another open order of the card, where the caller has seen one.
    """
    if order.paid:
        funding = None
    elif funding:
        order = order.changed(**funding.columns())
    require_fits(card, order, init)
    if order.state in RELEASED and _is_answered(order, init, when):
        return await call.answer(_released(call, order), "authorise again")
    await looks.require_trusted(call, card)
    await verify_mac1(call, card, init)
    when = when or Moment.of(call.at.astimezone(ZONE))
    if other and counter.overtaken(other, init):
        await counter.close(call, other)
    if order.state in CHARGEABLE:
        return await _first(call, card, order, init, when, funding=funding)
    if order.state in RELEASED and init.online_atc == order.pin_atc:
        _require_same_balance(order, init)
        return await _rewrite(call, card, order, init, when)
    if order.state is State.AUTHORISING:
        raise orders.MovedMeanwhile(f"order {order.order_no} is being authorised; ask again")
    if counter.overtaken(order, init):
        await counter.close(call, order)
        raise AlreadyCharged(f"order {order.order_no} is on the card, as its counter shows")
    raise NeedsCardManagement(f"a command of order {order.order_no} may be under way; run card management")


def require_fits(card: KnownCard, order: Order, init: LoadInit) -> None:
    if (order.kind is Kind.UNLOAD) != (init.kind is TransactionType.UNLOAD):
        raise RepeatedWithOtherContents(f"order {order.order_no} is another transaction; it stays a {order.kind.value}")
    if init.amount != order.amount_fen:
        raise AmountDiffers(f"INIT FOR LOAD was run with {init.amount} fen, the order has {order.amount_fen}")
    if Algorithm.of_byte(init.algorithm) is not card.profile.algorithm:
        raise CardError(f"the card answers algorithm {init.algorithm:02X}, its type has {card.profile.algorithm.label}")
    if init.balance_after > card.profile.wallet_max_fen:
        raise OverMaximum(f"the card may hold {card.profile.wallet_max_fen} fen and holds {init.balance}")
    if order.kind is Kind.UNLOAD:
        _require_unloadable(card, init)


def _require_unloadable(card: KnownCard, init: LoadInit) -> None:
    if not card.profile.unload_allowed:
        raise Unsupported(f"cards of type {card.profile.name} cannot be unloaded")
    if init.balance_after < 0:
        raise CardHoldsLess(f"the card holds {init.balance} fen")


def _is_answered(order: Order, init: LoadInit, when: Moment | None) -> bool:
    """The same answer of the card came before, for the same moment: the same MAC2 is its answer."""
    same_moment = when is None or when.bytes == order.moment
    return same_moment and (order.init, order.terminal) == (init.answer, init.terminal)


def _released(call: Call, order: Order) -> Outcome:
    return call.outcome(order=order, commands=(Command.parse(order.command or b""),))


async def _first(
    call: Call, card: KnownCard, order: Order, init: LoadInit, when: Moment, *, funding: Funding | None
) -> bytes:
    """1, 3 → 6 → 2."""
    pinned: dict[str, Any] = {
        "pin_atc": init.online_atc,
        "init": init.answer,
        "terminal": init.terminal,
        "attempt": order.attempt + 1,
        "closes_by_counter": order.closes_by_counter or call.closes_by_counter,
    }
    parts: dict[str, Any] = funding.parts(order) if funding else {}
    order = await _authorising(call, order, init, parts | {"changes": pinned | (funding.columns() if funding else {})})
    try:
        mac2 = await call.system.hsm.authorise_load(card.keys(init.key_version), init, when)
    except HsmUnavailable:
        await call.move_on(order, Event.KEYS_FAILED, changes={"pin_atc": None, "attempt": order.attempt + 1})
        raise
    return await _release(call, order, Event.KEYS_ANSWERED, _completion(order, when, mac2))


async def _authorising(call: Call, order: Order, init: LoadInit, parts: dict[str, Any]) -> Order:
    """1, 3 → 6. Another order of the card that this INIT shows to be credited is closed on the way."""
    try:
        return await call.move_on(order, Event.AUTHORISE, **parts)
    except AnotherOpenOrder:
        other = await orders.open_of_card(call.system.database, order.card_no)
        if other is None or not counter.overtaken(other, init):
            raise
        await counter.close(call, other)
    return await call.move_on(order, Event.AUTHORISE, **parts)


async def _rewrite(call: Call, card: KnownCard, order: Order, init: LoadInit, when: Moment) -> bytes:
    """2, 4 → 2 (补写卡): the card shows the pinned counter, so nothing was credited; MAC2 for its new challenge."""
    mac2 = await call.system.hsm.authorise_load(card.keys(init.key_version), init, when)
    anew: dict[str, Any] = {
        "init": init.answer,
        "terminal": init.terminal,
        "attempt": order.attempt + 1,
        "challenge": None,
        "closes_by_counter": order.closes_by_counter or call.closes_by_counter,
    }
    return await _release(call, order, Event.REWRITE, anew | _completion(order, when, mac2))


def _require_same_balance(order: Order, init: LoadInit) -> None:
    """A rewrite matches card, counter, amount and balance.

    At one counter a balance can only fall, by riding: a lower one is for card management, which asks the card itself,
    and a higher one is an answer from before the order's own.
    """
    if init.balance != (given := pinned_init(order).balance):
        raise NeedsCardManagement(
            f"the card held {given} fen when order {order.order_no} got its MAC2, and answers {init.balance} now;"
            " run card management"
        )


def _completion(order: Order, when: Moment, mac2: bytes) -> dict[str, Any]:
    """The columns that hold what is released: the command and its date and time."""
    complete = commands.debit_for_unload if order.kind is Kind.UNLOAD else commands.credit_for_load
    return {"command": bytes(complete(when, mac2).without_le()), "moment": when.bytes}


async def _release(call: Call, order: Order, event: Event, changes: dict[str, Any]) -> bytes:
    """Commit MAC2 together with the answer that carries it; only then do the bytes leave."""
    command = Command.parse(changes["command"])
    return await call.move(order, event, call.outcome(order=order, commands=(command,)), changes=changes)


async def verify_mac1(call: Call, card: KnownCard, init: LoadInit) -> None:
    try:
        await call.system.hsm.verify_load(card.keys(init.key_version), init)
    except MacWrong:
        await looks.count_failure(call, card)
        raise


# --- confirm ----------------------------------------------------------------------------------------------------------


async def confirm(call: Call, card_no: str, order_no: str, amount_fen: int, script: Callable[[], Script]) -> bytes:
    """Take the card's answer to CREDIT FOR LOAD. Only a TAC that verifies makes the order credited."""
    order = await looks.order_at_hand(call, order_no, card_no, Kind.TOPUP)
    looks.require_alive(order)
    looks.require_amount(order, amount_fen)
    card = await looks.known_card(call, card_no)
    if order.command is None or order.state in {State.INITIAL, State.AUTHORISING}:
        raise MoveForbidden(f"order {order_no} has no command under way; send cardChargeRequest first")
    ran = script()
    answer = tac.answer_to(ran, CommandKind.CREDIT_FOR_LOAD)
    if not answer.ok or len(answer.data) != TAC_LEN:
        return await tac.reported_failed(call, order, CommandKind.CREDIT_FOR_LOAD, answer.sw)
    return await _check_tac(call, card, order, answer.data)


async def _check_tac(call: Call, card: KnownCard, order: Order, told: bytes) -> bytes:
    try:
        refused = await tac.refuse_wrong(call, card, order, lambda: verify_tac(call.system, card, order, told))
    except HsmUnavailable:
        if order.state is State.FAILED:
            raise  # it was proved not to be on the card; a word against that is not kept unread
        held = OperationUnknown("the answer is kept and will be verified as soon as the keys answer")
        return await call.move(order, Event.HELD, held, changes={"evidence": told})
    if refused is not None:
        return refused
    return await call.move(order, Event.CREDITED, call.outcome(order=order), changes={"closed_by": "tac"})


async def verify_tac(system: System, card: KnownCard, order: Order, told: bytes) -> None:
    """E+: the TAC over the pinned counter, amount, terminal, and our date and time.

    Raises:
        MacWrong: it does not verify, or may be the TAC of another order's command for the same counter.

    """
    if await counter.is_used_up(system, order):
        raise MacWrong(f"the counter of order {order.order_no} has credited another order")
    init = pinned_init(order)
    moment = Moment((order.moment or b"")[:4], (order.moment or b"")[4:])
    await system.hsm.verify_load_tac(card.keys(init.key_version), init, moment, told)


def pinned_init(order: Order) -> LoadInit:
    kind = TransactionType.UNLOAD if order.kind is Kind.UNLOAD else TransactionType.EP_LOAD
    return LoadInit.parse(order.amount_fen, order.terminal or b"", order.init or b"", kind)
