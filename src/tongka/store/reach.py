"""Whether the database is there: one line in the log when it goes, and one when it is back."""

import time

import structlog

log = structlog.get_logger()


class Reach:
    """What one process saw of its database when it last asked for a connection."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    @property
    def away(self) -> bool:
        return self._since_s is not None

    def lost(self, error: BaseException) -> None:
        """No connection could be made."""
        if self._since_s is None:
            self._since_s = time.monotonic()
            log.error("the database is away", text=str(error) or type(error).__name__)

    def found(self) -> None:
        """A connection could be made again."""
        if self._since_s is not None:
            log.warning("the database is back", away_s=round(time.monotonic() - self._since_s, 1))
            self._since_s = None
