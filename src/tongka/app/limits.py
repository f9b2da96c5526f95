"""How often a rider, or an address that is not logged in, may ask: so many at once, and so many a second after that."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from tongka.journeys.refusals import TooManyRequests

KNOWN_MAX = 100_000


@dataclass(slots=True)
class Limit:
    """A bucket for each name; the longest unused are forgotten."""

    burst: int
    per_second: float
    clock: Callable[[], float]
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, name: str) -> None:
        """Count one request.

        Raises:
            TooManyRequests: the bucket is empty.

        """
        now = self.clock()
        left, at = self._buckets.pop(name, (float(self.burst), now))
        left = min(self.burst, left + (now - at) * self.per_second)
        self._buckets[name] = (max(0.0, left - 1), now)
        if len(self._buckets) > KNOWN_MAX:
            self._buckets.popitem(last=False)
        if left < 1:
            raise TooManyRequests("too many requests; slow down and try again")
