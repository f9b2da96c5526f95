"""From taps to trips: pairing up to the watermark, pricing, and the trades that come of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tongka.days import ZONE, business_date
from tongka.fares import FareTable, FareUnknown, Ride, Spent, price, price_incomplete
from tongka.store import taps, trips
from tongka.store.taps import OpenTap, Rider
from tongka.store.trips import NewTrip, SeenTap, Spending, Turn
from tongka.system import System
from tongka.trips import GateRole, Tap, TradeState, Trip, TripKind, first_of_each_code, pair

RIDERS_AT_ONCE = 500
SUBJECT_MAX = 128
NOBODY = Rider("", "", "")


@dataclass(frozen=True, slots=True)
class Priced:
    """A trip with what it costs; `state` is held where a person has to decide."""

    trip: Trip
    fare_version: str
    amount_fen: int
    state: TradeState


class Tables:
    """The fare tables, by the day from which they are valid."""

    def __init__(self, tables: Sequence[FareTable]) -> None:
        self._tables = sorted(tables, key=lambda table: table.valid_from, reverse=True)

    def of(self, tap: Tap) -> FareTable:
        """The table for a trip that began with this tap.

        Raises:
            FareUnknown: it lies before the first table.

        """
        day = datetime.fromtimestamp(tap.at, ZONE).date()
        for table in self._tables:
            if table.valid_from <= day:
                return table
        raise FareUnknown(f"no fare table is valid on {day}; import one")

    def max_ride_s(self, service: str) -> int:
        """The longest that any table allows, so that a new table cuts no ride in two."""
        return max((one.max_ride_s for table in self._tables for one in table.service if one.id == service), default=0)


async def make_trips(system: System) -> int:
    """Move the watermark on and make the trips that are certain; answers how many."""
    now = system.clock()
    oldest = now - timedelta(seconds=system.settings.merchant.patience_s)
    until = await taps.move_watermark(system.database, oldest, now)
    tables = Tables(await trips.fare_tables(system.database))
    made, after = 0, NOBODY
    while riders := await taps.riders_with_open_taps(system.database, until, after, RIDERS_AT_ONCE):
        known = await trips.spending(system.database, riders)  # before the taps: its version says if they are current
        found = await taps.open_taps(system.database, riders, until)
        turns = [_turn(system, tables, each, known[each], found=found[each], until=until) for each in riders]
        made += await trips.make(system.database, turns, now)
        after = riders[-1]
    return made


def _turn(
    system: System, tables: Tables, rider: Rider, known: Spending, *, found: Sequence[OpenTap], until: datetime
) -> Turn:
    """What becomes of one rider's open taps."""
    in_time = [one.tap for one in found if not one.late]
    used = frozenset(one.tap.code for one in found if one.used)
    pairing = pair(in_time, int(until.timestamp()), tables.max_ride_s, used)
    late = first_of_each_code([one.tap for one in found if one.late], used | {tap.code for tap in in_time})
    spent = known.spent
    priced: list[Priced] = []
    for trip in (*pairing.trips, *(Trip(TripKind.LATE, tap) for tap in late)):
        one, spent = price_trip(system, tables, trip, spent)
        priced.append(one)
    new = [_new_trip(system, one, found) for one in priced]
    seen = [_seen(one.tap, priced, pairing.waiting, tables) for one in found]
    return Turn(rider, known.version, spent, new, seen)


def price_trip(system: System, tables: Tables, trip: Trip, spent: Spent) -> tuple[Priced, Spent]:
    """What a trip costs, and what its rider has spent then. One without a price is held for a person."""
    try:
        table = tables.of(trip.first)
        if trip.kind in (TripKind.SINGLE, TripKind.PAIRED):
            amount, spent = price(table, _ride(system, trip), spent)
        else:
            entered = trip.first.role is not GateRole.EXIT
            amount = price_incomplete(table, trip.first.service, trip.first.station, entered=entered)
    except FareUnknown:
        return Priced(trip, "", 0, TradeState.HELD), spent
    state = TradeState.DUE if amount else TradeState.FREE
    return Priced(trip, table.version, amount, TradeState.HELD if trip.kind is TripKind.LATE else state), spent


def _ride(system: System, trip: Trip) -> Ride:
    last = trip.last or trip.first
    return Ride(
        service=trip.first.service,
        start=trip.first.station,
        end=last.station,
        started_at=trip.first.at,
        ended_at=last.at,
        day=_day(system, trip.first),
    )


def _day(system: System, tap: Tap) -> date:
    return business_date(taps.moment(tap.at), system.settings.city.cut)


def _seen(tap: Tap, priced: Sequence[Priced], waiting: Tap | None, tables: Tables) -> SeenTap:
    """A tap that is in no trip though its turn is over shows a code that was counted elsewhere."""
    if tap == waiting:
        end = tap.at + tables.max_ride_s(tap.service) + 1
        return SeenTap(tap.gate_id, tap.record_id, "open", taps.moment(end))
    belongs = any(tap in one.trip.taps for one in priced)
    return SeenTap(tap.gate_id, tap.record_id, "trip" if belongs else "copy", taps.moment(tap.at))


def _new_trip(system: System, priced: Priced, found: Sequence[OpenTap]) -> NewTrip:
    trip, first, last = priced.trip, priced.trip.first, priced.trip.last
    vehicle = next(one.vehicle for one in found if one.tap == first)
    return NewTrip(
        out_trade_no=out_trade_no(first),
        kind=trip.kind.value,
        service=first.service,
        started_at=taps.moment(first.at),
        business_date=_day(system, first),
        first_gate=first.gate_id,
        first_record=first.record_id,
        last_gate=last.gate_id if last else "",
        last_record=last.record_id if last else "",
        subject=subject(trip, vehicle),
        fare_version=priced.fare_version,
        amount_fen=priced.amount_fen,
        state=priced.state,
    )


def out_trade_no(first: Tap) -> str:
    """A trip's number, made of its first tap: gate, time, and a digest for what characters do not fit (4.2.3.5)."""
    gate = "".join(each for each in first.gate_id if each.isascii() and each.isalnum())[:20]
    digest = hashlib.sha256(f"{first.gate_id}|{first.record_id}|".encode() + first.code).hexdigest()[:20]
    return f"{gate}_{taps.moment(first.at):%Y%m%d%H%M%S}_{digest}".upper()


def subject(trip: Trip, vehicle: str) -> str:
    """What the rider reads on his bill: service, vehicle or stations, time (4.2.3.5)."""
    places = [trip.first.station, trip.last.station if trip.last else ""]
    where = "→".join(place for place in places if place) or vehicle
    parts = (trip.first.service, where, f"{taps.moment(trip.first.at):%H:%M}")
    return "-".join(part for part in parts if part)[:SUBJECT_MAX]
