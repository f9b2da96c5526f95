"""The life of an order: which event moves it where, and what each move does to the books.

`TRANSITIONS` holds every allowed move; what is not in it is refused. The states are Huzhou's appendix G, one machine
for top-ups, sales and returns. The reasons for each row stand in `docs/orders.md`, whose diagram is drawn from this
table. Three facts carry it: a card executes at most one CREDIT for each online ATC, so an order is pinned to one; only
what the card authenticates moves money; and a missing log record proves nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tongka.errors import Refused
from tongka.ledger import RECEIVABLE, Account


class State(StrEnum):
    """Appendix G, and one state of ours for unpaid orders that were cancelled."""

    INITIAL = "1"
    AUTHORISED = "2"
    FAILED = "3"
    UNKNOWN = "4"
    CONFIRMED = "5"
    AUTHORISING = "6"
    CONFIRMING = "7"
    ADJUSTED = "8"
    UNDECIDED = "9"
    REFUNDING = "A"
    REFUNDED = "B"
    REFUND_REFUSED = "C"
    CLOSED = "D"


class Event(StrEnum):
    """What happens to an order, by evidence: E+ a TAC verifies, E− a fresh MAC1 at the pinned ATC, E> one beyond it."""

    AUTHORISE = "authorise"
    KEYS_ANSWERED = "keys_answered"
    KEYS_FAILED = "keys_failed"
    REWRITE = "rewrite"
    CREDITED = "credited"
    HELD = "held"
    REPORTED_FAILED = "reported_failed"
    SILENCE = "silence"
    TAC_WRONG = "tac_wrong"
    MANAGE = "manage"
    MANAGED_CREDITED = "managed_credited"
    MANAGED_NOT_CREDITED = "managed_not_credited"
    MANAGED_UNDECIDED = "managed_undecided"
    GIVEN_UP = "given_up"
    COUNTED = "counted"
    DECIDED_CREDITED = "decided_credited"
    DECIDED_NOT_CREDITED = "decided_not_credited"
    REFUND = "refund"
    REFUND_YES = "refund_yes"
    REFUND_NO = "refund_no"
    REFUND_UNKNOWN = "refund_unknown"
    CANCEL_UNPAID = "cancel_unpaid"
    WAITED = "waited"


OPEN = frozenset({State.AUTHORISED, State.UNKNOWN, State.AUTHORISING, State.CONFIRMING, State.UNDECIDED})
"""A command may be under way: a card has at most one order in these."""

MANAGEABLE = (State.AUTHORISED, State.UNKNOWN, State.CONFIRMING, State.UNDECIDED)
RELEASED = frozenset({State.AUTHORISED, State.UNKNOWN})
"""MAC2 has left, and a rewrite may follow."""
CHARGEABLE = (State.INITIAL, State.FAILED)
REFUNDABLE = (State.INITIAL, State.FAILED, State.REFUND_REFUSED)
DONE = frozenset({State.CONFIRMED, State.ADJUSTED})
WITHDRAWN = frozenset({State.REFUNDING, State.REFUNDED, State.REFUND_REFUSED, State.CLOSED})


def _rows() -> dict[tuple[State, Event], State]:
    s, e = State, Event
    table: dict[tuple[State, Event], State] = {}
    for sources, event, target in (
        (CHARGEABLE, e.AUTHORISE, s.AUTHORISING),
        ((s.AUTHORISING,), e.KEYS_ANSWERED, s.AUTHORISED),
        ((s.AUTHORISING,), e.KEYS_FAILED, s.INITIAL),
        ((s.AUTHORISED, s.UNKNOWN), e.REWRITE, s.AUTHORISED),
        ((*MANAGEABLE, s.FAILED), e.CREDITED, s.CONFIRMED),
        (MANAGEABLE, e.HELD, s.CONFIRMING),
        ((s.AUTHORISED, s.UNKNOWN), e.REPORTED_FAILED, s.UNKNOWN),
        ((s.AUTHORISED,), e.SILENCE, s.UNKNOWN),
        ((s.AUTHORISED, s.UNKNOWN, s.CONFIRMING), e.TAC_WRONG, s.UNKNOWN),
        (MANAGEABLE, e.MANAGED_CREDITED, s.ADJUSTED),
        (MANAGEABLE, e.MANAGED_NOT_CREDITED, s.FAILED),
        (MANAGEABLE, e.MANAGED_UNDECIDED, s.UNDECIDED),
        ((s.UNKNOWN,), e.GIVEN_UP, s.UNDECIDED),
        ((s.AUTHORISED, s.UNKNOWN), e.COUNTED, s.CONFIRMED),
        ((s.UNDECIDED,), e.DECIDED_CREDITED, s.ADJUSTED),
        ((s.UNDECIDED,), e.DECIDED_NOT_CREDITED, s.FAILED),
        (REFUNDABLE, e.REFUND, s.REFUNDING),
        ((s.REFUNDING,), e.REFUND_YES, s.REFUNDED),
        ((s.REFUNDING,), e.REFUND_NO, s.REFUND_REFUSED),
        ((s.REFUNDING,), e.REFUND_UNKNOWN, s.REFUNDING),
        (CHARGEABLE, e.CANCEL_UNPAID, s.CLOSED),
        ((s.INITIAL,), e.WAITED, s.CONFIRMED),  # a bad card's return, paid by the books after the waiting period
    ):
        table |= {(source, event): target for source in sources}
    # A card management request issues a challenge; the state stays, and a later one makes this one stale.
    return table | {(state, Event.MANAGE): state for state in MANAGEABLE}


TRANSITIONS: Mapping[tuple[State, Event], State] = _rows()


class MoveForbidden(Refused):
    """The order's state does not allow the event (000040)."""

    code = "order_state_illegal"


def next_state(state: State, event: Event) -> State:
    """Where `event` takes an order in `state`.

    Raises:
        MoveForbidden: the table has no such row.

    """
    target = TRANSITIONS.get((state, event))
    if target is None:
        raise MoveForbidden(f"an order in state {state.value} ({state.name.lower()}) allows no {event.value}")
    return target


# --- the books --------------------------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What was ordered."""

    TOPUP = "topup"
    SALE = "sale"
    RETURN = "return"
    UNLOAD = "unload"


TAKES_BACK = frozenset({Kind.RETURN, Kind.UNLOAD})
"""What is on a card comes off it."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One transfer of a move: what it does (`TransferKind`), from where, to where."""

    kind: str
    debit: int
    credit: int


def receivable(payment_method: str) -> int:
    """The account that a payment method fills and refunds empty."""
    return RECEIVABLE.get(payment_method, Account.RECEIVABLE_OTHER)


HELD_BY: Mapping[Kind, tuple[Account, Account]] = {
    Kind.TOPUP: (Account.ORDERS_IN_HAND, Account.CARD_FLOAT),
    Kind.SALE: (Account.ORDERS_IN_HAND, Account.DEPOSITS_HELD),
    Kind.RETURN: (Account.CARD_FLOAT, Account.REFUNDS_PAYABLE),
    Kind.UNLOAD: (Account.CARD_FLOAT, Account.REFUNDS_PAYABLE),
}
"""From and to of the two-phase transfer that an authorisation reserves and its confirmation posts."""

RESERVES = frozenset({Event.KEYS_ANSWERED})
POSTS = frozenset({Event.CREDITED, Event.MANAGED_CREDITED, Event.COUNTED, Event.DECIDED_CREDITED, Event.WAITED})
VOIDS = frozenset({Event.MANAGED_NOT_CREDITED, Event.DECIDED_NOT_CREDITED})


def legs(kind: Kind, event: Event, payment_method: str, *, reserved: bool, funded_from: int = 0) -> tuple[Leg, ...]:
    """The transfers of a move, of the order's whole amount; `reserved`: a two-phase transfer is open.

    `funded_from` is the stored-value account that paid instead of a payment method, and to which a refund goes back.

    An E+ that comes after an E− (a card that contradicts itself) finds the reservation void; it is then posted at once,
    for the card's TAC is the stronger word.
    """
    source, target = HELD_BY[kind]
    if event in RESERVES and not reserved:
        return (Leg("pending", source, target),)
    if event in POSTS:
        return (Leg("post" if reserved else "single", source, target),)
    if event in VOIDS:
        return (Leg("void", source, target),) if reserved else ()
    return _refund_legs(event, funded_from or receivable(payment_method))


def settles(kind: Kind, event: Event, extra: Iterable[Leg]) -> bool:
    """Whether money passes with a move between us and whoever ordered: that day is the order's settlement date.

    A top-up or sale is settled when it is paid, mostly as it is created; a return or unload when its card is empty.
    What comes later leaves the date as the partner was told it: a refund has a line of its own, on its own day.
    """
    if kind in TAKES_BACK:
        return event in POSTS
    return any(leg.credit == Account.ORDERS_IN_HAND for leg in extra)


def _refund_legs(event: Event, source: int) -> tuple[Leg, ...]:
    if event is Event.REFUND:
        return (Leg("single", Account.ORDERS_IN_HAND, Account.REFUNDS_PAYABLE),)
    if event is Event.REFUND_YES:
        return (Leg("single", Account.REFUNDS_PAYABLE, source),)
    if event is Event.REFUND_NO:
        return (Leg("single", Account.REFUNDS_PAYABLE, Account.ORDERS_IN_HAND),)
    return ()


def mermaid() -> str:
    """The table as a state diagram, for the documentation: one arrow for each pair of states."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (source, event), target in TRANSITIONS.items():
        arrows.setdefault((source, target), []).append(event.value)
    names = [f'    state "{state.value} {state.name.lower()}" as {state.name}' for state in State]
    lines = [f"    {a.name} --> {b.name}: {', '.join(events)}" for (a, b), events in arrows.items()]
    return "\n".join(("stateDiagram-v2", *names, *lines))
