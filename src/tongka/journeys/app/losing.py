"""A lost phone: its card is blocked at once, paid out when its rides are cleared, and in use again if it is found."""

from contextlib import suppress
from datetime import datetime, timedelta

from tongka.journeys import lost_card
from tongka.journeys.app import ordering
from tongka.journeys.app.ordering import IN_PHONE, Wish
from tongka.journeys.app.refusals import AppCardUnknown, NotRefundable
from tongka.journeys.wallet import orders as tsm
from tongka.journeys.wallet.calls import quiet_call
from tongka.payments import OURS
from tongka.store import app, wallet
from tongka.store.app import AppCard, AppMovedMeanwhile, AppOrder, AppState
from tongka.store.orders import Order
from tongka.store.wallet import FINAL, Business, CardPlace, Standing
from tongka.system import System

BATCH = 50
LOST, FOUND = "lost {}", "found {}"
"""Under which names a claim's locks and unlocks are ordered."""


async def report(system: System, user_id: str, card_no: str) -> datetime:
    """The card is blocked at once and locked at its next contact; paid out when clearing is over.

    So is what was on a card that went with a phone's reset. Answers the first moment at which it is paid out.
    """
    card = await ordering.own_card(system, user_id, card_no, IN_PHONE | {CardPlace.GONE})
    call = quiet_call(system, OURS, system.clock())
    claim = await lost_card.report(call, card_no, tsm.OTHER)
    if card.place in IN_PHONE:
        await _order(system, user_id, card, Business.LOCK, LOST.format(claim.order_no))
    return lost_card.due_at(claim, call.at, _wait(system))


async def take_back(system: System, user_id: str, card_no: str) -> AppCard:
    """The phone is found: the card is in use again; a lock is given up, or lifted at the next contact.

    Raises:
        AppCardUnknown: the rider has no such card in a phone.
        CardStateWrong: it is paid out, or blacklisted.

    """
    card = await ordering.own_card(system, user_id, card_no)
    claim = await lost_card.take_back(quiet_call(system, OURS, system.clock()), card_no)
    if claim and await _may_be_locked(system, user_id, claim):
        await _order(system, user_id, card, Business.UNLOCK, FOUND.format(claim.order_no))
    return await ordering.own_card(system, user_id, card_no)


async def take_back_for(system: System, card_no: str) -> AppCard:
    """The same, for an operator whom the rider has asked."""
    user_id = await app.owner_of_card(system.database, card_no, OURS)
    if user_id is None:
        raise AppCardUnknown(f"no rider has a card {card_no} in a phone")
    return await take_back(system, user_id, card_no)


async def _may_be_locked(system: System, user_id: str, claim: Order) -> bool:
    """Give the lock up; whether the phone may have carried it out by then."""
    _, order = await _latest(system, user_id, LOST.format(claim.order_no))
    if order is None:
        return False
    with suppress(NotRefundable, AppMovedMeanwhile):
        await ordering.refund(system, order)
    at_tsm = await wallet.by_server_order(system.database, OURS, order.order_no)
    return at_tsm is not None and (at_tsm.state is not Standing.CANCELLED or at_tsm.round > 0)


async def _order(system: System, user_id: str, card: AppCard, business: Business, name: str) -> None:
    """The order that is under way under this name; a fresh one where the last has ended, and perhaps was given up.

    A card may be lost and found again and again while one return of it is under way.
    """
    key, order = await _latest(system, user_id, name)
    wish = Wish(business=business, device_id=card.device_id, card_no=card.card_no)
    if order is None:
        await ordering.create(system, user_id, key, wish)
    elif await _has_ended(system, order) and (business is Business.UNLOCK or card.place != CardPlace.LOCKED):
        await ordering.create(system, user_id, _next_key(key), wish)


async def _latest(system: System, user_id: str, name: str) -> tuple[str, AppOrder | None]:
    """The last order under a name, with its key; the first key and None where there is none."""
    key, found = name, None
    while (order := await app.by_request(system.database, user_id, _next_key(key) if found else key)) is not None:
        key, found = order.request_key, order
    return key, found


def _next_key(key: str) -> str:
    """`lost 17`, `lost 17 2`, `lost 17 3`."""
    name, number, *times = key.split()
    return f"{name} {number} {int(*times or (1,)) + 1}"


async def _has_ended(system: System, order: AppOrder) -> bool:
    at_tsm = await wallet.by_server_order(system.database, OURS, order.order_no)
    return at_tsm.state in FINAL if at_tsm else order.state in {AppState.CANCELLED, AppState.FAILED}


def _wait(system: System) -> timedelta:
    return timedelta(days=system.settings.city.bad_card_wait_days)


async def pay_out(system: System) -> int:
    """Pay out lost cards whose rides are cleared and of which nothing is undecided; how many.

    What stays undecided goes to people `wallet.undecided_days` later.
    """
    call = quiet_call(system, OURS, system.clock())
    patience = timedelta(days=system.settings.wallet.undecided_days)
    await lost_card.hand_over(call, _wait(system) + patience, BATCH)
    due = await lost_card.due(call, _wait(system), BATCH)
    for claim in due:
        await lost_card.pay_out(call, claim)
    return len(due)
