"""Any story of top-ups ends right: a walk at random through orders, messages, cards and workers of the whole platform.

The real database, keys, card front and cards; a terminal that tears, replays, loses answers and invents; other
channels, rides, a payment institution that says anything, keys that fall silent. Afterwards everything is brought to
its end, and then cards, orders and books agree to the fen.
"""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from raw_front import CONFIRM, CREATE, REQUEST, Front, an_order, message, signed
from tongka.card.commands import CommandKind
from tongka.errors import CardGone, HsmUnavailable
from tongka.journeys import refund, sweep
from tongka.journeys.decide import decide
from tongka.orders import DONE, MANAGEABLE, Event, State
from tongka.payments import Answer
from tongka.sandbox.card.power import AFTER, BEFORE
from tongka.store import ledger, orders
from tongka.store.stamp import Stamp

MANAGE, MANAGE_CONFIRM, CANCEL = "chargeOrderManageRequest", "chargeOrderManageConfirm", "chargeOrderCancel"
CARDS, ORDERS_MAX = 2, 5
WALKS = int(os.environ.get("TONGKA_TEST_WALKS", "40"))
"""The same forty in the suite; another number walks elsewhere each time."""
STEPS = 30
WALKED = {
    Event.CREDITED,
    Event.SILENCE,
    Event.REPORTED_FAILED,
    Event.MANAGED_CREDITED,
    Event.MANAGED_NOT_CREDITED,
    Event.MANAGED_UNDECIDED,
    Event.DECIDED_NOT_CREDITED,
    Event.REFUND_YES,
}
ENDED = DONE | {State.REFUNDED}
ANSWERED = {"000000", "000152", "000154", "000155"}
SOME = st.integers(0, 30)
STAGES = st.integers(0, 6)
"""Of a top-up: INIT, the request for MAC2, its answer, CREDIT, the confirm."""
CUT = st.sampled_from([None, BEFORE, AFTER])
CREDIT = CommandKind.CREDIT_FOR_LOAD


@dataclass
class Told:
    """What the terminal knows of an order: everything that it was ever answered, to send it again.

    Attributes:
        credits: how often the card has run a CREDIT of this order.

    """

    card: int
    data: dict[str, Any]
    inits: list[dict[str, str]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    confirms: list[dict[str, str]] = field(default_factory=list)
    scripts: list[dict[str, Any]] = field(default_factory=list)
    managed: list[dict[str, str]] = field(default_factory=list)
    credits: int = 0

    @property
    def number(self) -> str:
        return self.data["orderno"]


def pick(things: list[Any], number: int) -> Any:
    return things[number % len(things)]


class Walk(RuleBasedStateMachine):
    """One story; `world` and `loop` are the test's."""

    world: Any
    loop: asyncio.AbstractEventLoop
    payments = 0

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def ask(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        """Send, remember for replays, and answer the data if it was accepted."""
        self.world.pass_time(seconds=1)  # no two commands bear the same second
        now = self.world.now[0]
        body = signed(self.world, message(data, reqdate=f"{now:%Y%m%d}", reqtime=f"{now:%H%M%S}"))
        answer = self.do(self.front.post(name, body))
        self.sent.append((name, body, answer))
        return answer

    @initialize()
    def cards_are_out(self) -> None:
        self.world.bank.pays, self.world.bank.refunds = Answer.YES, Answer.YES
        self.front = Front(self.world)
        self.cards = [self.do(self.world.card()) for _ in range(CARDS)]
        self.others = [0] * CARDS
        """What other channels loaded, less what rides cost."""
        self.orders: list[Told] = []
        self.sent: list[tuple[str, bytes, dict[str, Any]]] = []

    # --- the terminal -------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.orders) < ORDERS_MAX)
    @rule(card=st.integers(0, CARDS - 1), amount=st.sampled_from([500, 1_000]), stages=STAGES, cut=CUT)
    def top_up(self, card: int, amount: int, stages: int, cut: int | None) -> None:
        """As far as it gets."""
        Walk.payments += 1
        data = an_order(self.cards[card], str(amount), f"walk-{Walk.payments}")
        answer = self.ask(CREATE, data)
        assert answer["result"] == "000000", answer
        self.orders.append(Told(card, data | answer["data"]))
        self.again(len(self.orders) - 1, stages, cut)

    @precondition(lambda self: self.orders)
    @rule(which=SOME, stages=STAGES, cut=CUT)
    def again(self, which: int, stages: int, cut: int | None) -> None:
        told = pick(self.orders, which)
        if stages > 0:
            told.inits += self.run(told, told.data["apdulist"])
        if stages > 1 and told.inits:
            self.charge(told, told.inits[-1], lost=stages == 2)
        if stages > 3 and told.commands:
            told.confirms += self.run(told, told.commands[-1]["apdulist"], cut)
        if stages > 4 and told.confirms:
            self.ask(CONFIRM, told.data | told.confirms[-1])

    @precondition(lambda self: any(told.inits for told in self.orders))
    @rule(which=SOME, init=SOME, lost=st.booleans())
    def charge_with_any(self, which: int, init: int, lost: bool) -> None:
        """Also with the answers to an INIT that was run long ago, or for another order of this card."""
        told = pick(self.orders, which)
        known = [each for other in self.orders if other.card == told.card for each in other.inits]
        if known:
            self.charge(told, pick(known[::-1], init), lost=lost)

    def charge(self, told: Told, init: dict[str, str], *, lost: bool) -> None:
        answer = self.ask(REQUEST, told.data | init)
        if answer["result"] == "000000" and not lost:
            told.commands.append(answer["data"])

    @precondition(lambda self: any(told.commands for told in self.orders))
    @rule(which=SOME, command=SOME, cut=CUT)
    def credit(self, which: int, command: int, cut: int | None) -> None:
        told = pick([each for each in self.orders if each.commands], which)
        told.confirms += self.run(told, pick(told.commands[::-1], command)["apdulist"], cut)

    @precondition(lambda self: any(told.confirms for told in self.orders))
    @rule(which=SOME, answer=SOME, keys=st.sampled_from([True, True, False]))
    def confirm(self, which: int, answer: int, keys: bool) -> None:
        told = pick([each for each in self.orders if each.confirms], which)
        self.keys(answer=keys)
        self.ask(CONFIRM, told.data | pick(told.confirms[::-1], answer))
        self.keys(answer=True)

    @precondition(lambda self: any(told.commands for told in self.orders))
    @rule(which=SOME, answers=st.sampled_from(["000000009000", "6A80", "9302"]))
    def invent(self, which: int, answers: str) -> None:
        told = pick([each for each in self.orders if each.commands], which)
        self.ask(CONFIRM, told.data | {"apdunum": "1", "apdulist": told.commands[-1]["apdulist"], "apduresp": answers})

    @precondition(lambda self: self.sent)
    @rule(which=SOME)
    def replay(self, which: int) -> None:
        """A message again gets its answer again; an answer that was lost is had this way."""
        name, body, answer = pick(self.sent[::-1], which)
        again = self.do(self.front.post(name, body))
        assert again == answer or answer["result"] not in ANSWERED
        if name == REQUEST and again["result"] == "000000":
            told = next(each for each in self.orders if each.number.encode() in body)
            told.commands.append(again["data"])

    # --- card management, cancellation --------------------------------------------------------------------------------

    @precondition(lambda self: self.orders)
    @rule(which=SOME)
    def manage(self, which: int) -> None:
        told = pick(self.orders, which)
        answer = self.ask(MANAGE, told.data)
        if answer["result"] == "000000":
            told.scripts.append(answer["data"])

    @precondition(lambda self: any(told.scripts for told in self.orders))
    @rule(which=SOME, script=st.integers(0, 2))
    def run_script(self, which: int, script: int) -> None:
        told = pick([each for each in self.orders if each.scripts], which)
        told.managed += self.run(told, pick(told.scripts[::-1], script)["apdulist"])

    @precondition(lambda self: self.orders)
    @rule(which=SOME)
    def recover(self, which: int) -> None:
        told = pick(self.orders, which)
        if self.state(told) in MANAGEABLE:
            self.manage(which)
            told.managed += self.run(told, told.scripts[-1]["apdulist"])
            self.ask(MANAGE_CONFIRM, told.data | told.managed[-1])

    @precondition(lambda self: any(told.managed for told in self.orders))
    @rule(which=SOME, answers=st.integers(0, 3))
    def manage_confirm(self, which: int, answers: int) -> None:
        told = pick([each for each in self.orders if each.managed], which)
        self.ask(MANAGE_CONFIRM, told.data | pick(told.managed[::-1], answers))

    @precondition(lambda self: self.orders)
    @rule(which=SOME, sure=st.sampled_from([True, False, False]))
    def maybe_cancel(self, which: int, sure: bool) -> None:
        if sure:
            self.cancel(which)

    def cancel(self, which: int) -> None:
        told = pick(self.orders, which)
        self.ask(CANCEL, {"cardno": told.data["cardno"], "orderno": told.number})

    # --- the rest of the world ----------------------------------------------------------------------------------------

    @rule(says=st.sampled_from(Answer))
    def refunds(self, says: Answer) -> None:
        self.world.bank.refunds = says
        self.world.pass_time(minutes=2)
        self.do(refund.ask_again(self.world.system))

    @rule(minutes=st.sampled_from([1, 10]))
    def workers(self, minutes: int) -> None:
        self.world.pass_time(minutes=minutes)
        self.do(sweep.sweep(self.world.system))

    @rule(card=st.integers(0, CARDS - 1), fen=st.sampled_from([200, 500, 1_000]))
    def ride(self, card: int, fen: int) -> None:
        self.touch(card, -fen, offline_atc=1)

    @rule(card=st.integers(0, CARDS - 1))
    def another_channel(self, card: int) -> None:
        self.touch(card, 500, online_atc=1)

    def touch(self, card: int, fen: int, **counters: int) -> None:
        """Something else changes the card, which leaves our reader for it."""
        held = self.cards[card]
        told = held.image.to_json()
        if not 0 <= told["balance_fen"] + fen <= 50_000:
            return
        moved = {name: told[name] + by for name, by in counters.items()}
        proofs = {} if "online_atc" in counters else told.get("proofs", {})
        held.image = type(held.image).from_json(
            told | moved | {"balance_fen": told["balance_fen"] + fen, "proofs": proofs}
        )
        held.power_on()
        self.others[card] += fen

    def run(self, told: Told, commands: str, cut: int | None = None) -> list[dict[str, str]]:
        """The card's answers, none if it was torn out; and whether it ran a CREDIT is noted."""
        card = self.cards[told.card]
        before = card.image.online_atc
        if cut is not None:
            card.switch.arm(cut, kind=CREDIT)
        sent, answers = commands.split(","), []
        try:
            answers = [card.transmit(bytes.fromhex(one)).hex for one in sent]
        except CardGone:
            card.power_on()
        told.credits += card.image.online_atc - before
        return [{"apdunum": str(len(sent)), "apdulist": commands, "apduresp": ",".join(answers)}] if answers else []

    def keys(self, *, answer: bool) -> None:
        async def silent(*_: Any) -> None:
            raise HsmUnavailable("the key store does not answer")

        if answer:
            self.world.system.hsm.__dict__.pop("verify_load_tac", None)
        else:
            self.world.system.hsm.verify_load_tac = silent

    # --- the end ------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "orders"):
            return
        self.world.pass_time(hours=2)  # failed MACs are forgotten
        self.world.bank.refunds = Answer.YES
        self.do(sweep.sweep(self.world.system))
        for told in self.orders:
            self.end(told)
        self.do(self.agree())

    def end(self, told: Told) -> None:
        """Ask the card, then people; what is not on the card is refunded."""
        self.recover(self.orders.index(told))
        for who in ("li", "wang") if self.state(told) is State.UNDECIDED else ():
            stamp = Stamp(self.world.now[0], self.world.now[0].date(), who)
            seen = told.credits > 0
            self.do(decide(self.world.database, told.number, credited=seen, reason="the card", stamp=stamp))
        self.cancel(self.orders.index(told))
        self.do(refund.ask_again(self.world.system))
        assert self.state(told) in ENDED, self.state(told)

    def state(self, told: Told) -> State:
        return self.do(orders.by_number(self.world.database, told.number)).state

    async def agree(self) -> None:
        loaded = [0] * CARDS
        for told in self.orders:
            order = await orders.by_number(self.world.database, told.number)
            assert told.credits == (order.state in DONE), (told.number, order.state, told.credits)
            loaded[told.card] += order.amount_fen * told.credits
        for number, card in enumerate(self.cards):
            assert card.image.balance_fen == 5_000 + loaded[number] + self.others[number]
            assert await ledger.card_balance(self.world.database, card.image.card_no) == 5_000 + loaded[number]
        await self.world.books()


async def test_any_story_ends_with_cards_orders_and_books_in_agreement(world):
    Walk.world, Walk.loop = world, asyncio.get_running_loop()
    world.loaded_elsewhere = True
    quietly = settings(
        max_examples=WALKS,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize="TONGKA_TEST_WALKS" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, Walk, settings=quietly)
    moved = await world.database.fetch("SELECT DISTINCT action FROM audit")
    assert {row["action"] for row in moved} >= WALKED  # the stories go somewhere
