"""The audit trail's arithmetic: every byte of a row counts, and batches are chained."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.audit import Break, Entry, Seal, verify_seal

ENTRY = Entry(1, datetime(2025, 6, 2, 4, 0, tzinfo=UTC), "operator", "order.create", "3104", '{"fen":1}', 700)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
ENTRIES = st.builds(
    Entry,
    st.integers(1, 2**62),
    st.datetimes(timezones=st.just(UTC)),
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    st.integers(1, 2**62),
)


@given(ENTRIES, ENTRIES)
def test_two_rows_have_one_leaf_only_if_they_are_equal(one, other):
    assert (one.leaf() == other.leaf()) == (one == other)


def test_text_moved_from_one_column_to_the_next_changes_the_leaf():
    assert replace(ENTRY, actor="ab", action="c").leaf() != replace(ENTRY, actor="a", action="bc").leaf()


def test_the_zone_a_time_is_written_in_does_not_change_the_leaf():
    assert replace(ENTRY, at=ENTRY.at.astimezone(tz=None)).leaf() == ENTRY.leaf()


@pytest.fixture
def chain():
    entries = [replace(ENTRY, id=number, at=ENTRY.at + timedelta(seconds=number)) for number in range(1, 7)]
    first = Seal.over(None, 800, entries[:3])
    second = Seal.over(first, 900, reversed(entries[3:]))
    return first, second, {entry.id: entry for entry in entries}


def test_a_chain_verifies(chain):
    first, second, entries = chain
    assert verify_seal(None, first, entries) == verify_seal(first, second, entries) == []
    assert (second.number, list(second.ids)) == (2, [4, 5, 6])


def test_a_seal_does_not_verify_after_another_or_in_another_place(chain):
    _, second, entries = chain
    other = Seal.over(None, 801, entries.values())
    assert verify_seal(other, second, entries) == [
        Break(2, None, "the seal does not follow from its batch and the seal before")
    ]
    assert verify_seal(None, second, entries)[0] == Break(1, None, "the seal is missing; the next there is is 2")


@pytest.mark.parametrize(
    "changed",
    [
        {"horizon": 1},
        {"ids": [4, 5, 7]},
        {"ids": [4, 5]},
        {"leaves": bytes(96)},
        {"leaves": b""},
        {"digest": bytes(32)},
    ],
)
def test_any_change_of_a_seal_is_a_break(chain, changed):
    first, second, entries = chain
    assert verify_seal(first, replace(second, **changed), entries)
