"""How the wallet calls the journeys that plastic cards take: their answers stay in the house."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from tongka.errors import Busy, TongkaError
from tongka.journeys.call import Call, Outcome
from tongka.store.sight import Sight
from tongka.system import System

CHANNEL = "10"
"""Huzhou appendix E: the operator's own app."""
TERMINAL = b"WALLET"
"""6 bytes, as INIT commands carry them."""

Hear = Callable[[Outcome | TongkaError], None]
Journey = Callable[[Call], Awaitable[bytes]]


def quiet_call(
    system: System, actor: str, at: datetime, hear: Hear = lambda _: None, sight: Sight | None = None
) -> Call:
    """A call whose repeats are answered anew; what it answers is only heard."""

    async def seal(outcome: Outcome | TongkaError) -> bytes:
        hear(outcome)
        return b""

    return Call(
        system=system,
        actor=actor,
        request="",
        digest=b"",
        at=at,
        channel=CHANNEL,
        terminal=TERMINAL,
        seal=seal,
        sight=sight,
    )


async def ask(system: System, actor: str, at: datetime, journey: Journey, sight: Sight | None = None) -> Outcome:
    """What a journey answers; `sight`: what was seen of the card and the order already.

    Raises:
        TongkaError: what it refuses with.

    """
    heard: list[Outcome | TongkaError] = []
    await journey(quiet_call(system, actor, at, heard.append, sight))
    if not heard:
        raise Busy("the journey gave no answer")
    if isinstance(heard[-1], TongkaError):
        raise heard[-1]
    return heard[-1]
