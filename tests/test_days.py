"""Business dates are the city's, whatever zone a moment is written in."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from tongka.days import ZONE, business_date


@pytest.mark.parametrize(
    ("when", "cut", "day"),
    [
        (datetime(2025, 6, 2, 0, 0, tzinfo=ZONE), "00:00", date(2025, 6, 2)),
        (datetime(2025, 6, 2, 23, 59, 59, tzinfo=ZONE), "00:00", date(2025, 6, 2)),
        (datetime(2025, 6, 1, 16, 0, tzinfo=UTC), "00:00", date(2025, 6, 2)),
        (datetime(2025, 6, 1, 15, 59, tzinfo=UTC), "00:00", date(2025, 6, 1)),
        (datetime(2025, 6, 2, 23, 29, 59, tzinfo=ZONE), "23:30", date(2025, 6, 2)),
        (datetime(2025, 6, 2, 23, 30, tzinfo=ZONE), "23:30", date(2025, 6, 3)),
        (datetime(2025, 12, 31, 23, 30, tzinfo=ZONE), "23:30", date(2026, 1, 1)),
    ],
)
def test_a_moment_has_the_business_date_of_the_city(when, cut, day):
    assert business_date(when, time.fromisoformat(cut)) == day


def test_a_day_has_twenty_four_hours_whatever_the_cut():
    first = datetime(2025, 6, 1, 23, 30, tzinfo=ZONE)
    moments = [first + timedelta(minutes=minute) for minute in range(24 * 60)]
    assert {business_date(moment, time(23, 30)) for moment in moments} == {date(2025, 6, 2)}
