"""What a trip costs: fare tables read from TOML, and the rules over them. Pure; amounts are fen, moments unix seconds.

A city has **services** (a bus line, a metro network). A service is *flat*, priced by *zone* (how many zone borders lie
between two stations) or by *distance* (the shortest way over its legs). Over them stand transfers (a discount for going
on soon after another trip) and caps of a day and of a month. A trip that lacks its entry or exit costs what the service
says; it has no part in transfers and caps.

`docs/merchant.md` has the format, with an example.
"""

import heapq
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tongka.errors import Malformed, Refused

FARE_MAX_FEN = 0xFFFF
"""The highest limit that an Alipay code can name: a higher fare could never be settled."""

MAX_RIDE_S = 4 * 3600

Fare = Annotated[int, Meta(ge=0, le=FARE_MAX_FEN)]
Name = Annotated[str, Meta(min_length=1, max_length=32)]
Metres = Annotated[int, Meta(ge=0, le=1_000_000)]
Seconds = Annotated[int, Meta(ge=1, le=86_400)]
Incomplete = Fare | Literal["highest", "lowest"]
"""A fixed fare (0 is free), or the highest or lowest that the known station allows."""


class FareUnknown(Refused):
    """The fare table has no price for this trip; import one that has the service and its stations."""

    code = "fare_unknown"


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""


class Band(_Row, frozen=True, kw_only=True):
    """Distances up to and with `up_to_m` cost `fare_fen`; the last band has no end."""

    fare_fen: Fare
    up_to_m: Metres | None = None


class _Service(_Row, frozen=True, kw_only=True, tag_field="kind"):
    """What every service has.

    Attributes:
        vehicle: as commerce.data.send names it (Alipay 4.2.5.5).
        max_ride_s: an exit later than this after an entry does not belong to it.

    """

    id: Name
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    vehicle: Literal["BUS", "BRT", "LRT", "METRO", "FERRY"] = "BUS"
    max_ride_s: Seconds = MAX_RIDE_S
    missing_entry: Incomplete = "highest"
    missing_exit: Incomplete = "highest"


class Flat(_Service, frozen=True, kw_only=True, tag="flat"):
    """One fare, wherever one gets on or off."""

    fare_fen: Fare

    def fare(self, _start: str, _end: str) -> int:
        return self.fare_fen

    def fares_from(self, _station: str) -> list[int]:
        return [self.fare_fen]


class ByZone(_Service, frozen=True, kw_only=True, tag="zone"):
    """`fares_fen[n]` for n zone borders between two stations, its last entry for more."""

    zones: Annotated[Mapping[Name, Annotated[int, Meta(ge=0, le=999)]], Meta(min_length=1)]
    fares_fen: Annotated[tuple[Fare, ...], Meta(min_length=1)]

    def fare(self, start: str, end: str) -> int:
        borders = abs(self._zone(start) - self._zone(end))
        return self.fares_fen[min(borders, len(self.fares_fen) - 1)]

    def fares_from(self, station: str) -> list[int]:
        return [self.fare(station, other) for other in self.zones]

    def _zone(self, station: str) -> int:
        if station not in self.zones:
            raise FareUnknown(f"service {self.id} has no station {station!r}")
        return self.zones[station]


class ByDistance(_Service, frozen=True, kw_only=True, tag="distance", dict=True):
    """The band of the shortest way; `legs` are (station, station, metres), both ways."""

    legs: Annotated[tuple[tuple[Name, Name, Metres], ...], Meta(min_length=1)]
    bands: Annotated[tuple[Band, ...], Meta(min_length=1)]

    def fare(self, start: str, end: str) -> int:
        metres = self._metres_from(start).get(end)
        if metres is None:
            raise FareUnknown(f"service {self.id} has no way from {start!r} to {end!r}")
        return next(band.fare_fen for band in self.bands if band.up_to_m is None or metres <= band.up_to_m)

    def fares_from(self, station: str) -> list[int]:
        return [self.fare(station, other) for other in self._metres_from(station)]

    def _metres_from(self, start: str) -> Mapping[str, int]:
        if start not in self._neighbours:
            raise FareUnknown(f"service {self.id} has no station {start!r}")
        if start not in self._known:
            self._known[start] = shortest_ways(self._neighbours, start)
        return self._known[start]

    @cached_property
    def _neighbours(self) -> Mapping[str, list[tuple[str, int]]]:
        found: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for one, other, metres in self.legs:
            found[one].append((other, metres))
            found[other].append((one, metres))
        return dict(found)

    @cached_property
    def _known(self) -> dict[str, Mapping[str, int]]:
        return {}


def shortest_ways(neighbours: Mapping[str, list[tuple[str, int]]], start: str) -> dict[str, int]:
    """Metres from a station to every one that can be reached (Dijkstra)."""
    found: dict[str, int] = {}
    ahead = [(0, start)]
    while ahead:
        metres, station = heapq.heappop(ahead)
        if station in found:
            continue
        found[station] = metres
        for other, leg in neighbours[station]:
            heapq.heappush(ahead, (metres + leg, other))
    return found


Service = Flat | ByZone | ByDistance


class Transfer(_Row, frozen=True, kw_only=True, rename={"origins": "from", "targets": "to"}):
    """Who goes on with one of `to` within `within_s` after a trip with one of `from` pays `discount_fen` less."""

    origins: tuple[Name, ...]
    targets: tuple[Name, ...]
    within_s: Seconds
    discount_fen: Fare


class Caps(_Row, frozen=True, kw_only=True):
    """The most that a rider's complete trips cost together; None is no cap."""

    day_fen: Annotated[int, Meta(ge=0)] | None = None
    month_fen: Annotated[int, Meta(ge=0)] | None = None


class FareTable(_Row, frozen=True, kw_only=True):
    """A whole file: trips that begin on `valid_from` or later are priced by it, until the next table's."""

    version: Name
    valid_from: date
    service: Annotated[tuple[Service, ...], Meta(min_length=1)]
    transfer: tuple[Transfer, ...] = ()
    caps: Caps = Caps()

    def named(self, service: str) -> Service:
        """The service of that id.

        Raises:
            FareUnknown: it has none.

        """
        for one in self.service:
            if one.id == service:
                return one
        raise FareUnknown(f"fare table {self.version} has no service {service!r}")


def parse_fare_table(text: str) -> FareTable:
    """Read and check a table.

    Raises:
        Malformed: not TOML, a field missing or of another form, or a rule that contradicts itself; names it.

    """
    try:
        table = msgspec.convert(tomllib.loads(text), FareTable)
    except tomllib.TOMLDecodeError as error:
        raise Malformed("fare table", f"is not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise Malformed("fare table", str(error)) from error
    _check(table)
    return table


def _check(table: FareTable) -> None:
    names = [one.id for one in table.service]
    if twice := {name for name in names if names.count(name) > 1}:
        raise Malformed("service", f"{', '.join(sorted(twice))} stands twice")
    for row in table.transfer:
        if unknown := set(row.origins + row.targets) - set(names):
            raise Malformed("transfer", f"names services that there are not: {', '.join(sorted(unknown))}")
    for one in table.service:
        if isinstance(one, ByDistance):
            _check_bands(one)


def _check_bands(service: ByDistance) -> None:
    ends = [band.up_to_m for band in service.bands[:-1]]
    known = [end for end in ends if end is not None]
    if service.bands[-1].up_to_m is not None or len(known) != len(ends) or known != sorted(set(known)):
        raise Malformed("bands", f"of {service.id} rise by up_to_m, and only the last has none")


# --- pricing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spent:
    """What a rider's complete trips came to so far, and the last of them; amounts of the day and month named."""

    day: date = date.min
    day_fen: int = 0
    month_fen: int = 0
    last_service: str = ""
    last_end: int = 0

    def on(self, day: date) -> "Spent":
        """The same, seen from a day: what was spent on other days and in other months does not count."""
        same_month = (self.day.year, self.day.month) == (day.year, day.month)
        return Spent(
            day,
            self.day_fen if self.day == day else 0,
            self.month_fen if same_month else 0,
            self.last_service,
            self.last_end,
        )


@dataclass(frozen=True, slots=True)
class Ride:
    """A complete trip, as pricing sees it; of a flat service the stations may be empty."""

    service: str
    start: str
    end: str
    started_at: int
    ended_at: int
    day: date


def price(table: FareTable, ride: Ride, spent: Spent) -> tuple[int, Spent]:
    """What a complete trip costs after `spent`, and what is spent then: fare, less a transfer, up to the caps.

    Raises:
        FareUnknown: the table has no price for it.

    """
    before = spent.on(ride.day)
    fare = table.named(ride.service).fare(ride.start, ride.end)
    fare = max(0, fare - _discount(table, ride, before))
    for cap, already in ((table.caps.day_fen, before.day_fen), (table.caps.month_fen, before.month_fen)):
        if cap is not None:
            fare = min(fare, max(0, cap - already))
    return fare, Spent(ride.day, before.day_fen + fare, before.month_fen + fare, ride.service, ride.ended_at)


def _discount(table: FareTable, ride: Ride, before: Spent) -> int:
    """The first transfer that fits counts."""
    for row in table.transfer:
        fits = before.last_service in row.origins and ride.service in row.targets
        if fits and 0 <= ride.started_at - before.last_end <= row.within_s:
            return row.discount_fen
    return 0


def price_incomplete(table: FareTable, service: str, station: str, *, entered: bool) -> int:
    """What a trip costs of which only the entry (`entered`) or only the exit is known.

    Raises:
        FareUnknown: the table has no price for it.

    """
    found = table.named(service)
    rule = found.missing_exit if entered else found.missing_entry
    if isinstance(rule, int):
        return rule
    fares = found.fares_from(station)
    return max(fares) if rule == "highest" else min(fares)
