"""Two paid top-ups of one card, as small as they can be told: what is explored to prove the table of moves.

The moves are those of `tongka.orders.next_state`, the guards those of the journeys. Everything else is against us: the
terminal repeats, withholds and invents; the process stops between any two commits and goes on late; another channel
loads the card; the card is torn out and spends offline; the payment institution says yes, no, or nothing.

What no rule reads is not part of a state. Balances and answers to superseded challenges are therefore kept only where
a mutant reads them; both orders have the same amount, and an INIT for one serves the other, the worst case. One
request at a time may stop between its look and its commit (`Flight`); all others run at once beside it, so that every
race of two is there. Two people who look at the physical card see what happened.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from tongka.orders import (
    CHARGEABLE,
    DONE,
    MANAGEABLE,
    OPEN,
    REFUNDABLE,
    RELEASED,
    Event,
    Kind,
    MoveForbidden,
    State,
    legs,
    next_state,
)

CURRENT, SUPERSEDED = 1, 2
"""Which MAC2 for the card's live INIT has left: the one that the order remembers, an earlier one, or both."""
NOT_USED, USED = 1, 2
"""What the card answered to the challenge: its counter was at the pin (E−), beyond it (E>), or one after the other."""
GOOD, BAD = 1, 2
RESERVED = RELEASED | {State.CONFIRMING, State.UNDECIDED}
RESOLVED = DONE | {State.REFUNDED}


class Order(NamedTuple):
    """An order and what the card did with its MAC2s.

    Attributes:
        pin: −1 when it is pinned to no counter.
        mac2: CURRENT and SUPERSEDED, as far as the card's live INIT would take them.
        credits: how often the card has executed one of them; the truth that no rule may read.
        tac: GOOD if the TAC of that credit verifies over what the order remembers, BAD if a rewrite came later.
        answers: NOT_USED and USED, to the challenge issued last; None when there is none.
        stale: the same, to challenges before it.
        held: the TAC kept in state 7.
        balance: of the card at INIT.

    """

    state: State = State.INITIAL
    attempt: int = 0
    pin: int = -1
    mac2: int = 0
    credits: int = 0
    tac: int = 0
    answers: int | None = None
    stale: int = 0
    held: int = 0
    balance: int = 0


class Flight(NamedTuple):
    """A request between its look and its commit; `live`: its INIT is still the card's live one."""

    event: Event
    order: int
    state: State
    attempt: int
    pin: int = -1
    live: bool = False


class World(NamedTuple):
    """The card, the orders, and what is in flight.

    Attributes:
        live: the card waits for the MAC2 of an INIT FOR LOAD with the orders' amount.
        dead: bit n: the answer to an earlier INIT at counter n can be replayed.

    """

    atc: int = 0
    live: bool = False
    dead: int = 0
    balance: int = 0
    orders: tuple[Order, Order] = (Order(), Order())
    flight: Flight | None = None


START = World()
Step = tuple[str, World]


class BooksError(AssertionError):
    """A move whose postings are not the difference between its states."""


@dataclass(frozen=True)
class Rules:
    """The rules as they are; each flag is a mutant, and breaks one.

    Attributes:
        atc_max: no INIT and no load by another channel from this counter on.
        attempts_max: no authorisation, rewrite or refusal of a refund from this attempt of an order on. What has begun
            by then can still end.
        other_channels: other platforms load the card too.

    """

    atc_max: int = 2
    attempts_max: int = 2
    other_channels: bool = True
    failure_report_decides: bool = False
    mac2_before_commit: bool = False
    refund_without_compare: bool = False
    no_pin: bool = False
    stale_evidence: bool = False
    by_balance: bool = False
    counter_means_credited: bool = False
    attempt_not_compared: bool = False

    def target(self, state: State, event: Event) -> State | None:
        if self.failure_report_decides and event is Event.REPORTED_FAILED:
            return State.FAILED
        return _target(state, event)


@cache
def _target(state: State, event: Event) -> State | None:
    try:
        target = next_state(state, event)
    except MoveForbidden:
        return None
    _require_books(state, event, target)
    return target


# --- the books --------------------------------------------------------------------------------------------------------


def _due(state: State) -> dict[str, int]:
    """What an order in a state has left on the accounts; where it was paid, as a debit."""
    on_card, refunding, refunded = state in DONE, state is State.REFUNDING, state is State.REFUNDED
    in_hand = not (on_card or refunding or refunded)
    return {"in hand": in_hand, "card": on_card, "payable": refunding, "paid": not refunded, "held": state in RESERVED}


def _require_books(state: State, event: Event, target: State) -> None:
    """The transfers of a move are the difference between what its two states leave on the accounts."""
    changes = dict.fromkeys(_due(state), 0)
    names = {2: "in hand", 1: "card", 4: "payable", 103: "paid"}
    for leg in legs(Kind.TOPUP, event, "03", reserved=state in RESERVED):
        changes["held"] += {"pending": 1, "post": -1, "void": -1, "single": 0}[leg.kind]
        if leg.kind in {"single", "post"}:
            for account, sign in ((leg.debit, -1), (leg.credit, 1)):
                changes[names[account]] += -sign if names[account] == "paid" else sign
    before, after = _due(state), _due(target)
    if any(before[name] + change != after[name] for name, change in changes.items()):
        raise BooksError(f"{state.value} {event.value} {target.value}: {changes}")


# --- what can happen --------------------------------------------------------------------------------------------------


def steps(world: World, rules: Rules) -> Iterator[Step]:
    """Everything that can happen next."""
    yield from _card_steps(world, rules)
    for number in (0, 1):
        order = world.orders[number]
        yield from _top_up_steps(world, number, order, rules)
        yield from _confirm_steps(world, number, order, rules)
        yield from _management_steps(world, number, order, rules)
        yield from _refund_steps(world, number, order, rules)
    if world.flight:
        yield from _landings(world, world.flight, rules)


def _moved(world: World, number: int, event: Event, rules: Rules, **changes: object) -> World | None:
    """The world with an order moved, or None where the table forbids it."""
    order = world.orders[number]
    target = rules.target(order.state, event)
    if target is None:
        return None
    return _with(world, number, order._replace(state=target, **changes))


def _with(world: World, number: int, order: Order) -> World:
    """With one order exchanged. No rule reads anything of an order at its end, but a MAC2 of it could still run."""
    if order.state in RESOLVED:
        order = Order(order.state, mac2=order.mac2, credits=order.credits)
    first, second = world.orders
    return world._replace(orders=(order, second) if number == 0 else (first, order))


# --- the card ---------------------------------------------------------------------------------------------------------


def _card_steps(world: World, rules: Rules) -> Iterator[Step]:
    if world.atc < rules.atc_max:
        yield "the card runs INIT FOR LOAD", _dropped(world)._replace(live=True)
    if world.atc < rules.atc_max and rules.other_channels:
        other = _dropped(world)
        yield "another channel loads the card", other._replace(atc=world.atc + 1, balance=_more(other, rules))
    if world.live:
        yield "the card is torn out", _dropped(world)
    if world.balance:
        yield "the card pays a ride", world._replace(balance=world.balance - 1)
    for number, order in enumerate(world.orders):
        if order.mac2 & CURRENT:
            yield f"the card executes CREDIT of order {number}", _credited(world, number, GOOD, rules)
        if order.mac2 & SUPERSEDED:
            yield f"the card executes an earlier CREDIT of order {number}", _credited(world, number, BAD, rules)
        if order.answers is not None:
            yield f"the card runs the management script of order {number}", _answered(world, number, order, rules)


def _dropped(world: World) -> World:
    """The card forgets its INIT: no MAC2 for it works any more, but its answer can be replayed."""
    if not world.live:
        return world
    first, second = world.orders
    flight = world.flight._replace(live=False) if world.flight else None
    return world._replace(
        live=False,
        dead=world.dead | 1 << world.atc,
        orders=(first._replace(mac2=0), second._replace(mac2=0)),
        flight=flight,
    )


def _more(world: World, rules: Rules) -> int:
    return world.balance + 1 if rules.by_balance else 0


def _credited(world: World, number: int, tac: int, rules: Rules) -> World:
    after = _dropped(world)
    order = after.orders[number]
    after = _with(after, number, order._replace(credits=order.credits + 1, tac=tac))
    return after._replace(atc=world.atc + 1, balance=_more(world, rules))


def _answered(world: World, number: int, order: Order, rules: Rules) -> World:
    """INIT of nothing over the challenge, which kills what was live."""
    if rules.by_balance:
        found = USED if world.balance > order.balance else NOT_USED
    else:
        found = NOT_USED if world.atc == order.pin else USED
    after = _dropped(world)
    return _with(after, number, after.orders[number]._replace(answers=(order.answers or 0) | found))


# --- authorise --------------------------------------------------------------------------------------------------------


def _inits(world: World) -> Iterator[tuple[int, bool, str]]:
    """Answers to INIT FOR LOAD that a terminal can send: the live one, and earlier ones again."""
    if world.live:
        yield world.atc, True, "the card's INIT"
    for atc in range(world.atc + 1):
        if world.dead >> atc & 1:
            yield atc, False, f"an old INIT at counter {atc}"


def _top_up_steps(world: World, number: int, order: Order, rules: Rules) -> Iterator[Step]:
    if order.attempt < rules.attempts_max:
        if order.state in CHARGEABLE and world.orders[1 - number].state not in OPEN:
            yield from _authorisations(world, number, order, rules)
        if order.state in RELEASED:
            yield from _rewrites(world, number, order, rules)
    if order.state is State.AUTHORISING:
        yield from _step(f"the sweep finds order {number} broken off", world, number, Event.KEYS_FAILED, rules,
                         attempt=order.attempt + 1, pin=-1)  # fmt: skip


def _authorisations(world: World, number: int, order: Order, rules: Rules) -> Iterator[Step]:
    """1, 3 → 6; the process dies there, goes on at once, or goes on later."""
    for atc, live, what in _inits(world):
        released = CURRENT if live and rules.mac2_before_commit else 0
        pinned = _moved(world, number, Event.AUTHORISE, rules, attempt=order.attempt + 1, pin=atc,
                        mac2=order.mac2 | released, balance=world.balance)  # fmt: skip
        if pinned is None:
            continue
        yield f"order {number} is pinned by {what}, and the process dies", pinned
        flight = Flight(Event.KEYS_ANSWERED, number, State.AUTHORISING, order.attempt + 1, atc, live)
        if world.flight is None:
            yield f"order {number} is pinned by {what}, and the keys take their time", pinned._replace(flight=flight)
        for text, landed in _land(pinned, flight, rules):
            yield f"order {number} is pinned by {what}; {text}", landed


def _rewrites(world: World, number: int, order: Order, rules: Rules) -> Iterator[Step]:
    for atc, live, what in _inits(world):
        same = live and order.mac2 & CURRENT
        if same or (atc != order.pin and not rules.no_pin):
            continue
        flight = Flight(Event.REWRITE, number, order.state, order.attempt, atc, live)
        if world.flight is None:
            yield f"a rewrite of order {number} with {what} takes its time", world._replace(flight=flight)
        for text, landed in _land(world, flight, rules):
            yield f"with {what}, {text}", landed


def _release(world: World, flight: Flight, rules: Rules) -> World | None:
    """MAC2 leaves with its commit; the one before it stays under way as long as its INIT lives."""
    order = world.orders[flight.order]
    earlier = SUPERSEDED if order.mac2 and flight.event is Event.REWRITE else 0
    changes: dict[str, object] = {
        "mac2": earlier | (CURRENT if flight.live else 0),
        "tac": BAD if order.tac else 0,
    }
    if flight.event is Event.REWRITE:
        changes |= {"attempt": order.attempt + 1, "answers": None, "pin": flight.pin, "balance": world.balance}
        changes |= {"stale": order.stale | (order.answers or 0)} if rules.stale_evidence else {}
    return _moved(world, flight.order, flight.event, rules, **changes)


# --- confirm ----------------------------------------------------------------------------------------------------------


def _confirm_steps(world: World, number: int, order: Order, rules: Rules) -> Iterator[Step]:
    if order.tac == GOOD:
        yield from _step(f"a confirm of order {number} brings its TAC", world, number, Event.CREDITED, rules, held=0)
        yield from _step(f"the TAC of order {number} is kept: no keys", world, number, Event.HELD, rules, held=GOOD)
    if order.state in MANAGEABLE:
        yield from _step(f"a made-up TAC of order {number} is kept: no keys", world, number, Event.HELD, rules,
                         held=BAD)  # fmt: skip
    if order.state in RELEASED:
        yield from _step(f"a made-up TAC for order {number}", world, number, Event.TAC_WRONG, rules)
        yield from _step(f"the terminal reports order {number} failed", world, number, Event.REPORTED_FAILED, rules)
        yield from _step(f"nothing is heard of order {number}", world, number, Event.SILENCE, rules)
    if not order.mac2:  # the chip has had no power for weeks
        yield from _step(f"the phone with order {number} stays lost", world, number, Event.GIVEN_UP, rules,
                         answers=None)  # fmt: skip
    if order.state is State.CONFIRMING:
        event = Event.CREDITED if order.held == GOOD else Event.TAC_WRONG
        yield from _step(f"the keys read the TAC kept for order {number}", world, number, event, rules, held=0)


def _step(text: str, world: World, number: int, event: Event, rules: Rules, **changes: object) -> Iterator[Step]:
    moved = _moved(world, number, event, rules, **changes)
    if moved is not None:
        yield text, moved


# --- manage -----------------------------------------------------------------------------------------------------------


def _management_steps(world: World, number: int, order: Order, rules: Rules) -> Iterator[Step]:
    if order.state in MANAGEABLE:
        stale = order.stale | (order.answers or 0) if rules.stale_evidence else 0
        yield from _step(f"management of order {number}", world, number, Event.MANAGE, rules, answers=0, stale=stale)
        for event in _verdicts(order, rules):
            flight = Flight(event, number, order.state, order.attempt)
            if world.flight is None:
                yield f"{event.value} of order {number} takes its time", world._replace(flight=flight)
            yield from _land(world, flight, rules)
    if order.state is State.UNDECIDED:
        event = Event.DECIDED_CREDITED if order.credits else Event.DECIDED_NOT_CREDITED
        yield from _step(f"two people decide order {number}", world, number, event, rules, answers=None,
                         pin=order.pin if order.credits else -1)  # fmt: skip


def _verdicts(order: Order, rules: Rules) -> Iterator[Event]:
    """What a manage confirm can come to, with the TAC or without it."""
    answers = (order.answers or 0) | (order.stale if rules.stale_evidence else 0)
    if answers and order.tac == GOOD:
        yield Event.MANAGED_CREDITED
    if answers & NOT_USED:
        yield Event.MANAGED_NOT_CREDITED
    if answers & USED:
        credited = rules.counter_means_credited or rules.by_balance
        yield Event.MANAGED_CREDITED if credited else Event.MANAGED_UNDECIDED


# --- refund -----------------------------------------------------------------------------------------------------------


def _refund_steps(world: World, number: int, order: Order, rules: Rules) -> Iterator[Step]:
    if order.state in REFUNDABLE:
        flight = Flight(Event.REFUND, number, order.state, order.attempt)
        if world.flight is None:
            yield f"a cancellation of order {number} takes its time", world._replace(flight=flight)
        yield from _land(world, flight, rules)
    if order.state is State.REFUNDING:
        yield from _step(f"the institution refunds order {number}", world, number, Event.REFUND_YES, rules)
        if order.attempt < rules.attempts_max:
            yield from _step(f"the institution refuses order {number}", world, number, Event.REFUND_NO, rules)


# --- requests that stopped between look and commit --------------------------------------------------------------------


def _landings(world: World, flight: Flight, rules: Rules) -> Iterator[Step]:
    gone = world._replace(flight=None)
    yield f"the process with {flight.event.value} of order {flight.order} dies", gone
    yield from _land(gone, flight, rules)


def _land(world: World, flight: Flight, rules: Rules) -> Iterator[Step]:
    """Commit, if state and attempt are still those that were looked at."""
    order = world.orders[flight.order]
    unchanged = order.state is flight.state and (order.attempt == flight.attempt or rules.attempt_not_compared)
    text = f"{flight.event.value} of order {flight.order} commits"
    if flight.event is Event.REFUND:
        if unchanged or rules.refund_without_compare:
            yield text, _with(world, flight.order, order._replace(
                state=rules.target(flight.state, Event.REFUND) or order.state, attempt=order.attempt + 1, pin=-1,
                answers=None, held=0))  # fmt: skip
        return
    if not unchanged:
        return
    if flight.event in {Event.KEYS_ANSWERED, Event.REWRITE}:
        moved = _release(world, flight, rules)
    else:
        pin = -1 if flight.event is Event.MANAGED_NOT_CREDITED else order.pin
        moved = _moved(world, flight.order, flight.event, rules, answers=None, held=0, pin=pin)
    if moved is not None:
        yield text, moved


# --- what must hold ---------------------------------------------------------------------------------------------------


def violation(world: World) -> str:
    """What a world breaks; nothing if all is well."""
    for order in world.orders:
        if order.credits > 1:
            return "an order is on the card twice"
        if order.credits and order.state is State.REFUNDED:
            return "an order is refunded, and on the card"
        if not order.credits and order.state in DONE:
            return "an order is booked as credited, and its money is lost"
    if all(order.state in OPEN for order in world.orders):
        return "two orders of the card are open"
    return ""


def resolved(world: World) -> bool:
    return all(order.state in RESOLVED for order in world.orders)
