"""Fares: tables read and refused, each kind of service, transfers, caps, and what is incomplete."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.errors import Malformed
from tongka.fares import FareUnknown, Ride, Spent, parse_fare_table, price, price_incomplete

TEXT = """
version = "2026-01"
valid_from = 2026-01-01

[caps]
day_fen = 1000
month_fen = 5000

[[service]]
id = "bus-192"
name = "192路"
kind = "flat"
fare_fen = 200

[[service]]
id = "tram"
name = "有轨电车"
kind = "zone"
vehicle = "LRT"
zones = { a = 1, b = 2, c = 5 }
fares_fen = [100, 200, 300]
missing_exit = "lowest"
missing_entry = 250

[[service]]
id = "metro"
name = "地铁"
kind = "distance"
vehicle = "METRO"
legs = [["A", "B", 4000], ["B", "C", 4000], ["A", "D", 1000], ["D", "C", 2000]]
bands = [{ up_to_m = 3000, fare_fen = 300 }, { up_to_m = 6000, fare_fen = 400 }, { fare_fen = 500 }]

[[transfer]]
from = ["bus-192", "tram"]
to = ["metro"]
within_s = 3600
discount_fen = 100
"""
TABLE = parse_fare_table(TEXT)
DAY = date(2026, 3, 2)


def ride(service, start="", end="", at=0, ended=0, day=DAY):
    return Ride(service, start, end, at, ended or at, day)


def fare(*arguments, spent=None, **options):
    return price(TABLE, ride(*arguments, **options), spent or Spent())[0]


@pytest.mark.parametrize(
    ("service", "start", "end", "expected"),
    [
        ("bus-192", "", "", 200),
        ("tram", "a", "a", 100),
        ("tram", "a", "b", 200),
        ("tram", "c", "a", 300),
        ("metro", "A", "A", 300),
        ("metro", "A", "C", 300),  # by D: 3,000 m, not 8,000 by B
        ("metro", "D", "B", 400),
        ("metro", "B", "D", 400),
    ],
)
def test_fares_of_each_kind(service, start, end, expected):
    assert fare(service, start, end) == expected


@pytest.mark.parametrize(("service", "station"), [("ferry", ""), ("tram", "z"), ("metro", "Z")])
def test_what_the_table_does_not_know_has_no_price(service, station):
    with pytest.raises(FareUnknown):
        fare(service, station, "A")


@pytest.mark.parametrize(
    ("service", "station", "entered", "expected"),
    [
        ("tram", "b", True, 100),
        ("tram", "b", False, 250),
        ("metro", "A", True, 400),
        ("metro", "C", False, 400),
        ("bus-192", "", True, 200),
    ],
)
def test_incomplete_trips_cost_what_the_service_says(service, station, entered, expected):
    assert price_incomplete(TABLE, service, station, entered=entered) == expected


def test_going_on_soon_is_cheaper():
    _, spent = price(TABLE, ride("bus-192", at=0), Spent())
    assert fare("metro", "A", "C", at=3600, spent=spent) == 200
    assert fare("metro", "A", "C", at=3601, spent=spent) == 300
    assert fare("bus-192", at=10, spent=spent) == 200


def test_no_discount_without_a_trip_before():
    assert fare("metro", "A", "C", at=10) == 300


def test_the_day_and_the_month_have_caps():
    spent = Spent()
    paid = []
    for nth in range(7):
        one, spent = price(TABLE, ride("bus-192", at=nth * 7200), spent)
        paid.append(one)
    assert paid == [200] * 5 + [0, 0]
    assert fare("bus-192", day=date(2026, 3, 3), spent=spent) == 200
    nearly = Spent(DAY, 0, 4900)
    assert fare("bus-192", spent=nearly) == 100
    assert fare("bus-192", day=date(2026, 4, 1), spent=nearly) == 200


@given(
    st.lists(
        st.tuples(st.sampled_from(["bus-192", "tram", "metro"]), st.integers(0, 3600), st.integers(0, 40)), max_size=60
    )
)
def test_nobody_ever_pays_above_a_cap_or_below_nothing(trips):
    spent, at, days = Spent(), 0, {}
    for service, pause, days_on in trips:
        at += pause + days_on * 86_400
        day = date.fromordinal(DAY.toordinal() + at // 86_400)
        start, end = {"tram": ("a", "c"), "metro": ("A", "B")}.get(service, ("", ""))
        one, spent = price(TABLE, ride(service, start, end, at=at, day=day), spent)
        assert 0 <= one <= 500
        days[day] = days.get(day, 0) + one
    months = {}
    for day, fen in days.items():
        months[day.year, day.month] = months.get((day.year, day.month), 0) + fen
    assert all(fen <= 1000 for fen in days.values())
    assert all(fen <= 5000 for fen in months.values())


@given(st.sampled_from("ABCD"), st.sampled_from("ABCD"))
def test_the_way_back_costs_the_same(start, end):
    assert fare("metro", start, end) == fare("metro", end, start)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("version =", "version", "TOML"),
        ('kind = "flat"', 'kind = "free"', "kind"),
        ("fare_fen = 200", "fare_fen = -1", "fare_fen"),
        ("fare_fen = 200", "fare_fen = 70000", "fare_fen"),
        ("fare_fen = 200", "fare_fen = 2.5", "fare_fen"),
        ("fare_fen = 200", "fare_fen = 200\nfair_fen = 1", "fair_fen"),
        ('id = "tram"', 'id = "metro"', "metro stands twice"),
        ('to = ["metro"]', 'to = ["ferry"]', "ferry"),
        ("up_to_m = 6000", "up_to_m = 2000", "bands"),
        ("{ fare_fen = 500 }", "{ up_to_m = 9000, fare_fen = 500 }", "bands"),
        ("fares_fen = [100, 200, 300]", "fares_fen = []", "fares_fen"),
        ('missing_exit = "lowest"', 'missing_exit = "cheap"', "missing_exit"),
        ("valid_from = 2026-01-01", "", "valid_from"),
    ],
)
def test_a_table_with_a_mistake_is_refused_by_name(old, new, why):
    assert old in TEXT
    with pytest.raises(Malformed, match=why):
        parse_fare_table(TEXT.replace(old, new, 1))
