"""How often an application may call: so many requests in each second of the clock, counted by each web process."""

from collections.abc import MutableMapping
from datetime import datetime
from typing import Final

from tongka.partners.alipay.codes import CommonRefused

APPS_MAX: Final = 10_000
"""Counted at a time; only applications on the books are."""


class CallLimits:
    """Counts the calls of each application in the current second."""

    def __init__(self) -> None:
        self._second = 0
        self._calls: MutableMapping[str, int] = {}

    def count(self, app_id: str, per_second: int, now: datetime) -> None:
        """One call more.

        Raises:
            CommonRefused: there were as many in this second already; nothing else was done.

        """
        second = int(now.timestamp())
        if second != self._second or len(self._calls) >= APPS_MAX:
            self._second = second
            self._calls.clear()
        calls = self._calls[app_id] = self._calls.get(app_id, 0) + 1
        if calls > per_second:
            raise CommonRefused("isv.app-call-limited", f"{per_second} calls a second are taken; wait and ask again")
