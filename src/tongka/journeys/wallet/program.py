"""What a script is made of: phases that read what the element answered and say what comes next.

A script's whole state is a `Program`, a few plain values that are sealed and stored with every round; so any process
goes on where another stopped. A phase is named by its file and what it reads: ``load.credit`` reads the answer to
CREDIT FOR LOAD. It may be run twice with the same answers, and then comes to the same end: what it moves are orders,
whose moves compare before they set.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec

from tongka.card.apdu import ANSWER_MAX, Command, Response, StatusWord
from tongka.card.script import Exchange, Script
from tongka.journeys.call import Call, Outcome
from tongka.journeys.looks import MAC_FAILURES_COUNT, KnownCard, card_of
from tongka.journeys.wallet.calls import Journey, ask, quiet_call
from tongka.store import orders, wallet
from tongka.store.elements import Element
from tongka.store.orders import Order
from tongka.store.sight import Sight, Wanted
from tongka.store.wallet import CardPlace, Session, Standing, WalletOrder
from tongka.system import System

CARD_NOT_THERE, CARD_LOCKED = "card_not_there", "card_locked"
"""The element has no such instance, or it was locked."""
SETTLING = frozenset({"settle.told", "lock.settled"})
"""The phases that card management answers to, for whichever order broke off."""
SELECT, MORE_DATA = 0xA4, 0x61
"""An instruction, and the first byte of a status word: data wait to be fetched."""
TAKEN_MAX = 6
LOOKS_MAX = 16
"""How often a script may begin anew within one session before a person has to see to it."""


class Program(msgspec.Struct, omit_defaults=True):
    """Where a script stands.

    Attributes:
        phase: reads the answers to `sent`.
        sent: the commands of the latest order, before a secure channel wrapped them.
        after: the phase that follows once a secure channel stands.
        channel: the host's side of the secure channel, with its session keys.
        host_challenge, greeting: ours, and what the security domain answered to it: INITIALIZE UPDATE.
        challenge: what an INIT must repeat.
        order_no: the order that card management is at.
        taken: how often it took the element from a session that had fallen silent.
        met: the chip was asked who it is since the script began.
        cplc: what it answered.
        looks: how often the script has begun.
        started: the agent was told that the session starts.
        void: the latest order has no commands; those in `sent` are of an earlier one, whose answers may still come.
        failures: reports in a row by which the agent could not run anything.
        done: what an update has written.
        anew: what stands in the element under the card's name is no whole card: remove it and begin from nothing.
        refusals: of the element, to what only it can do.
        reason: why the script gives up, while it tidies up behind itself.
        seen: what stands there was read, and is no card that is in use.
        settled: a lock has asked once what became of a command that broke off.
        ended: the latest order told the agent to stop.

    """

    phase: str = ""
    sent: tuple[bytes, ...] = ()
    after: str = ""
    channel: dict[str, Any] = {}
    host_challenge: bytes = b""
    greeting: bytes = b""
    challenge: bytes = b""
    order_no: str = ""
    taken: int = 0
    met: bool = False
    cplc: bytes = b""
    looks: int = 0
    started: bool = False
    void: bool = False
    failures: int = 0
    done: tuple[int, ...] = ()
    anew: bool = False
    seen: bool = False
    settled: bool = False
    refusals: int = 0
    reason: str = ""
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What the agent is to be told: commands for the element, or the end, or nothing yet.

    Attributes:
        state: of the order, from now on.
        wait: nothing can be done yet; ask again.
        aside: another session works at the element; ask again.
        delay_ms: until the agent is to report again.

    """

    commands: tuple[bytes, ...] = ()
    state: Standing = Standing.RUNNING
    reason: str = ""
    wait: bool = False
    aside: bool = False
    delay_ms: int = 0

    @property
    def ends(self) -> bool:
        return self.state is not Standing.RUNNING

    @property
    def void(self) -> bool:
        return not self.commands and not self.ends


class LookAgain(Exception):  # noqa: N818 - a turn of the script, no error
    """The answers are not what the script expects: begin anew, by looking at the card."""


class ElementRefuses(LookAgain):
    """The element said no to what a sound one does: begin anew, but not for ever."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @classmethod
    def by(cls, step: str, sw: int) -> Self:
        """With a status word, which the reason tells."""
        return cls(f"{step}_refused_{sw:04X}")


def _answer(command: bytes, answer: bytes) -> Response | None:
    """A SELECT that tells of data to be fetched has selected (ISO 7816-4, 5.1.3): nobody needs what it would tell."""
    if not 2 <= len(answer) <= ANSWER_MAX:
        return None
    response = Response.parse(answer)
    waiting = command[1] == SELECT and response.sw >> 8 == MORE_DATA
    return response._replace(sw=StatusWord.OK) if waiting else response


@dataclass(frozen=True, slots=True)
class Heard:
    """The commands of an order, each with its answer; None where it is not to be had."""

    answers: tuple[tuple[Command, Response | None], ...]

    @classmethod
    def pair(cls, sent: Sequence[bytes], answers: Sequence[bytes]) -> "Heard":
        """Missing answers are empty ones; what is shorter than a status word was not to be had."""
        padded = [*answers, *(b"" for _ in sent)]
        return cls(
            tuple(
                (Command.parse(command), _answer(command, answer))
                for command, answer in zip(sent, padded, strict=False)
            )
        )

    @property
    def script(self) -> Script:
        """What was answered."""
        return tuple(Exchange(command, answer) for command, answer in self.answers if answer is not None)

    def __getitem__(self, number: int) -> Response | None:
        return self.answers[number][1]

    @property
    def all_ok(self) -> bool:
        return all(answer is not None and answer.ok for _, answer in self.answers)

    @property
    def refused(self) -> int:
        """The status word of a no, 0 if there is none; behind an answer that was lost it is only its consequence."""
        return self.refused_from(0)

    def refused_from(self, first: int) -> int:
        """The same, where the commands before the nth may be refused."""
        for number, (_, answer) in enumerate(self.answers):
            if answer is None:
                return 0
            if number >= first and not answer.ok:
                return answer.sw
        return 0

    def status(self, number: int) -> int:
        """A status word, 0 where there is no answer."""
        answer = self.answers[number][1]
        return 0 if answer is None else answer.sw


@dataclass(slots=True)
class Run:
    """One step of a script: what it may look at, and how it says what comes next."""

    system: System
    session: Session
    at: datetime
    program: Program = field(default_factory=Program)
    moved: bool = False
    """Something may have moved since the session was read."""
    proved: bytes | None = None
    """What the chip is, by a secure channel that has just opened."""

    @property
    def order(self) -> WalletOrder:
        return self.session.order

    @property
    def element(self) -> Element:
        return self.session.element

    @property
    def card(self) -> KnownCard:
        """As it was when the round began."""
        return card_of(self.session.card)

    @property
    def kept_out(self) -> bool:
        """Whether another session works at the element."""
        return self.session.is_kept_out(self.silent_since)

    @property
    def silent_since(self) -> datetime:
        """A session that had the element no longer than this has lost it.

        Whoever has taken it before waits longer each time: of two phones that are slower than the bound one gets on.
        """
        return self.at - self.program.taken * timedelta(seconds=self.system.settings.wallet.element_hold_s)

    def send(self, phase: str, *commands: Command, wrapped: Sequence[Command] | None = None) -> Said:
        """Commands for the element; `phase` reads what it answers. `wrapped`: as a secure channel sends them."""
        self.program.phase = phase
        self.program.sent = tuple(map(bytes, commands))
        return Said(tuple(map(bytes, wrapped if wrapped is not None else commands)))

    def stand_aside(self, delay_ms: int) -> Said:
        """Nothing for the element now; begin anew by looking at the card."""
        self.program.phase, self.program.sent, self.program.ended = "", (), False
        return Said(aside=True, delay_ms=delay_ms)

    def end(self, state: Standing, reason: str = "") -> Said:
        self.program.phase, self.program.sent, self.program.ended = "", (), True
        return Said(state=state, reason=reason)

    async def end_without_card(self) -> Said:
        """The element does not select the instance: it is locked, or not there."""
        held = await wallet.find_card(self.system.database, self.order.card_no)
        locked = held is not None and held.state is CardPlace.LOCKED
        return self.end(Standing.FAILED, CARD_LOCKED if locked else CARD_NOT_THERE)

    @property
    def call(self) -> Call:
        """To move orders with, where nobody is answered."""
        self.moved = True
        return quiet_call(self.system, self.order.institution, self.at)

    async def orders(self) -> dict[str, Order]:
        """Our own, by number, and the one of the card that has a command under way."""
        return await self.orders_now() if self.moved else self.session.orders

    async def orders_now(self) -> dict[str, Order]:
        """The same, looked up."""
        own = [number for number in (self.order.sale_no, self.order.load_no) if number]
        found = await orders.of_card(self.system.database, self.order.card_no, own)
        return {one.order_no: one for one in found}

    async def displaced(self) -> bool:
        """Whether the element holds another card in use on our books: what stands in it is not this order's."""
        return await wallet.other_card_in(self.system.database, self.element.se_id, self.order.card_no) is not None

    async def ask(self, journey: Journey, actor: str = "") -> Outcome:
        """What a journey answers; raises what it refuses with."""
        sight, self.moved = None if self.moved else self._sight(), True
        return await ask(self.system, actor or self.order.institution, self.at, journey, sight)

    def _sight(self) -> Sight:
        """What journeys look at first: the card, and the order that the script is at."""
        order_no = self.program.order_no if self.program.phase in SETTLING else self.order.load_no
        wanted = Wanted(
            request="",
            institution=self.order.institution,
            card_no=self.order.card_no,
            order_no=order_no,
            payment_order="",
            since=self.at - MAC_FAILURES_COUNT,
        )
        session = self.session
        return Sight(wanted, None, session.card, session.orders.get(order_no), session.mac_failures)


Phase = Callable[[Run, Heard], Awaitable[Said]]
Start = Callable[[Run, Mapping[str, Order]], Awaitable[Said]]
"""Begins a script; it is handed the orders as they stand."""
