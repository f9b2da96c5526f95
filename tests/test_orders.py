"""The table of moves: what must hold for every pair of state and event, and what each move does to the books."""

import itertools
from pathlib import Path

import pytest

from tongka import orders_doc
from tongka.ledger import Account
from tongka.orders import (
    CHARGEABLE,
    DONE,
    HELD_BY,
    MANAGEABLE,
    OPEN,
    POSTS,
    REFUNDABLE,
    RESERVES,
    TRANSITIONS,
    VOIDS,
    WITHDRAWN,
    Event,
    Kind,
    Leg,
    MoveForbidden,
    State,
    legs,
    mermaid,
    next_state,
    receivable,
)

PAGE = (Path(__file__).parents[1] / "docs" / "orders.md").read_text("utf-8")
EVIDENCE_OF_NOTHING = (Event.REPORTED_FAILED, Event.SILENCE, Event.TAC_WRONG, Event.HELD, Event.MANAGE, Event.GIVEN_UP)
E_PLUS = {Event.CREDITED, Event.MANAGED_CREDITED}
E_MINUS = {Event.MANAGED_NOT_CREDITED}
PEOPLE = {Event.DECIDED_CREDITED, Event.DECIDED_NOT_CREDITED}


def moves(*events: Event) -> list[tuple[State, Event, State]]:
    return [(source, event, target) for (source, event), target in TRANSITIONS.items() if event in events]


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_what_is_not_in_the_table_is_refused(state, event):
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
        return
    with pytest.raises(MoveForbidden, match=rf"state {state.value} .* allows no {event.value}"):
        next_state(state, event)


def test_every_state_and_event_is_of_use():
    assert {event for _, event in TRANSITIONS} == set(Event)
    assert {source for source, _ in TRANSITIONS} | set(TRANSITIONS.values()) == set(State)


def test_every_state_is_reached_from_the_first():
    reached = {State.INITIAL}
    for _ in State:
        reached |= {target for (source, _), target in TRANSITIONS.items() if source in reached}
    assert reached == set(State)


def test_every_state_can_reach_an_end():
    """An end: no move leaves it, the amount is on the card or back."""
    ends = {state for state in State if not any(source is state for source, _ in TRANSITIONS)}
    assert ends == DONE | {State.REFUNDED, State.CLOSED}
    leading = set(ends)
    for _ in State:
        leading |= {source for (source, _), target in TRANSITIONS.items() if target in leading}
    assert leading == set(State)


def test_hints_for_people_decide_nothing():
    for source, event, target in moves(*EVIDENCE_OF_NOTHING):
        assert source in OPEN, event
        assert target in OPEN, event


def test_credited_takes_proof_people_or_the_books():
    into = {event for (source, event), target in TRANSITIONS.items() if target in DONE}
    assert into == E_PLUS | {Event.DECIDED_CREDITED, Event.COUNTED, Event.WAITED}


def test_not_credited_takes_proof_or_people():
    """Once MAC2 may have left, only E− and two people lead to where a refund can start."""
    released = OPEN - {State.AUTHORISING}
    back = {event for (source, event), target in TRANSITIONS.items() if source in released and target not in OPEN}
    assert back - {Event.DECIDED_CREDITED, Event.COUNTED} - E_PLUS == E_MINUS | {Event.DECIDED_NOT_CREDITED}


def test_refunds_never_start_from_where_a_command_may_be_under_way_or_the_card_has_the_amount():
    assert {source for source, _, _ in moves(Event.REFUND)} == set(REFUNDABLE)
    assert not set(REFUNDABLE) & (OPEN | DONE)


def test_the_sets_are_what_the_table_says():
    assert {source for source, _, _ in moves(Event.AUTHORISE)} == set(CHARGEABLE)
    assert {source for source, _, _ in moves(Event.MANAGE)} == set(MANAGEABLE)
    assert set(MANAGEABLE) == OPEN - {State.AUTHORISING}
    assert not WITHDRAWN & (OPEN | DONE | set(CHARGEABLE))


def test_managing_moves_no_order():
    assert all(source is target for source, _, target in moves(Event.MANAGE))


def test_only_people_and_the_card_move_an_undecided_order():
    events = {event for source, event in TRANSITIONS if source is State.UNDECIDED}
    assert events == E_PLUS | E_MINUS | PEOPLE | {Event.MANAGE, Event.MANAGED_UNDECIDED, Event.HELD}


# --- the books --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", Kind)
def test_an_order_reserves_posts_and_voids_between_the_same_accounts(kind):
    source, target = HELD_BY[kind]
    assert legs(kind, Event.KEYS_ANSWERED, "01", reserved=False) == (Leg("pending", source, target),)
    assert legs(kind, Event.CREDITED, "01", reserved=True) == (Leg("post", source, target),)
    assert legs(kind, Event.MANAGED_NOT_CREDITED, "01", reserved=True) == (Leg("void", source, target),)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("event", sorted(POSTS))
def test_without_a_reservation_the_amount_moves_at_once(kind, event):
    assert legs(kind, event, "01", reserved=False) == (Leg("single", *HELD_BY[kind]),)


@pytest.mark.parametrize("event", sorted(VOIDS))
def test_nothing_reserved_is_nothing_to_void(event):
    assert legs(Kind.TOPUP, event, "01", reserved=False) == ()


def test_a_second_reservation_is_not_made():
    assert legs(Kind.TOPUP, Event.KEYS_ANSWERED, "01", reserved=True) == ()


@pytest.mark.parametrize("method", ["01", "02", "03", "04", "05", "06", "10", "??"])
def test_a_refund_goes_back_where_the_payment_came_from(method):
    asked, paid, refused = (
        legs(Kind.TOPUP, event, method, reserved=False) for event in (Event.REFUND, Event.REFUND_YES, Event.REFUND_NO)
    )
    assert asked == (Leg("single", Account.ORDERS_IN_HAND, Account.REFUNDS_PAYABLE),)
    assert paid == (Leg("single", Account.REFUNDS_PAYABLE, receivable(method)),)
    assert refused == (Leg("single", Account.REFUNDS_PAYABLE, Account.ORDERS_IN_HAND),)


def test_only_reserving_posting_voiding_and_refunding_touch_the_books():
    touching = {
        event
        for event, kind, reserved in itertools.product(Event, Kind, (True, False))
        if legs(kind, event, "01", reserved=reserved)
    }
    assert touching == RESERVES | POSTS | VOIDS | {Event.REFUND, Event.REFUND_YES, Event.REFUND_NO}


def test_what_is_posted_ends_where_the_state_says():
    """A move that posts ends in 5 or 8, one that voids in 3, and no other move ends there."""
    for (_, event), target in TRANSITIONS.items():
        assert (event in POSTS) == (target in DONE)
        assert (event in VOIDS) == (target is State.FAILED)


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_generated_parts_of_the_page_are_what_the_code_says():
    assert orders_doc.refresh(PAGE) == PAGE


def test_every_move_has_its_reason_and_every_state_its_meaning():
    assert set(orders_doc.WHY) == set(Event)
    assert set(orders_doc.MEANING) == set(State)
    for event in Event:
        assert f"`{event.value}`" in PAGE


def test_the_diagram_draws_every_move():
    drawn = mermaid()
    for (source, event), target in TRANSITIONS.items():
        line = next(line for line in drawn.splitlines() if line.strip().startswith(f"{source.name} --> {target.name}:"))
        assert event.value in line.partition(": ")[2].split(", ")
