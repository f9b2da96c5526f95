"""Riders' orders: made under an idempotency key, submitted to the SP TSM when paid, followed, refunded."""

import hashlib
from dataclasses import dataclass, replace

import msgspec

from tongka.errors import Malformed, Refused
from tongka.journeys.app.refusals import (
    AppCardUnknown,
    AppOrderUnknown,
    DeviceTaken,
    KeyUsedOtherwise,
    NotRefundable,
    ProductUnknown,
    ResultStands,
)
from tongka.journeys.debit import RETURNED
from tongka.journeys.refusals import CardStateWrong
from tongka.journeys.return_card import LOST
from tongka.journeys.wallet import orders as tsm
from tongka.journeys.wallet.refusals import DeviceUnknown, NotWithdrawable, WalletOrderUnknown
from tongka.payments import CARRIED_IN, CARRIED_OUT, OURS
from tongka.store import app, elements, orders, pay, payouts, wallet
from tongka.store.app import AppCard, AppOrder, AppState, Product
from tongka.store.payouts import Payout, PayoutState
from tongka.store.wallet import FINAL, Business, CardPlace, WalletOrder
from tongka.store.wallet import Standing as CardSide
from tongka.system import System

MIGRATE = "MIGRATE"
PAID_FOR = frozenset({Business.OPEN.value, Business.TOPUP.value})
REFUNDABLE_RESULTS = frozenset({"1010210301", "1010210302", "1010210403"})
"""The wallet has refused to add or to recharge: nothing has happened on the card, if the card says so too."""
IN_PHONE = frozenset({CardPlace.LIVE.value, CardPlace.LOCKED.value})
UNKNOWN_RESULT = "19"
"""How the codes of results end that are unknown until the card was asked."""
NEEDS_UNLOCKED = frozenset({Business.TOPUP.value, Business.UPDATE.value, Business.DELETE.value, MIGRATE})
ENDS_A_CARD = frozenset({Business.DELETE.value, MIGRATE})
METHODS = {"alipay": "03", "wechat": "04"}
"""Acquirers by Huzhou's appendix E; others are 06."""
NUMBER_BYTES = 16
BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a rider asks for."""

    business: str
    device_id: str
    issuer_id: str = ""
    card_no: str = ""
    amount_fen: int = 0
    to_device: str = ""
    holder_type: int | None = None

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(msgspec.json.encode(self)).digest()


@dataclass(frozen=True, slots=True)
class Standing:
    """An order with the card's side of it, where it has come so far."""

    order: AppOrder
    at_tsm: tuple[WalletOrder, ...]
    money: tuple[str, ...]
    """The states of its orders at the card's side that have money (Huzhou appendix G)."""
    paid_back_fen: int = 0
    """Of a deletion that is done: balance and deposit."""
    payout: Payout | None = None
    """How they go back; None where there is nothing, or a migration has it."""


async def create(system: System, user_id: str, key: str, wish: Wish) -> AppOrder:
    """A new order, or the one that this key has made; what costs nothing is submitted at once.

    Raises:
        KeyUsedOtherwise, ProductUnknown, AppCardUnknown, Malformed; and what the SP TSM refuses with.

    """
    known = await app.by_request(system.database, user_id, key)
    if known is None:
        try:
            known = await _create(system, user_id, key, wish)
        except app.AppRequestRepeated:
            known = await app.by_request(system.database, user_id, key)
    if known is None or known.digest != wish.digest:
        raise KeyUsedOtherwise("the idempotency key was used before with other contents")
    return known


async def _create(system: System, user_id: str, key: str, wish: Wish) -> AppOrder:
    at = system.clock()
    order = AppOrder(
        order_no=system.random(NUMBER_BYTES).hex(),
        user_id=user_id,
        request_key=key,
        digest=wish.digest,
        business=wish.business,
        issuer_id=wish.issuer_id,
        device_id=wish.device_id,
        created_at=at,
        moved_at=at,
        to_device=wish.to_device,
        card_no=wish.card_no,
        amount_fen=wish.amount_fen,
        holder_type=wish.holder_type,
    )
    if wish.business == Business.OPEN:
        product = await _product(system, wish.issuer_id)
        order = replace(order, deposit_fen=product.deposit_fen, fee_fen=product.fee_fen)
    else:
        order = await _of_own_card(system, order)
    _require_amount(order)
    if order.business in PAID_FOR:
        await tsm.require_possible(system, _ask(order, tsm.OTHER))
    if order.to_device:
        await _require_room(system, order.to_device)
        await tsm.require_open_issuer(system, order.issuer_id)
    if order.business == Business.OPEN and order.total_fen == 0:
        order = replace(order, state=AppState.PAID)  # nothing to pay
    elif order.business not in PAID_FOR:
        order = replace(order, state=AppState.PAID)
    await app.create(system.database, order)
    return await submit(system, order) if order.state is AppState.PAID else order


def _require_amount(order: AppOrder) -> None:
    if order.business == Business.TOPUP and not order.amount_fen:
        raise Malformed("amount_fen", "is required for a top-up")
    if order.business not in PAID_FOR and order.amount_fen:
        raise Malformed("amount_fen", f"belongs to no {order.business}")
    if (order.business == MIGRATE) != bool(order.to_device):
        raise Malformed("to_device_id", "is required for a migration, and belongs to nothing else")


async def _require_room(system: System, device_id: str) -> None:
    """A card is not deleted here when it is plain that it can't be opened there."""
    if not await elements.elements_of(system.database, device_id):
        raise DeviceUnknown(f"to_device_id: {device_id} has no secure element of ours")
    if await wallet.cards_of_device(system.database, device_id):
        raise DeviceTaken(f"to_device_id: {device_id} has a card already")


async def _product(system: System, issuer_id: str) -> Product:
    found = next((one for one in await app.products(system.database) if one.issuer_id == issuer_id), None)
    if found is None:
        raise ProductUnknown(f"issuer {issuer_id!r} offers no card")
    return found


async def _of_own_card(system: System, order: AppOrder) -> AppOrder:
    """Only the rider who opened a card orders something with it."""
    card = await own_card(system, order.user_id, order.card_no)
    _require_in_hand(card, order.business)
    if order.business in NEEDS_UNLOCKED and card.status != RETURNED and card.place == CardPlace.LOCKED:
        raise CardStateWrong(f"card {card.card_no} is locked; unlock it first")
    return replace(order, issuer_id=card.issuer_id, device_id=card.device_id)


def _require_in_hand(card: AppCard, business: str) -> None:
    """A lost card is only blocked; of one that was paid out only the instance is left, to be deleted."""
    if card.status == LOST and business != Business.LOCK:
        raise CardStateWrong(f"card {card.card_no} was reported lost; take the report back first, if it is found")
    if card.status == RETURNED and business != Business.DELETE:
        raise CardStateWrong(f"card {card.card_no} was paid out; only its deletion is left")


async def own_card(system: System, user_id: str, card_no: str, places: frozenset[str] = IN_PHONE) -> AppCard:
    """A rider's card that is in a phone, or wherever else `places` says.

    Raises:
        AppCardUnknown: there is none, or it is another rider's.

    """
    held = await app.cards_of(system.database, user_id, OURS)
    found = next((one for one in held if one.card_no == card_no and one.place in places), None)
    if found is None:
        raise AppCardUnknown(f"you have no card {card_no} in a phone")
    return found


# --- to the SP TSM ----------------------------------------------------------------------------------------------------


async def submit(system: System, order: AppOrder) -> AppOrder:
    """IF4: a paid order gets its session. What the SP TSM refuses for good fails, and its money goes back."""
    try:
        payment = await pay.of_order(system.database, order.order_no)
        taken = await tsm.submit(
            system, OURS, _ask(order, METHODS.get(payment.acquirer, tsm.OTHER) if payment else tsm.OTHER)
        )
    except Refused as error:
        await app.move(system.database, order, AppState.FAILED, system.clock(), reason=error.code)
        return replace(order, state=AppState.FAILED, reason=error.code)
    changes = {"session_id": taken.session_id, "card_no": taken.card_no}
    await app.move(system.database, order, AppState.SUBMITTED, system.clock(), **changes)
    return replace(order, state=AppState.SUBMITTED, session_id=taken.session_id, card_no=taken.card_no)


async def _paid_by(system: System, order: AppOrder) -> str:
    payment = await pay.of_order(system.database, order.order_no)
    return METHODS.get(payment.acquirer, tsm.OTHER) if payment else tsm.OTHER


def _ask(order: AppOrder, payment_method: str) -> tsm.Ask:
    migrates = order.business == MIGRATE
    return tsm.Ask(
        business=Business.DELETE if migrates else Business(order.business),
        server_order_id=order.order_no + (CARRIED_OUT if migrates else ""),
        issuer_id=order.issuer_id,
        device_id=order.device_id,
        digest=order.digest,
        card=order.card_no,
        amount_fen=order.amount_fen,
        deposit_fen=order.deposit_fen,
        fee_fen=order.fee_fen,
        holder_type=order.holder_type,
        payment_method=payment_method,
    )


async def submit_due(system: System) -> int:
    """Paid orders whose submission was cut off; and migrations whose first half is done."""
    done = 0
    for order in await app.in_state(system.database, [AppState.PAID], BATCH):
        await submit(system, order)
        done += 1
    for order in await app.migrating(system.database, OURS, BATCH):
        done += await _carry_in(system, order)
    return done


async def _carry_in(system: System, order: AppOrder) -> bool:
    """The second half of a migration: open on the other device, with what the deletion paid out."""
    carried = await app.carried(system.database, OURS, order.order_no + CARRIED_OUT)
    balance_fen, deposit_fen = carried or (0, 0)
    wanted = tsm.Ask(
        business=Business.OPEN,
        server_order_id=order.order_no + CARRIED_IN,
        issuer_id=order.issuer_id,
        device_id=order.to_device,
        digest=order.digest,
        amount_fen=balance_fen,
        deposit_fen=deposit_fen,
        carried=True,
    )
    try:
        taken = await tsm.submit(system, OURS, wanted)
    except Refused as error:
        await app.move(system.database, order, AppState.FAILED, system.clock(), reason=error.code)
        return True
    changes = {"session_id": taken.session_id, "card_no": taken.card_no, "reason": "carried"}
    await app.move(system.database, order, AppState.SUBMITTED, system.clock(), **changes)
    return True


# --- following, refunding ---------------------------------------------------------------------------------------------


async def own(system: System, user_id: str, order_no: str) -> AppOrder:
    """A rider's own order.

    Raises:
        AppOrderUnknown: none of that number, or another rider's.

    """
    order = await app.by_number(system.database, order_no)
    if order is None or order.user_id != user_id:
        raise AppOrderUnknown(f"you have no order {order_no}")
    return order


async def standing(system: System, order: AppOrder) -> Standing:
    """What the card's side says of an order."""
    ids = [order.order_no + part for part in ("", CARRIED_OUT, CARRIED_IN)]
    found = [await wallet.by_server_order(system.database, OURS, one) for one in ids]
    at_tsm = tuple(one for one in found if one)
    numbers = [number for one in at_tsm for number in (one.sale_no, one.load_no) if number]
    money = [await orders.by_number(system.database, number) for number in numbers]
    states = tuple(one.state.value for one in money if one and one.amount_fen)
    if order.business not in ENDS_A_CARD:
        return Standing(order, at_tsm, states)
    paid_back = await app.carried(system.database, OURS, order.order_no)
    payout = await _payout(system, order, at_tsm)
    return Standing(order, at_tsm, states, sum(paid_back or ()), payout)


async def _payout(system: System, order: AppOrder, at_tsm: tuple[WalletOrder, ...]) -> Payout | None:
    """What the rider gets for the card that an order has deleted; what waits for a migration is not paid out.

    A deletion that came to nothing pays nothing: another may have deleted the card since.
    """
    given_up = {CardSide.FAILED, CardSide.CANCELLED}
    deletion = next((one for one in at_tsm if one.business is Business.DELETE and one.state not in given_up), None)
    payout = await payouts.of_card(system.database, deletion.card_no) if deletion else None
    if payout is None or (order.business == MIGRATE and payout.state is PayoutState.WAITING):
        return None
    return payout if payout.total_fen else None


async def resume(system: System, order: AppOrder) -> None:
    """The sessions of what is not at its end live on from now."""
    for one in (await standing(system, order)).at_tsm:
        if one.state not in FINAL:
            await wallet.touch(system.database, one.session_id, system.clock())


async def refund(system: System, order: AppOrder) -> AppOrder:
    """Give back what is not on the card; what goes back already is told as it stands.

    Raises:
        NotRefundable: it is, or may be; or it goes back already.

    """
    at = system.clock()
    if order.state in {AppState.REFUNDING, AppState.REFUNDED, AppState.CANCELLED}:
        return order
    if order.state is AppState.PAID:
        order = await submit(system, order)
        if order.state is AppState.FAILED:  # its payment goes back by itself
            return order
    if order.state in {AppState.CREATED, AppState.PAYING}:
        await app.move(system.database, order, AppState.CANCELLED, at)
        return replace(order, state=AppState.CANCELLED)
    if order.state is not AppState.SUBMITTED:
        raise NotRefundable(f"order {order.order_no} is {order.state.value}; there is nothing to refund")
    part = CARRIED_IN if order.business == MIGRATE else ""
    try:
        await tsm.withdraw(system, OURS, order.order_no + part)
    except WalletOrderUnknown as error:
        raise NotRefundable("the card is still where it was, or on its way; let the phone go on") from error
    except NotWithdrawable as error:
        raise NotRefundable(str(error)) from error
    await app.move(system.database, order, AppState.REFUNDING, at)
    return replace(order, state=AppState.REFUNDING)


async def told_result(system: System, order: AppOrder, code: str) -> AppOrder:
    """What the wallet told the app: a refusal lets the money go back, anything else waits for the card's own word.

    Raises:
        ResultStands: another result was told, and was not one of the unknown ones; or no wallet has the order.

    """
    if order.state in {AppState.CREATED, AppState.PAYING, AppState.PAID}:
        raise ResultStands(f"order {order.order_no} is {order.state.value}; the wallet has not got it yet")
    if order.result_code not in {"", code} and not order.result_code.endswith(UNKNOWN_RESULT):
        raise ResultStands(f"the result of order {order.order_no} was told before: {order.result_code}")
    await app.note_result(system.database, order.order_no, code)
    order = replace(order, result_code=code)
    if code in REFUNDABLE_RESULTS and order.state is AppState.SUBMITTED and order.business in PAID_FOR:
        return await refund(system, order)
    return order
