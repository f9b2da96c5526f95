"""Telling others by HTTP until they have taken it: what every kind of notice has in common.

A notice is a row that is committed with what it tells of. A worker claims it for the time of a lease, posts it, and
ends it or sets its next time; a worker that dies leaves it to the next when the lease is over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import httpx

PAUSES: Final = tuple(timedelta(minutes=minutes) for minutes in (4, 10, 10, 60, 120, 360, 900))
"""After the first try and each of the next; then no more."""
AT_ONCE: Final = 20
TIMEOUT_S: Final = 10
LEASE: Final = timedelta(seconds=60)
ANSWER_MAX: Final = 64
"""Bytes of an answer that are looked at."""


Notice = TypeVar("Notice")


async def deliver_all(due: Sequence[Notice], deliver: Callable[[httpx.AsyncClient, Notice], Awaitable[bool]]) -> int:
    """Deliver what was claimed, all at once; answers how many were taken.

    Redirects are not followed: a notice goes where it was agreed, or nowhere.
    """
    if not due:
        return 0
    async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as http:
        return sum(await asyncio.gather(*(deliver(http, notice) for notice in due)))


def next_try(now: datetime, attempts: int) -> datetime | None:
    """When to try again after so many tries; None: never."""
    return now + PAUSES[attempts - 1] if attempts <= len(PAUSES) else None


async def post(http: httpx.AsyncClient, url: str, **message: Any) -> bytes | None:
    """What was answered, as far as it is looked at; None where it was no success. `message` is httpx's own."""
    try:
        async with http.stream("POST", url, **message) as answer:
            body = b""
            async for chunk in answer.aiter_bytes(ANSWER_MAX):
                body += chunk
                if len(body) > ANSWER_MAX:
                    break
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    return body if answer.is_success else None
