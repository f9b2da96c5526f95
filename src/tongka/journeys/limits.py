"""How often somebody may call in a minute, in all web processes together.

A process counts for itself, and once a second puts its counts to the others' in one statement, which answers the sums.
So a limit holds however many processes there are, but for what they answer within one second.
"""

from collections import Counter
from datetime import datetime, timedelta

from tongka.journeys.refusals import TooManyRequests
from tongka.store import calls
from tongka.system import System

TOGETHER_EVERY = timedelta(seconds=1)
MINUTE_S = 60


class Limits:
    """The counts of one process: its own since it last asked, and everybody's by then."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._minute = 0
        self._asked_at: datetime | None = None
        self._own: Counter[str] = Counter()
        self._all: Counter[str] = Counter()

    async def count(self, *limited: tuple[str, int]) -> None:
        """Count a request for each scope, of which there may be so many in a minute.

        Raises:
            TooManyRequests: the first whose limit of this minute is reached; those behind it are not counted.

        """
        await self._put_together(self._system.clock())
        for scope, most in limited:
            self._own[scope] += 1
            if self._all[scope] + self._own[scope] > most:
                raise TooManyRequests("more requests than agreed within a minute")

    async def _put_together(self, now: datetime) -> None:
        minute = int(now.timestamp()) // MINUTE_S
        if minute != self._minute:
            self._minute, self._own, self._all = minute, Counter(), Counter()
        if not self._own or (self._asked_at and now - self._asked_at < TOGETHER_EVERY):
            return
        self._asked_at, told, self._own = now, self._own, Counter()
        self._all.update(told)  # what others of this process see until the answer is here
        sums = await calls.count(self._system.database, minute, told)
        if minute == self._minute:
            self._all |= sums
