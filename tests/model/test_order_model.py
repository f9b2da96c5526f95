"""The table of moves loses no fen, whatever breaks; and this check would see it if it did.

The bounds of the suite are small. `make model` explores wider ones; TONGKA_TEST_MODEL="atc_max,attempts_max" chooses.
"""

import os

import pytest

from explore import Explored, explore, lines
from order_model import Rules
from tongka.orders import TRANSITIONS, Event, State

WIDTH = os.environ.get("TONGKA_TEST_MODEL", "2,2").split(",")
ATC_MAX, ATTEMPTS_MAX = map(int, WIDTH)

REFUNDED_AND_CREDITED = "an order is refunded, and on the card"
TWICE = "an order is on the card twice"
LOST = "an order is booked as credited, and its money is lost"

MUTANTS = {
    "failure_report_decides": REFUNDED_AND_CREDITED,
    "mac2_before_commit": REFUNDED_AND_CREDITED,
    "refund_without_compare": REFUNDED_AND_CREDITED,
    "no_pin": TWICE,
    "stale_evidence": REFUNDED_AND_CREDITED,
    "by_balance": LOST,
    "counter_means_credited": LOST,
    "attempt_not_compared": REFUNDED_AND_CREDITED,
}


@pytest.fixture(scope="module")
def whole() -> Explored:
    return explore(Rules(atc_max=ATC_MAX, attempts_max=ATTEMPTS_MAX))


def test_no_fen_is_lost_or_doubled(whole, capsys):
    with capsys.disabled():
        print(f"\n{whole.states:,} worlds of two orders, {whole.moves:,} steps between them")
    assert whole.counterexample == (), "\n".join(lines(whole.counterexample))
    assert whole.states > 200_000


def test_from_everywhere_there_is_a_way_to_all_orders_resolved(whole):
    assert whole.stuck == (), "\n".join(lines(whole.stuck))


def test_every_arrow_that_a_paid_top_up_can_take_is_taken(whole):
    """The others are for unpaid orders, returns, interfaces without a confirm; and 3 → 5 takes a card that lies."""
    others = {Event.CANCEL_UNPAID, Event.WAITED, Event.COUNTED}
    arrows = {(a, b) for (a, event), b in TRANSITIONS.items() if a is not b and event not in others}
    assert arrows - whole.arrows == {(State.FAILED, State.CONFIRMED)}
    assert whole.arrows - arrows == {(State.INITIAL, State.AUTHORISED), (State.FAILED, State.AUTHORISED)}  # 6 at once


@pytest.mark.parametrize(("mutant", "breaks"), MUTANTS.items())
def test_a_broken_rule_is_found_out(mutant, breaks, capsys):
    found = explore(Rules(**{mutant: True}))
    print("\n".join(lines(found.counterexample)))
    assert found.counterexample[-1:] == (breaks,)
    assert capsys.readouterr().out.count("\n") == len(found.counterexample)


def test_every_mutant_is_tried():
    flags = {name for name, value in vars(Rules()).items() if value is False}
    assert flags == set(MUTANTS)


def test_a_decision_by_balance_also_refunds_what_was_spent():
    """The rider spends what the card was credited with; its balance is that of before."""
    found = explore(Rules(by_balance=True, other_channels=False))
    assert found.counterexample[-1] == REFUNDED_AND_CREDITED
    assert any("pays a ride" in text for text in found.counterexample)
