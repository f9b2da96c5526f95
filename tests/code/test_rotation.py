"""Every key that can still be met is in the list, and each signs again only as a new one."""

from datetime import date, timedelta

import pytest

from tongka.code import rotation
from tongka.code.keys import MASTER_KEYS

START = date(2026, 1, 1)
CREDENTIAL_DAYS, SETTLEMENT_DAYS = 30, 7


@pytest.mark.parametrize("days", range(0, 40 * rotation.PERIOD_DAYS, 13))
def test_a_key_that_signed_is_listed_until_the_last_record_is_settled(days):
    signed = rotation.period_of(START + timedelta(days=days))
    key_id = rotation.signing_key_id(signed)
    last = rotation.period_of(START + timedelta(days=days + CREDENTIAL_DAYS + SETTLEMENT_DAYS))
    for period in range(signed, last + 1):
        assert rotation.generation(key_id, period) == rotation.generation(key_id, signed)


def test_a_key_signs_one_period_in_each_generation_and_is_distributed_long_before():
    first = rotation.period_of(START)
    used = [
        (key_id, rotation.generation(key_id, period))
        for period in range(first, first + 5 * MASTER_KEYS)
        for key_id in [rotation.signing_key_id(period)]
    ]
    assert len(set(used)) == len(used)
    half_a_year = 183 // rotation.PERIOD_DAYS + 1
    for period in range(first, first + 2 * MASTER_KEYS):
        key_id = rotation.signing_key_id(period)
        assert rotation.generation(key_id, period) == rotation.generation(key_id, period - half_a_year)


def test_the_set_has_32_keys_and_one_of_them_changes_a_period():
    first = rotation.period_of(START)
    now, then = dict(rotation.distributed(first)), dict(rotation.distributed(first + 1))
    assert list(now) == list(range(32))
    assert [key_id for key_id in now if then[key_id] != now[key_id]] == [(first + 1 - 3) % MASTER_KEYS]
    assert all(then[key_id] - now[key_id] in {0, 1} for key_id in now)
