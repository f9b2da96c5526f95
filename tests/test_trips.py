"""Pairing: stories, and that neither order nor repeats nor the watermark's stops change the trips."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.trips import (
    TRADE_MOVES,
    GateRole,
    Tap,
    TradeEvent,
    TradeMoveForbidden,
    TradeState,
    TripKind,
    next_trade_state,
    pair,
)

MAX_RIDE = 100
END = 10_000


def tap(at, role, service="metro", gate="g1", code=None, record=None):
    return Tap(
        at=at,
        gate_id=gate,
        record_id=record or f"{at} {role} {service} {code!r}",
        code=code or f"{at} {gate} {role}".encode(),
        service=service,
        station=gate,
        role=GateRole(role),
    )


def told(taps, until=END, **options):
    found = pair(taps, until, lambda _: MAX_RIDE, **options)
    return [(trip.kind.value, *(one.at for one in trip.taps)) for trip in found.trips], found.waiting


@pytest.mark.parametrize(
    ("taps", "expected"),
    [
        ([tap(1, "single", "bus")], [("single", 1)]),
        ([tap(1, "entry"), tap(9, "exit")], [("paired", 1, 9)]),
        ([tap(1, "entry"), tap(101, "exit")], [("paired", 1, 101)]),
        ([tap(1, "entry"), tap(102, "exit")], [("no_exit", 1), ("no_entry", 102)]),
        ([tap(1, "entry"), tap(5, "entry"), tap(9, "exit")], [("no_exit", 1), ("paired", 5, 9)]),
        ([tap(1, "exit")], [("no_entry", 1)]),
        ([tap(1, "entry"), tap(9, "exit", "ferry")], [("no_exit", 1), ("no_entry", 9)]),
        ([tap(1, "entry"), tap(5, "single", "bus"), tap(9, "exit")], [("single", 5), ("paired", 1, 9)]),
        ([tap(1, "either", "tram"), tap(9, "either", "tram")], [("paired", 1, 9)]),
        ([tap(1, "either", "tram"), tap(9, "either", "ferry")], [("no_exit", 1), ("no_exit", 9)]),
        ([tap(1, "entry"), tap(150, "single", "bus")], [("no_exit", 1), ("single", 150)]),
    ],
)
def test_stories(taps, expected):
    assert told(taps) == (expected, None)


def test_an_entry_waits_as_long_as_its_exit_may_come():
    entry = tap(1, "entry")
    assert told([entry], until=101) == ([], entry)
    assert told([entry], until=102) == ([("no_exit", 1)], None)


def test_copies_of_a_code_count_once_where_it_was_shown_first():
    copies = [tap(9 + n, "single", "bus", gate=f"g{n}", code=b"same") for n in range(1000)]
    assert told(reversed(copies))[0] == [("single", 9)]
    assert told(copies, used={b"same"})[0] == []


taps = st.builds(
    tap,
    at=st.integers(0, 400),
    role=st.sampled_from(list(GateRole)),
    service=st.sampled_from(["metro", "bus"]),
    gate=st.sampled_from(["g1", "g2", "g3"]),
    code=st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"]),
)


@given(st.lists(taps, max_size=12).flatmap(lambda few: st.tuples(st.just(few), st.permutations(few + few))))
def test_shuffled_and_twice_gives_the_same_trips(both):
    few, shuffled = both
    assert told(few) == told(shuffled)


@given(few=st.lists(taps, max_size=12), stops=st.sets(st.integers(0, 600), max_size=5))
def test_the_watermarks_stops_change_nothing(few, stops):
    trips, used, waiting = [], set(), None
    for before, until in pairwise([-1, *sorted(stops), END]):
        arrived = [one for one in few if before < one.at <= until]
        found = pair([*arrived, *([waiting] if waiting else [])], until, lambda _: MAX_RIDE, used)
        trips += found.trips
        waiting = found.waiting
        used |= {one.code for trip in found.trips for one in trip.taps}
    assert trips == list(pair(few, END, lambda _: MAX_RIDE).trips)


@given(st.lists(taps, max_size=12))
def test_every_code_is_in_exactly_one_trip(few):
    trips = pair(few, END, lambda _: MAX_RIDE).trips
    codes = [one.code for trip in trips for one in trip.taps]
    assert sorted(codes) == sorted({one.code for one in few})
    assert all((trip.kind is TripKind.PAIRED) == (trip.last is not None) for trip in trips)


@pytest.mark.parametrize("state", TradeState)
@pytest.mark.parametrize("event", TradeEvent)
def test_every_move_is_the_tables_or_forbidden(state, event):
    if (state, event) in TRADE_MOVES:
        assert next_trade_state(state, event) is TRADE_MOVES[state, event]
    else:
        with pytest.raises(TradeMoveForbidden):
            next_trade_state(state, event)


def test_what_is_settled_or_free_never_moves_again():
    ended = {TradeState.SETTLED, TradeState.FREE}
    assert not [state for state, _ in TRADE_MOVES if state in ended]
