"""The power-cut switch, and what no sequence of commands and cuts can break."""

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tongka.card import commands
from tongka.card.apdu import ApduError, StatusWord
from tongka.card.commands import CommandKind
from tongka.card.purse import TransactionType, load_tac
from tongka.errors import CardGone
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.power import AFTER, BEFORE

SW = StatusWord
CREDIT_POINTS = [(BEFORE, 0, 0, 0), (1, 1_000, 0, 0), (2, 1_000, 1, 0), (3, 1_000, 1, 1), (AFTER, 1_000, 1, 1)]


@pytest.mark.parametrize(
    ("point", "credited", "logged", "listed"),
    CREDIT_POINTS,
    ids=["before", "after the money", "after the log", "after all", "answer lost"],
)
def test_a_load_cut_at_each_point(bench, point, credited, logged, listed):
    init = bench.terminal.init_load(1_000)
    bench.card.switch.arm(point)
    with pytest.raises(CardGone, match="torn out"):
        bench.sw(bench.terminal.credit(init, bench.when))
    bench.back_in_the_field()
    again = bench.terminal.init_load(0)
    assert again.balance == 5_000 + credited
    assert again.online_atc == (1 if credited else 0)
    assert len(bench.image.records_of("0018")) == logged
    assert len(bench.image.records_of("0007")) == listed


@pytest.mark.parametrize("point", [BEFORE, 1, 2, 3, AFTER])
def test_the_proof_of_a_cut_load_is_there_exactly_when_it_was_credited(bench, point):
    init = bench.terminal.init_load(1_000)
    bench.card.switch.arm(point)
    with pytest.raises(CardGone):
        bench.sw(bench.terminal.credit(init, bench.when))
    bench.back_in_the_field()
    answer = bench.card.transmit(bytes(commands.get_transaction_prove(TransactionType.EP_LOAD, init.online_atc + 1)))
    if point == BEFORE:
        assert answer.sw == SW.PROOF_NOT_AVAILABLE
    else:
        assert answer.data[4:] == load_tac(bench.image.suite, bench.image.keys.tac, init, bench.when)


def test_a_cut_card_is_gone_until_it_is_back_in_the_field(bench):
    bench.card.switch.arm(BEFORE)
    for _ in range(2):
        with pytest.raises(CardGone):
            bench.terminal.balance()
    assert not bench.card.powered
    bench.card.power_on()
    with pytest.raises(ApduError, match="6985"):
        bench.terminal.balance()  # the selection was lost


def test_a_pending_init_does_not_outlive_the_power(bench):
    credit = bench.terminal.credit(bench.terminal.init_load(1_000), bench.when)
    bench.back_in_the_field()
    assert bench.sw(credit) == SW.CONDITIONS_NOT_SATISFIED


def test_the_switch_can_wait_for_a_command_and_let_some_through(bench):
    bench.card.switch.arm(AFTER, kind=CommandKind.CREDIT_FOR_LOAD, skip=1)
    bench.terminal.load(1, bench.when)
    with pytest.raises(CardGone):
        bench.terminal.load(1, bench.when)
    assert bench.image.online_atc == 2
    bench.back_in_the_field()
    bench.terminal.load(1, bench.when)  # it is no longer armed


def test_a_capp_record_and_the_balance_stand_or_fall_together(bench):
    for point in (BEFORE, 1):
        before = bench.image
        init = bench.terminal.init_purchase(300, TransactionType.CAPP)
        bench.sw(commands.update_capp_cache(0x1E, bytes(48)))
        bench.card.switch.arm(point)
        with pytest.raises(CardGone):
            bench.sw(bench.terminal.debit(init, bench.serial, bench.when))
        written = len(bench.image.records_of("001E")) - len(before.records_of("001E"))
        assert before.balance_fen - bench.image.balance_fen == 300 * written
        bench.back_in_the_field()


POINTS = st.none() | st.sampled_from([BEFORE, 1, 2, 3, AFTER])
AMOUNTS = st.integers(0, 3_000)
DELTAS = {
    CommandKind.CREDIT_FOR_LOAD: (1, 1, 0),
    CommandKind.DEBIT_FOR_UNLOAD: (-1, 1, 0),
    CommandKind.DEBIT_FOR_PURCHASE: (-1, 0, 1),
}


class AnyLife(RuleBasedStateMachine):
    """Loads, purchases, unloads, noise and cuts in any order, against a model of what must have happened."""

    make_bench: ClassVar[Callable[..., Any]]

    @initialize(balance=st.integers(0, 5_000))
    def mint(self, balance):
        self.kept = None
        self.bench = self.make_bench(keep=self.keep, balance_fen=balance)
        self.model = (balance, 0, 0)
        self.moves = Counter()
        self.unlogged = 0

    def keep(self, image):
        self.kept = image.to_json()

    def complete(self, command, amount, point):
        """Send a completing command, perhaps cut; tell the model what must have happened."""
        if point is not None:
            self.bench.card.switch.arm(point)
        try:
            assert self.bench.sw(command) == SW.OK
        except CardGone:
            self.bench.back_in_the_field()
        if point == BEFORE:
            return
        sign, online, offline = DELTAS[commands.classify(command)]
        balance, online_atc, offline_atc = self.model
        self.moves["online", online_atc + 1] += online
        self.moves["offline", offline_atc + 1] += offline
        self.unlogged += point == 1
        self.model = (balance + sign * amount, online_atc + online, offline_atc + offline)

    @rule(amount=AMOUNTS, point=POINTS)
    def load(self, amount, point):
        init = self.bench.terminal.init_load(amount)
        self.complete(self.bench.terminal.credit(init, self.bench.when), amount, point)

    @rule(amount=AMOUNTS, point=POINTS, kind=st.sampled_from([TransactionType.EP_PURCHASE, TransactionType.CAPP]))
    def purchase(self, amount, point, kind):
        if amount > self.model[0]:
            assert self.bench.sw(commands.init_for_purchase(amount, bytes(6))) == SW.INSUFFICIENT_BALANCE
            return
        init = self.bench.terminal.init_purchase(amount, kind)
        self.complete(self.bench.terminal.debit(init, self.bench.serial, self.bench.when), amount, point)

    @rule(amount=AMOUNTS)
    def unload(self, amount):
        if amount > self.model[0]:
            assert self.bench.sw(commands.init_for_unload(amount, bytes(6))) == SW.INSUFFICIENT_BALANCE
            return
        self.bench.terminal.unload(amount, self.bench.when)
        balance, online_atc, offline_atc = self.model
        self.moves["online", online_atc + 1] += 1
        self.model = (balance - amount, online_atc + 1, offline_atc)

    @rule(amount=AMOUNTS, mac=st.binary(min_size=4, max_size=4))
    def forge(self, amount, mac):
        """A made-up MAC2, whose chance is one in 2³²."""
        self.bench.terminal.init_load(amount)
        assert self.bench.sw(commands.credit_for_load(self.bench.when, mac)) == SW.MAC_WRONG

    @rule(amount=AMOUNTS)
    def replay_across_a_power_cut(self, amount):
        init = self.bench.terminal.init_load(amount)
        credit = self.bench.terminal.credit(init, self.bench.when)
        self.bench.back_in_the_field()
        assert self.bench.sw(credit) == SW.CONDITIONS_NOT_SATISFIED
        self.bench.terminal.init_load(amount)
        assert self.bench.sw(credit) == SW.MAC_WRONG

    @rule(apdu=st.binary(max_size=24))
    def noise(self, apdu):
        self.bench.card.transmit(apdu)
        self.bench.back_in_the_field()

    @rule()
    def reload_from_what_was_kept(self):
        if self.kept:
            assert CardImage.from_json(self.kept).to_json() == self.bench.image.to_json()

    @invariant()
    def balance_and_counters_are_the_models(self):
        image = self.bench.image
        assert (image.balance_fen, image.online_atc, image.offline_atc) == self.model

    @invariant()
    def no_counter_value_moved_money_twice(self):
        assert all(times <= 1 for times in self.moves.values())

    @invariant()
    def each_cut_costs_the_log_at_most_one_record(self):
        done = self.model[1] + self.model[2]
        assert len(self.bench.image.records_of("0018")) == min(10, done - self.unlogged)


def test_any_sequence_of_commands_and_cuts_keeps_balance_and_counters_together(mint):
    class ThisLife(AnyLife):
        make_bench = staticmethod(mint)

    run_state_machine_as_test(ThisLife, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))
