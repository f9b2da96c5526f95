"""Refused messages that nobody vouches for: unreadable, of an unknown party, or wrongly signed.

Each is audited, but only so many a minute in each process: anybody who reaches the port can send them, and the trail is
kept for ever. What goes beyond is counted, and the next one that is audited says how many there were.
"""

from tongka.errors import Refused, TongkaError
from tongka.store import audit
from tongka.system import System

PER_MINUTE = 60
CLAIMED_MAX = 40
"""Characters of a claimed name; longer ones are no names of ours."""


class Unbelieved:
    """The notes of one process about one interface."""

    def __init__(self, system: System, interface: str) -> None:
        self._system = system
        self._interface = interface
        self._minute = 0
        self._in_minute = 0
        self._passed_over = 0

    async def note(self, operation: str, claimed: str, error: Refused) -> None:
        """One audit row, without a party's name as its actor: nobody has proved to be that party."""
        now = self._system.clock()
        minute = int(now.timestamp()) // 60
        if minute != self._minute:
            self._minute, self._in_minute = minute, 0
        self._in_minute += 1
        if self._in_minute > PER_MINUTE:
            self._passed_over += 1
            return
        passed_over, self._passed_over = self._passed_over, 0
        try:
            await audit.record(
                self._system.database,
                at=now,
                actor=f"{self._interface}?",
                action=f"refused {operation}",
                subject=error.code,
                detail=_detail(claimed, passed_over),
            )
        except TongkaError:
            self._passed_over += passed_over + 1
            raise


def _detail(claimed: str, passed_over: int) -> str:
    said = f"claims to be {claimed[:CLAIMED_MAX]!a}" if claimed else "names nobody"
    return f"{said}; {passed_over} others before it were not noted" if passed_over else said
