"""The settings that are the city's own rules."""

from datetime import time
from functools import cache
from typing import Annotated

from msgspec import Meta

from tongka.settings_base import Seconds, Section

REPLIES_DAYS_MIN = 31
"""Longer than any partner goes on asking what became of a request."""


class City(Section, frozen=True):
    """The rules of this city. Dates are Asia/Shanghai."""

    day_cut: Annotated[
        str,
        Meta(
            description="HH:MM from which on a moment belongs to the next settlement date; 00:00: the calendar's days",
            pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        ),
    ] = "00:00"
    close_after_min: Annotated[
        int, Meta(description="minutes after the cut until the worker closes the day that is over", ge=1, le=1440)
    ] = 10
    replay_window_s: Annotated[Seconds, Meta(description="how far the time stamp of a new message may be off")] = 300
    bad_card_wait_days: Annotated[int, Meta(description="days until a returned bad card is paid out", ge=0, le=365)] = 7
    mac_failures_per_hour: Annotated[
        int, Meta(description="failed MACs of one card until it is refused", ge=1, le=100)
    ] = 5
    guesses_per_hour: Annotated[
        int,
        Meta(
            description="wrong passwords of recharge and group cards until a terminal or card is refused", ge=1, le=1000
        ),
    ] = 5
    domain_guesses_per_hour: Annotated[
        int, Meta(description="the same until a whole domain is refused; log and operators are told", ge=1, le=10**6)
    ] = 500
    silence_s: Annotated[Seconds, Meta(description="silence after which an authorised order's result is unknown")] = 300
    sweep_s: Annotated[Seconds, Meta(description="how often the worker looks for silent and abandoned orders")] = 30
    shared_load_keys: Annotated[
        bool, Meta(description="another platform loads with the same keys: a counter alone then proves nothing")
    ] = False
    keep_replies_days: Annotated[
        int, Meta(description="after which the card front's stored answers are removed, 31 or more; 0: never", ge=0)
    ] = 0

    @property
    def cut(self) -> time:
        return _time_of_day(self.day_cut)


_time_of_day = cache(time.fromisoformat)
