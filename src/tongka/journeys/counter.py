"""Loads that end by the counter (E>): for interfaces without a confirm.

A later INIT whose MAC1 verifies, with an ATC above the pin, says that the pinned counter was used; and only the order
that was pinned to it had a MAC2 for it. That is sound because only this platform holds the load keys. Where another
platform loads with the same keys (a setting) it proves nothing: such orders are for a clerk (9). So it is where the
counter has credited another order already: a card executes one command for each, and this one began with an old INIT.
"""

from typing import Any

from tongka.card.purse import LoadInit
from tongka.journeys.call import Call
from tongka.journeys.refusals import NeedsCardManagement
from tongka.ledger import Account
from tongka.orders import MANAGEABLE, RELEASED, Event, Kind, Leg
from tongka.store import orders
from tongka.store.orders import Order
from tongka.system import System

CLOSED_BY = "counter"


def overtaken(order: Order, init: LoadInit) -> bool:
    """Whether an INIT, its MAC1 verified, shows that the order's counter was used."""
    pinned = order.closes_by_counter and order.state in MANAGEABLE and order.pin_atc is not None
    return pinned and init.online_atc > (order.pin_atc or 0)


async def proves_nothing(system: System, order: Order) -> bool:
    """Whether the use of the pinned counter says nothing of this order: another command may have used it."""
    return system.settings.city.shared_load_keys or await is_used_up(system, order)


async def is_used_up(system: System, order: Order) -> bool:
    """Whether the pinned counter has put another order on the card, or taken one off it.

    Asked where a terminal names the moment: an INIT kept from before, sent again under a new order with the same
    moment, would have the same TAC. Where the moment is ours, the TAC tells the two apart.
    """
    if not order.closes_by_counter or order.pin_atc is None:
        return False
    return await orders.is_counter_used(system.database, order.card_no, order.pin_atc, but=order.order_no)


async def close(call: Call, order: Order) -> None:
    """2, 4 → 5 by the counter alone.

    Raises:
        NeedsCardManagement: card management is at the order already; or the counter proves nothing, and it is a
            clerk's now.

    """
    if order.state not in RELEASED:
        raise NeedsCardManagement(f"order {order.order_no} of this card is in card management")
    if await proves_nothing(call.system, order):
        await call.move_on(order, Event.MANAGED_UNDECIDED, changes={"challenge": None})
        raise NeedsCardManagement(f"order {order.order_no} of this card is for a clerk")
    await call.move_on(order, Event.COUNTED, changes={"closed_by": CLOSED_BY}, **payout(order))


def payout(order: Order) -> dict[str, Any]:
    """The parts of the move that ends an unload: its amount goes where the order's money comes from."""
    if order.kind is not Kind.UNLOAD:
        return {}
    return {"extra_legs": ((Leg("single", Account.REFUNDS_PAYABLE, order.source), order.amount_fen),)}
