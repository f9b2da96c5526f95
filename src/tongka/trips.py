"""Trips (行程): the taps of a rider, one at a gate each, put together into what he is charged for. Pure.

Records arrive late, twice and shuffled, so nothing is decided before its time: taps are looked at up to a
**watermark**, the moment up to which every gate has told everything. Up to there their order is known, and so the same
trips come out however the records came in, and however often the watermark stops on the way.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum

from tongka.errors import Refused


class GateRole(StrEnum):
    """What passing a gate means. EITHER: a validator for getting on and off."""

    SINGLE = "single"
    ENTRY = "entry"
    EXIT = "exit"
    EITHER = "either"


class TripKind(StrEnum):
    """What is known of a trip. LATE: its tap came after its turn; a clerk decides, nobody is charged by himself."""

    SINGLE = "single"
    PAIRED = "paired"
    NO_EXIT = "no_exit"
    NO_ENTRY = "no_entry"
    LATE = "late"


@dataclass(frozen=True, slots=True, order=True)
class Tap:
    """One code let through at one gate; their order is that of time, then of gate and record.

    Attributes:
        code: names the code (whatever its bytes): it counts once, at the gate where it was shown first.

    """

    at: int
    gate_id: str
    record_id: str
    code: bytes = field(compare=False)
    service: str = field(compare=False)
    station: str = field(compare=False)
    role: GateRole = field(compare=False)


@dataclass(frozen=True, slots=True)
class Trip:
    """`last` is the exit of a paired trip."""

    kind: TripKind
    first: Tap
    last: Tap | None = None

    @property
    def taps(self) -> tuple[Tap, ...]:
        return (self.first,) if self.last is None else (self.first, self.last)


@dataclass(frozen=True, slots=True)
class Pairing:
    """The trips that are certain, in the order in which they became so; the entry that still waits for its exit."""

    trips: tuple[Trip, ...]
    waiting: Tap | None


MaxRide = Callable[[str], int]
"""The longest ride of a service, in seconds."""


def pair(taps: Iterable[Tap], until: int, max_ride_s: MaxRide, used: AbstractSet[bytes] = frozenset()) -> Pairing:
    """Put the taps of one rider together.

    Args:
        taps: all up to the watermark that belong to no trip yet, in any order, each as often as it likes.
        until: the watermark; an entry whose exit could still come waits.
        max_ride_s: of each service.
        used: codes of trips made before.

    """
    trips: list[Trip] = []
    waiting: Tap | None = None
    for tap in first_of_each_code(taps, used):
        waiting = _expire(waiting, tap.at, max_ride_s, trips)
        waiting = _take(waiting, tap, trips)
    waiting = _expire(waiting, until, max_ride_s, trips)
    return Pairing(tuple(trips), waiting)


def first_of_each_code(taps: Iterable[Tap], used: AbstractSet[bytes]) -> list[Tap]:
    """In their order, without repeats: a code that is shown at a thousand gates is charged once."""
    found: dict[bytes, Tap] = {}
    for tap in sorted(taps):
        if tap.code not in used:
            found.setdefault(tap.code, tap)
    return list(found.values())


def _expire(waiting: Tap | None, now: int, max_ride_s: MaxRide, trips: list[Trip]) -> Tap | None:
    """The entry if its exit may still come; else it is a trip without one."""
    if waiting is not None and now > waiting.at + max_ride_s(waiting.service):
        trips.append(Trip(TripKind.NO_EXIT, waiting))
        return None
    return waiting


def _take(waiting: Tap | None, tap: Tap, trips: list[Trip]) -> Tap | None:
    """One tap after another; the entry that waits then."""
    role = tap.role
    matches = waiting is not None and waiting.service == tap.service
    if role is GateRole.SINGLE:
        trips.append(Trip(TripKind.SINGLE, tap))
        return waiting
    if role is GateRole.EITHER:
        role = GateRole.EXIT if matches else GateRole.ENTRY
    if role is GateRole.EXIT and matches and waiting is not None:
        trips.append(Trip(TripKind.PAIRED, waiting, tap))
        return None
    if waiting is not None:
        trips.append(Trip(TripKind.NO_EXIT, waiting))
    if role is GateRole.ENTRY:
        return tap
    trips.append(Trip(TripKind.NO_ENTRY, tap))
    return None


# --- trades -----------------------------------------------------------------------------------------------------------


class TradeState(StrEnum):
    """Where the money of a trip stands."""

    FREE = "free"
    HELD = "held"
    DUE = "due"
    UNKNOWN = "unknown"
    SETTLED = "settled"
    FAILED = "failed"


class TradeEvent(StrEnum):
    """What the gateway said, or a person did. LOST: no answer that verifies; REFUSED_FOR_NOW: FAIL with need_retry."""

    SUCCESS = "success"
    REFUSED = "refused"
    REFUSED_FOR_NOW = "refused_for_now"
    LOST = "lost"
    NOT_SENT = "not_sent"
    RETRY = "retry"
    CHARGE = "charge"
    WAIVE = "waive"


SENDABLE = (TradeState.DUE, TradeState.UNKNOWN)


def _rows() -> dict[tuple[TradeState, TradeEvent], TradeState]:
    s, e = TradeState, TradeEvent
    sent = {
        e.SUCCESS: s.SETTLED,
        e.REFUSED: s.FAILED,
        e.REFUSED_FOR_NOW: s.DUE,
        e.LOST: s.UNKNOWN,
    }
    table = {(state, event): target for state in SENDABLE for event, target in sent.items()}
    return table | {
        (s.DUE, e.NOT_SENT): s.DUE,
        (s.UNKNOWN, e.NOT_SENT): s.UNKNOWN,  # it may have taken effect the time before
        (s.FAILED, e.RETRY): s.DUE,
        (s.UNKNOWN, e.RETRY): s.UNKNOWN,
        (s.DUE, e.RETRY): s.DUE,
        (s.HELD, e.CHARGE): s.DUE,
        (s.HELD, e.WAIVE): s.FREE,
    }


TRADE_MOVES: Mapping[tuple[TradeState, TradeEvent], TradeState] = _rows()
"""Every move of a trade; what is not here does not happen."""


class TradeMoveForbidden(Refused):
    """The trade's state does not allow this."""

    code = "trade_move_forbidden"


def next_trade_state(state: TradeState, event: TradeEvent) -> TradeState:
    """Where `event` takes a trade.

    Raises:
        TradeMoveForbidden: the table has no such row.

    """
    target = TRADE_MOVES.get((state, event))
    if target is None:
        raise TradeMoveForbidden(f"a trade that is {state} allows no {event}")
    return target


def sources_of(event: TradeEvent) -> Sequence[TradeState]:
    """The states in which an event can happen."""
    return [state for state, each in TRADE_MOVES if each is event]
