"""One request on its way through a journey, and what the journey answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from tongka.card.apdu import Command
from tongka.errors import TongkaError
from tongka.orders import Event
from tongka.store import orders as store
from tongka.store.orders import Move, Order, Reply
from tongka.store.sight import Sight
from tongka.store.stamp import Stamp
from tongka.system import System

PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Where the same request, or another of the order or card, is being answered: how long to wait, then to look again."""


class Verdict(StrEnum):
    """What card management found."""

    DONE = "done"
    CREDITED = "credited"
    NOT_CREDITED = "not_credited"
    CLERK = "clerk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a journey came to; the partner's edge words it.

    Attributes:
        order: as the move leaves it; None where no order is concerned.
        commands: for the card to run next.
        detail: whatever an operation answers besides.

    """

    at: datetime
    settlement_date: date
    order: Order | None = None
    commands: tuple[Command, ...] = ()
    verdict: Verdict = Verdict.DONE
    detail: Any = None


Seal = Callable[[Outcome | TongkaError], Awaitable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who asks, when, under which name.

    Attributes:
        actor: the institution, for ownership and the audit.
        request: names the request for repeats; empty where repeats are answered anew.
        digest: of its contents.
        terminal: 6 bytes, as INIT commands carry it.
        seal: makes the answer's bytes, signed.
        closes_by_counter: the interface has no confirm, so that its loads end with the card's next counter.
        sight: what was seen of the request's card and order when it came in, or None.

    """

    system: System
    actor: str
    request: str
    digest: bytes
    at: datetime
    channel: str
    terminal: bytes
    seal: Seal
    closes_by_counter: bool = False
    sight: Sight | None = None

    @property
    def day(self) -> date:
        return self.system.day(self.at)

    @property
    def stamp(self) -> Stamp:
        return Stamp(self.at, self.day, self.actor)

    def outcome(self, order: Order | None = None, **parts: Any) -> Outcome:
        """What is answered about an order names the order's settlement date, whenever it is answered."""
        day = order.settlement_date if order else self.day
        return Outcome(at=self.at, settlement_date=day, order=order, **parts)

    async def answer(self, outcome: Outcome | TongkaError, action: str, detail: str = "") -> bytes:
        """Answer without moving anything; remembered for repeats, where the request has a name."""
        body = await self.seal(outcome)
        if self.request:
            await store.store_reply(self.system.database, self._reply(body), self.stamp, action, detail)
        return body

    async def move(self, order: Order, event: Event, outcome: Outcome | TongkaError, **parts: Any) -> bytes:
        """Move the order and answer, in one transaction."""
        step = self.step(order, event, **parts)
        if isinstance(outcome, Outcome):
            outcome = replace(outcome, order=step.moved, settlement_date=step.moved.settlement_date)
        body = await self.seal(outcome)
        await store.move(self.system.database, step.answered(self._reply(body) if self.request else None))
        return body

    async def move_on(self, order: Order, event: Event, **parts: Any) -> Order:
        """Move the order without an answer; the order as it now stands."""
        step = self.step(order, event, **parts)
        await store.move(self.system.database, step)
        return step.moved

    async def create(self, order: Order, outcome: Outcome, *, card_status: str = "") -> bytes:
        """A new order and its answer, and a new status of its card if one is given, in one transaction."""
        body = await self.seal(replace(outcome, order=order))
        await store.create(self.system.database, order, self.actor, self._reply(body), card_status)
        return body

    def step(self, order: Order, event: Event, **parts: Any) -> Move:
        return Move(order=order, event=event, at=self.at, settlement_date=self.day, actor=self.actor, **parts)

    def _reply(self, body: bytes) -> Reply:
        return Reply(self.request, self.digest, body)
