"""Following an order by server-sent events: its state at once, each change, a heartbeat, and an end."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
from fastapi.sse import ServerSentEvent

from tongka.app.schemas import OrderView
from tongka.errors import Failed
from tongka.journeys.refusals import TooManyRequests

POLL_S = 1.0
FOLLOWED_MAX_S = 300
"""Then the stream ends, and a client that still wants to know connects anew, with a token that is still good."""
HEARTBEAT_S = 10
"""Shorter than proxies' patience, which ends at 30 s and more."""
RETRY_MS = 2_000
STREAMS_MAX = 4
"""For each rider, at once, in one process."""
ENDED = frozenset({"done", "cancelled", "refunded", "failed"})
"""States that an order does not leave."""


@dataclass(slots=True)
class Streams:
    """How many each rider has open."""

    open: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def one_more(self, user_id: str) -> Iterator[None]:
        """Count a stream while it lasts.

        Raises:
            TooManyRequests: the rider has as many as are allowed.

        """
        if self.open[user_id] >= STREAMS_MAX:
            raise TooManyRequests(f"{STREAMS_MAX} streams are open; close one first")
        self.open[user_id] += 1
        try:
            yield
        finally:
            self.open[user_id] -= 1
            if not self.open[user_id]:
                del self.open[user_id]


def is_at_end(view: OrderView) -> bool:
    """Whether nothing more is told of it: money on its way is waited for, what is for people is not."""
    return view.state in ENDED and not (view.payout and view.payout.state == "sending")


async def changes(look: Callable[[], Awaitable[OrderView]]) -> AsyncIterator[ServerSentEvent]:
    """An `order` event for the state as it is and for each change; comments in between; `end` is the last event."""
    began = beat = time.monotonic()
    view = None
    while (now := time.monotonic()) - began < FOLLOWED_MAX_S:
        latest = await _seen(look, view)
        if latest is not None and latest != view:
            view, beat = latest, now
            yield ServerSentEvent(event="order", data=view, retry=RETRY_MS)
        elif now - beat >= HEARTBEAT_S:
            beat = now
            yield ServerSentEvent(comment="still here")
        if view is not None and is_at_end(view):
            break
        await anyio.sleep(POLL_S)
    yield ServerSentEvent(event="end", data=view.state if view else "")


async def _seen(look: Callable[[], Awaitable[OrderView]], known: OrderView | None) -> OrderView | None:
    """The order; while we cannot look, it is as it was."""
    try:
        return await look()
    except Failed:
        return known
