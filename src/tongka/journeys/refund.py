"""Cancelling a paid order, and getting its money back through the payment institution.

State A is the durable job: an order stands in it from the cancellation's commit until the institution has said yes or
no, and the worker asks again under the same refund number for as long as it does not know.
"""

from datetime import timedelta
from typing import Any

from tongka.errors import Unsupported
from tongka.journeys import looks
from tongka.journeys.call import Call
from tongka.journeys.operators import REASON_MAX, require_text
from tongka.journeys.refusals import AlreadyCharged, OrderNotFound, OrderWithdrawn
from tongka.orders import DONE, REFUNDABLE, Event, Kind, MoveForbidden, State
from tongka.payments import OURS, Answer
from tongka.store import order_pages, orders
from tongka.store.db import Database
from tongka.store.order_pages import Wanted
from tongka.store.orders import Order
from tongka.store.stamp import Stamp
from tongka.system import System

BATCH = 100
ASKED = "asked"
"""In `reference`: the institution was asked before and did not know."""

EVENTS = {Answer.YES: Event.REFUND_YES, Answer.NO: Event.REFUND_NO, Answer.UNKNOWN: Event.REFUND_UNKNOWN}


async def cancel(call: Call, card_no: str, order_no: str) -> bytes:
    """Cancel an order that is not on the card: refund it if it was paid, else close it."""
    order = await _to_cancel(call, card_no, order_no)
    if order.state in DONE:
        raise AlreadyCharged(f"order {order.order_no} is on the card")
    if order.state in {State.REFUNDING, State.REFUNDED, State.CLOSED}:
        raise OrderWithdrawn(f"order {order.order_no} was cancelled before")
    if order.state not in REFUNDABLE:
        raise MoveForbidden(
            f"order {order.order_no} may be on the card (state {order.state.value}); run card management"
        )
    return await withdraw(call, order)


async def withdraw(call: Call, order: Order) -> bytes:
    """Start the refund of an order that is not on the card; one that was not paid is closed."""
    if not order.paid:
        return await call.move(order, Event.CANCEL_UNPAID, call.outcome(order=order))
    return await call.move(order, Event.REFUND, call.outcome(order=order), changes=_begun(order))


def _begun(order: Order) -> dict[str, Any]:
    """The columns of a refund that begins: a number of its own, and nobody was asked yet."""
    attempt = order.attempt + 1
    return {"attempt": attempt, "refund_no": f"R{order.order_no}-{attempt}", "reference": ""}


async def by_operator(database: Database, order_no: str, reason: str, stamp: Stamp) -> Order:
    """Begin the refund of a paid load that is not on its card, for whoever made it; `stamp.actor` is the operator.

    It goes the way of every refund, through the payment institution; what a stored value paid goes back to it.

    Raises:
        OrderNotFound: no such order.
        MoveForbidden: there is nothing to refund, or it may be on the card.
        Unsupported: nothing was taken for it, or it has another way back.

    """
    require_text("reason", reason, REASON_MAX)
    order = await orders.by_number(database, order_no)
    if order is None:
        raise OrderNotFound(f"there is no order {order_no}")
    if order.kind is not Kind.TOPUP:
        raise Unsupported(f"order {order_no} is a {order.kind.value}; only what was paid for a load is refunded here")
    if order.institution == OURS:
        raise Unsupported(f"order {order_no} was made in an app; its refund is asked for there, with the whole order's")
    if not order.paid:
        raise MoveForbidden(f"nothing was paid for order {order_no}")
    step = orders.Move(
        order=order,
        event=Event.REFUND,
        at=stamp.at,
        settlement_date=stamp.day,
        actor=stamp.actor,
        changes=_begun(order),
        detail=reason,
    )
    await orders.move(database, step)
    return step.moved


async def _to_cancel(call: Call, card_no: str, order_no: str) -> Order:
    """The order named, or the card's latest one."""
    if order_no:
        return await looks.own_order(call, order_no, card_no, Kind.TOPUP)
    wanted = Wanted(call.actor, card_no)
    _, latest = await order_pages.page(call.system.database, wanted, ascending=False, size=1, number=1)
    if not latest:
        raise OrderNotFound(f"card {card_no} has no order of this institution")
    return latest[0]


async def ask_again(system: System) -> int:
    """Ask the payment institution about every refund that is due; answers how many were decided."""
    now = system.clock()
    again = now - timedelta(seconds=system.settings.payments.ask_again_s)
    decided = 0
    for order in await orders.in_state(system.database, State.REFUNDING, now, BATCH):
        if order.reference != ASKED or order.moved_at < again:
            decided += await _ask(system, order)
    return decided


async def _ask(system: System, order: Order) -> bool:
    if order.payment_order:
        answer = await system.payments.refund(order.institution, order.refund_no, order.payment_order, order.amount_fen)
    else:
        answer = Answer.YES  # cash: the counter that took it gives it back
    step = orders.Move(
        order=order,
        event=EVENTS[answer],
        at=system.clock(),
        settlement_date=system.day(system.clock()),
        actor="refunds",
        changes={"reference": ASKED if answer is Answer.UNKNOWN else ""},
        detail=order.refund_no,
    )
    try:
        await orders.move(system.database, step)
    except orders.MovedMeanwhile:
        return False  # another worker was told the same
    return answer is not Answer.UNKNOWN
