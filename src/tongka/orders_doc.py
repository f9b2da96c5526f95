"""The tables and the diagram of the page on orders, written from the table of moves and what each does to the books."""

from collections.abc import Callable, Mapping

from tongka import generated
from tongka.generated import table
from tongka.ledger import Account
from tongka.orders import OPEN, TRANSITIONS, Event, Kind, State, legs, mermaid, receivable

MEANING: Mapping[State, str] = {
    State.INITIAL: "ordered; no command has left, or none that a card could still run",
    State.AUTHORISED: "MAC2 has left the platform; the card may have used it",
    State.FAILED: "the card vouched that it did not credit",
    State.UNKNOWN: "nobody knows; only the card can say",
    State.CONFIRMED: "on the card, proved by its TAC",
    State.AUTHORISING: "pinned to a counter; the keys are being asked, no MAC2 has left",
    State.CONFIRMING: "a TAC is here that could not be verified yet",
    State.ADJUSTED: "on the card, as card management or two clerks found",
    State.UNDECIDED: (
        "the counter was used and no TAC is to be had, or the card is lost with its phone: two people decide"
    ),
    State.REFUNDING: "withdrawn; the payment institution is asked until it says yes or no",
    State.REFUNDED: "the money is back",
    State.REFUND_REFUSED: "the institution refuses; the refund may be asked for again",
    State.CLOSED: "never paid, and cancelled",
}

EVIDENCE: Mapping[Event, str] = {
    Event.AUTHORISE: "MAC1",
    Event.REWRITE: "MAC1 at the pin, same balance",
    Event.CREDITED: "E+",
    Event.REPORTED_FAILED: "E0",
    Event.SILENCE: "E0",
    Event.TAC_WRONG: "E0",
    Event.MANAGED_CREDITED: "E+",
    Event.MANAGED_NOT_CREDITED: "E−",
    Event.MANAGED_UNDECIDED: "E>",
    Event.GIVEN_UP: "E0",
    Event.COUNTED: "E>",
    Event.DECIDED_CREDITED: "two people",
    Event.DECIDED_NOT_CREDITED: "two people",
}
"""What a move takes, by the grades of the page."""

WHY: Mapping[Event, str] = {
    Event.AUTHORISE: (
        "Pins the order to the card's counter before a key is asked. Refused while another order of the card is "
        "open: its MAC2 could still run."
    ),
    Event.KEYS_ANSWERED: (
        "Commits MAC2 with the answer's bytes, and only then do they leave: a crash before it has released "
        "nothing, a crash after it can send the same bytes again."
    ),
    Event.KEYS_FAILED: (
        "No MAC2 was made, or none was committed. The attempt counts on, so that the broken-off one cannot commit "
        "later."
    ),
    Event.REWRITE: (
        "补写卡: the counter stands where it stood, so nothing was credited, and the new INIT has killed the MAC2 "
        "before."
    ),
    Event.CREDITED: (
        "The TAC proves it, whatever was reported before, even after a card management that found the contrary."
    ),
    Event.HELD: "A confirm whose TAC the keys could not look at. It is kept, and read as soon as they answer.",
    Event.REPORTED_FAILED: (
        "A status word or a report of failure is a hint for people. If it led to 3, the amount could be refunded "
        "and be on the card."
    ),
    Event.SILENCE: "No confirm for so long; nothing follows from that but where to look.",
    Event.TAC_WRONG: "An alarm, and proof of nothing: the true TAC may still come.",
    Event.MANAGE: "Issues a fresh challenge; answers to an earlier one are stale from now on.",
    Event.MANAGED_CREDITED: "GET TRANSACTION PROVE brought the TAC that the confirm did not.",
    Event.MANAGED_NOT_CREDITED: (
        "The counter stands at the pin, and this INIT has killed every MAC2 under way. The pin is cleared: top up "
        "again, or refund."
    ),
    Event.MANAGED_UNDECIDED: (
        "The counter was used, by us or by another channel. Which of them is nothing that a balance could tell."
    ),
    Event.GIVEN_UP: (
        "The card is lost with its phone and silent for weeks: the INIT that a MAC2 needs has gone with the chip's "
        "power. It decides nothing; people do, or the card after all."
    ),
    Event.COUNTED: (
        "Only for interfaces without a confirm, and only while no other platform holds the load keys: then the "
        "pinned counter can have been used by this order alone."
    ),
    Event.DECIDED_CREDITED: "One proposes and another confirms, over the physical card; both are on record.",
    Event.DECIDED_NOT_CREDITED: "The same; the pin is cleared.",
    Event.REFUND: (
        "Only where no MAC2 can be under way. State and attempt are compared, so that it cannot race an authorisation."
    ),
    Event.REFUND_YES: "The institution's word.",
    Event.REFUND_NO: "The money is in hand again.",
    Event.REFUND_UNKNOWN: "Not a no: it is asked again under the same refund number.",
    Event.CANCEL_UNPAID: "Nothing was paid, so nothing is to be refunded.",
    Event.WAITED: "A bad card cannot say what it holds; after the waiting period the books pay.",
}
"""Why the rows of an event are as they are."""


def states() -> str:
    rows = ((state.value, state.name.lower(), "yes" if state in OPEN else "", MEANING[state]) for state in State)
    return table(("State", "", "A command may be under way", "Meaning"), rows)


def moves() -> str:
    """One row for each event and target."""
    grouped: dict[tuple[Event, str], list[State]] = {}
    for (source, event), target in TRANSITIONS.items():
        place = "same" if event is Event.MANAGE else target.value
        grouped.setdefault((event, place), []).append(source)
    rows = (
        (
            ", ".join(state.value for state in froms),
            f"`{event}`",
            target,
            _books(event),
            EVIDENCE.get(event, ""),
            WHY[event],
        )
        for (event, target), froms in grouped.items()
    )
    return table(("From", "Event", "To", "Books", "Evidence", "Why"), rows)


def books() -> str:
    """What the moves of each kind of order post."""
    rows = [(kind.value, *(_transfer(kind, event) for event in _EXAMPLES)) for kind in Kind]
    return table(("Order", *(f"`{event}`" for event in _EXAMPLES)), rows)


def diagram() -> str:
    return f"```mermaid\n{mermaid()}\n```"


_EXAMPLES = (Event.KEYS_ANSWERED, Event.CREDITED, Event.MANAGED_NOT_CREDITED)
_UNRESERVED = frozenset({Event.KEYS_ANSWERED, Event.WAITED})
"""Moves that find no two-phase transfer open."""


def _books(event: Event) -> str:
    """`pending`, `post`, `void`, or the accounts of a transfer at once."""
    kind = Kind.RETURN if event is Event.WAITED else Kind.TOPUP
    found = legs(kind, event, "", reserved=event not in _UNRESERVED)
    return ", ".join(leg.kind if leg.kind != "single" else f"{_name(leg.debit)} → {_name(leg.credit)}" for leg in found)


def _transfer(kind: Kind, event: Event) -> str:
    found = legs(kind, event, "", reserved=event not in _UNRESERVED)
    return ", ".join(f"{leg.kind} {_name(leg.debit)} → {_name(leg.credit)}" for leg in found)


def _name(account: int) -> str:
    return "where it was paid" if account == receivable("") else Account(account).name.lower().replace("_", " ")


BLOCKS: Mapping[str, Callable[[], str]] = {
    "order states": states,
    "order diagram": diagram,
    "order moves": moves,
    "order books": books,
}


def refresh(page: str) -> str:
    """``docs/orders.md`` with every generated part written anew."""
    return generated.refresh(page, BLOCKS)
