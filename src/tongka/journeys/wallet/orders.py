"""IF4: an order is taken when it is paid, once, and gets its session; it may be withdrawn until the card has it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tongka.card.files import EnableFlag, File15
from tongka.card.profiles import CardProfile, profile_named
from tongka.errors import Malformed
from tongka.journeys import looks, refund, sale, topup
from tongka.journeys.call import Call
from tongka.journeys.debit import RETURNED
from tongka.journeys.refusals import AmountDiffers, RepeatedPayment
from tongka.journeys.wallet.calls import ask as asked
from tongka.journeys.wallet.calls import quiet_call
from tongka.journeys.wallet.refusals import (
    DeviceUnknown,
    IssuerUnknown,
    NotInDevice,
    NotPaid,
    NotWithdrawable,
    NotYours,
    OrderDiffers,
    WalletOrderUnknown,
)
from tongka.orders import DONE, OPEN, RELEASED, WITHDRAWN, Event, Kind, State
from tongka.payments import OPENING
from tongka.store import cards, elements, orders, wallet
from tongka.store.cards import CardRow
from tongka.store.elements import CardRange
from tongka.store.orders import Order
from tongka.store.wallet import Business, CardPlace, Opening, Standing, WalletCard, WalletOrder
from tongka.system import System

OTHER = "06"
"""Huzhou appendix E: the institution that signs the order vouches for its payment."""
TOPUP_TYPE = "40"
SESSION_BYTES = 16
LOOKS, LOOK_S = 10, 0.1
"""How often another request's order is looked for, and how long after each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What an institution orders.

    Attributes:
        card: the logical card number, in 16 to 20 digits; empty: the device's only card.
        amount_fen: of the top-up; of an opening, of its first one.
        deposit_fen, fee_fen: of an opening, paid with it.
        elements: the chips that it allows; none: all of the device.
        digest: of the order's contents.
        carried: the card of a migration, which was deleted elsewhere.

    """

    business: Business
    server_order_id: str
    issuer_id: str
    device_id: str
    digest: bytes
    card: str = ""
    amount_fen: int = 0
    deposit_fen: int = 0
    fee_fen: int = 0
    holder_type: int | None = None
    elements: tuple[str, ...] = ()
    payment_method: str = OTHER
    carried: bool = False

    @property
    def total_fen(self) -> int:
        return self.amount_fen + self.deposit_fen + self.fee_fen


async def submit(system: System, institution: str, ask: Ask) -> WalletOrder:
    """Take an order; the same one again is the one that was taken.

    Raises:
        OrderDiffers, NotPaid, NotYours, IssuerUnknown, DeviceUnknown, NotInDevice, and what a top-up is refused with.

    """
    known = await wallet.by_server_order(system.database, institution, ask.server_order_id)
    if known is None:
        try:
            return await _accept(system, institution, ask)
        except (wallet.AlreadyAccepted, orders.MovedMeanwhile, orders.PaymentClaimed, RepeatedPayment):
            known = await _accepted_meanwhile(system, institution, ask)
            if known is None:
                raise
    if known.digest != ask.digest:
        raise OrderDiffers(f"order {ask.server_order_id} was submitted before with other contents")
    await wallet.touch(system.database, known.session_id, system.clock())
    return known


async def _accepted_meanwhile(system: System, institution: str, ask: Ask) -> WalletOrder | None:
    """The order as another request has taken it; it claims its payment a moment before it is there."""
    for _ in range(LOOKS):
        known = await wallet.by_server_order(system.database, institution, ask.server_order_id)
        if known is not None:
            return known
        await asyncio.sleep(LOOK_S)
    return None


async def require_possible(system: System, ask: Ask) -> None:
    """Refuse what would be refused once it is paid; nothing is taken.

    Raises:
        IssuerUnknown, DeviceUnknown, NotInDevice, and what a top-up is refused with.

    """
    call = quiet_call(system, "", system.clock())
    numbers = await _numbers(system, ask)
    await _require_device(system, ask)
    if ask.business is Business.OPEN:
        profile = profile_named(numbers.profile)
    else:
        card = await looks.known_card(call, (await _card_in_device(system, ask)).card_no)
        looks.require_usable(card, call, sold=True)
        profile = card.profile
    if ask.amount_fen:
        topup.require_amount_fits(profile, ask.amount_fen)


async def require_open_issuer(system: System, issuer_id: str) -> None:
    """Raises: IssuerUnknown: it gives out no cards, or no more."""
    await _numbers(
        system, Ask(business=Business.OPEN, server_order_id="", issuer_id=issuer_id, device_id="", digest=b"")
    )


async def find(system: System, institution: str, server_order_id: str) -> WalletOrder:
    """An institution's own order.

    Raises:
        WalletOrderUnknown: it has none of that number.

    """
    order = await wallet.by_server_order(system.database, institution, server_order_id)
    if order is None:
        raise WalletOrderUnknown(f"there is no order {server_order_id} of this institution")
    return order


async def find_anybodys(system: System, institution: str, server_order_id: str) -> WalletOrder:
    """An order of that number: the institution's, or the latest if none is named. For trials."""
    order = await wallet.latest_of_number(system.database, institution, server_order_id)
    if order is None:
        raise WalletOrderUnknown(f"there is no order {server_order_id}")
    return order


async def _accept(system: System, institution: str, ask: Ask) -> WalletOrder:
    numbers = await _numbers(system, ask)
    await _require_device(system, ask)
    at = system.clock()
    order = WalletOrder(
        institution=institution,
        server_order_id=ask.server_order_id,
        digest=ask.digest,
        session_id=system.random(SESSION_BYTES).hex(),
        business=ask.business,
        issuer_id=ask.issuer_id,
        device_id=ask.device_id,
        card_no="",
        amount_fen=ask.amount_fen,
        created_at=at,
        contacted_at=at,
        fee_fen=ask.fee_fen,
        holder_type=ask.holder_type,
        elements=ask.elements,
    )
    call = quiet_call(system, institution, at)
    if ask.business is Business.OPEN:
        return await _open(call, ask, order, profile_named(numbers.profile))
    held = await _card_in_device(system, ask)
    if ask.business is not Business.TOPUP and held.institution != institution:
        raise NotYours(f"card {held.card_no} was opened by another institution, which alone may do that")
    order = replace(order, card_no=held.card_no)
    if ask.business is Business.TOPUP:
        order = replace(order, load_no=await _top_up(system, order, ask))
    await wallet.accept(system.database, order)
    return order


async def _numbers(system: System, ask: Ask) -> CardRange:
    numbers = await elements.find_range(system.database, ask.issuer_id)
    if numbers is None:
        raise IssuerUnknown(f"issuerId {ask.issuer_id!r} gives out no cards for phones")
    if numbers.closed and ask.business is Business.OPEN and not ask.carried:
        raise IssuerUnknown(f"issuerId {ask.issuer_id!r} gives out no more cards for phones")
    return numbers


async def _require_device(system: System, ask: Ask) -> None:
    of_device = {one.se_id for one in await elements.elements_of(system.database, ask.device_id)}
    if not of_device or (ask.elements and not of_device & set(ask.elements)):
        raise DeviceUnknown(f"device {ask.device_id!r} has no secure element of ours that the order allows")


async def _card_in_device(system: System, ask: Ask) -> WalletCard:
    """The card that is meant: by its number, of which leading zeros may be missing or added; else the only one."""
    held = await wallet.cards_of_device(system.database, ask.device_id)
    digits = ask.card.lstrip("0")
    fitting = [one for one in held if not digits or one.card_no.lstrip("0") == digits]
    if len(fitting) != 1:
        raise NotInDevice("logicalCardNumber names no card, or not one alone, in this device")
    if fitting[0].issuer_id != ask.issuer_id:
        raise IssuerUnknown(f"card {fitting[0].card_no} is of another issuer than {ask.issuer_id}")
    return fitting[0]


async def _require_paid(call: Call, payment_order: str, amount_fen: int) -> None:
    try:
        await topup.is_paid(call, payment_order, amount_fen)
    except AmountDiffers as error:
        raise NotPaid(str(error)) from error


# --- opening ----------------------------------------------------------------------------------------------------------


async def _open(call: Call, ask: Ask, order: WalletOrder, profile: CardProfile) -> WalletOrder:
    """A number is given out; the card is on our books, not yet sold, with its sale and its first top-up."""
    if ask.total_fen:
        await _require_paid(call, ask.server_order_id, ask.total_fen)
    number = await elements.allot(call.system.database, ask.issuer_id)
    row = _row(call, profile, number)
    if ask.amount_fen:
        topup.require_amount_fits(profile, ask.amount_fen)
    made = [_sale(call, ask, number), *([_first_load(call, ask, number)] if ask.amount_fen else [])]
    loads = [one.order_no for one in made if one.kind is Kind.TOPUP]
    order = replace(order, card_no=number, sale_no=made[0].order_no, load_no=loads[0] if loads else "")
    await wallet.accept(call.system.database, order, Opening(card=row, orders=made))
    return order


def _row(call: Call, profile: CardProfile, number: str) -> CardRow:
    file15 = File15(
        issuer=profile.issuer,
        application_type=0x02,
        enable_flag=EnableFlag.ENABLED,
        asn=profile.asn(number),
        valid_from=call.day,
        valid_to=sale.years_later(call.day, sale.VALID_YEARS),
        private=bytes(2),
    )
    return CardRow(card_no=number, asn=file15.asn, profile=profile.name, key_version=1, file15=file15.build())


def _sale(call: Call, ask: Ask, number: str) -> Order:
    amount = ask.deposit_fen + ask.fee_fen
    payment = ask.server_order_id + OPENING
    order = topup.new_order(call, Kind.SALE, number, amount, ask.payment_method, payment_order=payment, paid=amount > 0)
    return order.changed(reference=order.order_no)


def _first_load(call: Call, ask: Ask, number: str) -> Order:
    return topup.new_order(
        call,
        Kind.TOPUP,
        number,
        ask.amount_fen,
        ask.payment_method,
        payment_order=ask.server_order_id,
        order_type=TOPUP_TYPE,
    )


# --- topping up -------------------------------------------------------------------------------------------------------


async def _top_up(system: System, order: WalletOrder, ask: Ask) -> str:
    """The plastic card's journey: create."""
    if not ask.amount_fen:
        raise Malformed("amount", "is required for a top-up")
    wanted = topup.TopUp(
        card_no=order.card_no,
        amount_fen=ask.amount_fen,
        payment_method=ask.payment_method,
        payment_order=ask.server_order_id,
        order_type=TOPUP_TYPE,
        cash=False,
    )
    try:
        outcome = await asked(system, order.institution, order.created_at, lambda call: topup.create(call, wanted))
    except AmountDiffers as error:
        raise NotPaid(str(error)) from error
    if outcome.order is None:
        raise AssertionError("a top-up that was created has its order")
    return outcome.order.order_no


# --- withdrawing ------------------------------------------------------------------------------------------------------


async def withdraw(system: System, institution: str, server_order_id: str) -> WalletOrder:
    """Give up what has not reached the card, and have it refunded; what was withdrawn stays so.

    Raises:
        NotWithdrawable: a command may be under way; the session goes on first. Or everything is done.

    """
    wanted = await find(system, institution, server_order_id)
    at = system.clock()
    own = [await orders.by_number(system.database, number) for number in (wanted.sale_no, wanted.load_no) if number]
    _require_withdrawable(wanted, [one for one in own if one])
    await _require_not_debited(system, wanted)
    for one in own:
        if one and one.state not in WITHDRAWN | DONE:
            await _withdraw(system, wanted, one, at)
    await wallet.finish(system.database, wanted, Standing.CANCELLED, "withdrawn")
    return await find(system, institution, server_order_id)


def _require_withdrawable(wanted: WalletOrder, own: Sequence[Order]) -> None:
    if wanted.state is Standing.DONE or (own and all(one.state in DONE for one in own)):
        raise NotWithdrawable(f"order {wanted.server_order_id} is done")
    for one in own:
        if one.kind is Kind.TOPUP and one.state in OPEN:
            raise NotWithdrawable(f"the top-up of order {wanted.server_order_id} may be on the card; let the phone say")


async def _require_not_debited(system: System, wanted: WalletOrder) -> None:
    """A deletion that may have emptied the card goes on to its end."""
    if wanted.business is not Business.DELETE:
        return
    row = await cards.find(system.database, wanted.card_no)
    under_way = await orders.open_of_card(system.database, wanted.card_no)
    if (row and row.status == RETURNED) or (under_way and under_way.kind is Kind.RETURN):
        raise NotWithdrawable(f"the card of order {wanted.server_order_id} may be debited; let the phone say")


async def _withdraw(system: System, wanted: WalletOrder, order: Order, at: datetime) -> None:
    """To a refund, or closed if nothing was paid. An opening's card is given up with it.

    A card that may stand in the element holds nothing and is never loaded from now on.
    """
    call = quiet_call(system, wanted.institution, at)
    if order.state is State.AUTHORISING:
        order = await call.move_on(order, Event.KEYS_FAILED, changes={"attempt": order.attempt + 1})
    if order.state in RELEASED:
        order = await call.move_on(order, Event.MANAGED_NOT_CREDITED)
    await refund.withdraw(call, order)
    if order.kind is Kind.SALE:
        await cards.set_status(system.database, order.card_no, RETURNED)
        await wallet.place_card(system.database, order.card_no, CardPlace.GONE, "")
