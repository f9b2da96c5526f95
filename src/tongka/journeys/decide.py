"""State 9: two people decide over the physical card what no evidence could.

The first looks at the card and proposes, another looks and confirms. The confirmation moves the order in one statement,
and only while the proposal stands that it confirms. Both are in the audit trail.
"""

from dataclasses import dataclass, replace
from typing import Any

from tongka.journeys import counter, debit
from tongka.journeys.operators import NAME_MAX, REASON_MAX, require_text
from tongka.journeys.refusals import DecisionDiffers, OrderNotFound, ProposalGone
from tongka.orders import Event, Kind, MoveForbidden, State
from tongka.store import cards, decisions, orders
from tongka.store.db import Database
from tongka.store.decisions import Decision
from tongka.store.orders import Move, MovedMeanwhile, Order
from tongka.store.stamp import Stamp

CLOSED_BY = "clerks"


@dataclass(frozen=True, slots=True)
class Decided:
    """Where the order stands now; `proposal` waits for another person while the state is still 9."""

    order: Order
    proposal: Decision


async def decide(database: Database, order_no: str, *, credited: bool, reason: str, stamp: Stamp) -> Decided:
    """Propose, or confirm what another has proposed. Doing it again changes nothing.

    `stamp.actor` is the person, `reason` what was seen. `credited`: the card has run the command, so that a load is on
    it, or a return has emptied it.

    Raises:
        OrderNotFound: no such order.
        MoveForbidden: it is not in state 9, and this person has not decided so.
        DecisionDiffers: another person has proposed the opposite.
        ProposalGone: the proposal or the order changed while this was under way; look again.

    """
    require_text("operator", stamp.actor, NAME_MAX)
    require_text("reason", reason, REASON_MAX)
    order = await _order(database, order_no)
    known = await decisions.find(database, order)
    if order.state is not State.UNDECIDED:
        return _decided_before(order, known, credited=credited, operator=stamp.actor)
    if known is None or _same_person(known.proposed_by, stamp.actor):
        if known and (known.credited, known.reason) == (credited, reason):
            return Decided(order, known)
        return await _propose(database, order, credited=credited, reason=reason, stamp=stamp)
    if known.credited is not credited:
        raise DecisionDiffers(f"{known.proposed_by} has proposed the opposite; agree with them, or withdraw it first")
    return await _confirm(database, order, known, reason, stamp)


async def withdraw(database: Database, order_no: str, stamp: Stamp) -> Order:
    """Take a proposal off the table, whoever made it.

    Raises:
        OrderNotFound: no such order.
        ProposalGone: nothing is proposed, or it is decided.

    """
    require_text("operator", stamp.actor, NAME_MAX)
    order = await _order(database, order_no)
    if not await decisions.withdraw(database, order, stamp):
        raise ProposalGone(f"nothing is proposed for order {order_no}, or it is decided")
    return order


async def _order(database: Database, order_no: str) -> Order:
    order = await orders.by_number(database, order_no)
    if order is None:
        raise OrderNotFound(f"there is no order {order_no}")
    return order


def _decided_before(order: Order, known: Decision | None, *, credited: bool, operator: str) -> Decided:
    """A repeat by one of the two gets what was decided."""
    by = (known.proposed_by, known.confirmed_by) if known and known.confirmed_by else ()
    if known and known.credited is credited and any(_same_person(name, operator) for name in by):
        return Decided(order, known)
    raise MoveForbidden(
        f"order {order.order_no} is in state {order.state.value} ({order.state.name.lower()});"
        " people decide only what is in 9, after card management"
    )


async def _propose(database: Database, order: Order, *, credited: bool, reason: str, stamp: Stamp) -> Decided:
    await decisions.propose(database, order, credited=credited, reason=reason, stamp=stamp)
    made = await decisions.find(database, order)
    if made is None or not _same_person(made.proposed_by, stamp.actor) or made.credited is not credited:
        raise ProposalGone(f"order {order.order_no} was moved or proposed upon meanwhile; look again")
    return Decided(order, made)


async def _confirm(database: Database, order: Order, known: Decision, reason: str, stamp: Stamp) -> Decided:
    event = Event.DECIDED_CREDITED if known.credited else Event.DECIDED_NOT_CREDITED
    changes: dict[str, Any] = {"challenge": None}
    changes |= {"closed_by": CLOSED_BY} if known.credited else {"pin_atc": None}
    step = Move(
        order=order,
        event=event,
        at=stamp.at,
        settlement_date=stamp.day,
        actor=stamp.actor,
        changes=changes,
        detail=f"proposed by {known.proposed_by}: {known.reason}; confirmed: {reason}",
        confirms=True,
        **(await _payout(database, order) if known.credited else {}),
    )
    try:
        await orders.move(database, step)
    except MovedMeanwhile as error:
        raise ProposalGone(f"order {order.order_no} or its proposal changed meanwhile; look again") from error
    confirmed = replace(known, confirmed_by=stamp.actor, confirmed_at=stamp.at)
    return Decided(step.moved, confirmed)


async def _payout(database: Database, order: Order) -> dict[str, Any]:
    """Whom the end of an order pays besides."""
    if order.kind is not Kind.RETURN:
        return counter.payout(order)
    card = await cards.find(database, order.card_no)
    return debit.payout(card.deposit_fen if card else 0, order)


def _same_person(one: str, other: str) -> bool:
    return one.lower() == other.lower()
