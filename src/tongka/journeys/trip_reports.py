"""Riders are told of their rides once they are paid (Alipay 3.1.1 step 12, 4.2.5), through a durable job.

A report is written with the move that settles its trip. The gateway counts a report once for its number, so that one
whose answer was lost is sent again; one that it refuses is kept with the reason, for a repeat would be refused as well.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Protocol

from tongka.errors import Failed, Refused, Unknown
from tongka.fares import FareUnknown
from tongka.journeys.trades import pause
from tongka.store import trip_reports, trips
from tongka.store.trip_reports import TripReport
from tongka.system import System

AT_ONCE: Final = 100
LEASE_S: Final = 120


@dataclass(frozen=True, slots=True)
class Told:
    """A trip as a rider is told of it: with its line's name, and the vehicle as 4.2.5.5 has it."""

    trip: TripReport
    line: str
    vehicle_type: str


class Reporter(Protocol):
    """Where rides are reported, those of one rider at a time. Raises Refused, Failed or Unknown."""

    async def report(self, rides: Sequence[Told]) -> None: ...


OpenReporter = Callable[[], AbstractAsyncContextManager[Reporter]]


async def tell_due(system: System, open_reporter: OpenReporter) -> int:
    """Tell of the rides that are due; how many were taken."""
    due = await trip_reports.claim(system.database, system.clock(), LEASE_S, AT_ONCE)
    if not due:
        return 0
    rides = await _described(system, due)
    async with open_reporter() as reporter:
        return sum([await _tell(system, reporter, list(of_one)) for _, of_one in groupby(rides, _rider)])


def _rider(ride: Told) -> str:
    return ride.trip.user_id


async def _described(system: System, due: Sequence[TripReport]) -> list[Told]:
    """With names out of the fare table that priced each."""
    tables = {table.version: table for table in await trips.fare_tables(system.database)}
    told = []
    for trip in due:
        try:
            service = tables[trip.fare_version].named(trip.service)
            told.append(Told(trip, service.name, service.vehicle))
        except (KeyError, FareUnknown):  # a person gave it a price
            told.append(Told(trip, trip.service, "BUS"))
    return told


async def _tell(system: System, reporter: Reporter, rides: Sequence[Told]) -> int:
    told = [ride.trip for ride in rides]
    try:
        await reporter.report(rides)
    except Refused as error:
        await trip_reports.not_told(system.database, told, None, str(error))
    except (Failed, Unknown) as error:
        again = system.clock() + pause(max(trip.attempts for trip in told))
        await trip_reports.not_told(system.database, told, again, str(error))
    else:
        await trip_reports.told(system.database, told, system.clock())
        return len(told)
    return 0
