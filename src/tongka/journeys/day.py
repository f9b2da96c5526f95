"""The end of a business day: it is shut, and added up. Any number of workers may do it at the same time."""

from datetime import date, timedelta

from tongka.days import business_date
from tongka.store import days
from tongka.store.days import ONE_DAY, DayRefused
from tongka.store.stamp import Stamp
from tongka.system import System

ACTOR = "day end"


async def close_due(system: System) -> list[date]:
    """What the worker does: every day that has been over for long enough; the days that were closed."""
    now = system.clock()
    await system.open_day.refresh()
    settled = now - timedelta(minutes=system.settings.city.close_after_min)
    until = business_date(settled, system.settings.city.cut) - ONE_DAY
    return await _close(system, until, Stamp(now, system.day(now), ACTOR))


async def close(system: System, day: date, stamp: Stamp, *, early: bool = False) -> list[date]:
    """Close a day, for a person; what was closed or added up with this call, nothing where all was done before.

    `early` cuts a day that is not over yet: what comes from now on belongs to the next one.

    Raises:
        DayRefused: it is not over, or a day before it is open.

    """
    today = business_date(system.clock(), system.settings.city.cut)
    if day > today or (day == today and not early):
        raise DayRefused(f"{day} is not over yet; the last day that is over is {today - ONE_DAY}")
    first = await days.first_open(system.database, day)
    if first and first < day:
        raise DayRefused(f"{first} is open; days are closed one after the other")
    return await _close(system, day, stamp)


async def close_over(system: System, stamp: Stamp) -> list[date]:
    """Close every day that is over, for a person."""
    today = business_date(system.clock(), system.settings.city.cut)
    return await _close(system, today - ONE_DAY, stamp)


async def _close(system: System, until: date, stamp: Stamp) -> list[date]:
    """Shut what is open up to a day, one after the other, and add up what is not added up; where others are at it as
    well, each step is done once.
    """
    database, done = system.database, set[date]()
    first = await days.first_open(database, until)
    while first and first <= until:
        if await days.shut(database, first, stamp):
            done.add(first)
        first += ONE_DAY
    for shut in await days.without_figures(database):
        if await days.add_up(database, shut, stamp):
            done.add(shut)
    await system.open_day.refresh()
    return sorted(done)
