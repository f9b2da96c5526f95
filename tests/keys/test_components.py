"""A key in components: what they make together, and what each person may not bring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.errors import Malformed
from tongka.keys.components import combine, parse_component

ONE, TWO = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), bytes.fromhex("00112233445566778899AABBCCDDEEFF")


def test_two_components_make_their_xor():
    assert combine([ONE, TWO]).hex().upper() == "01326754CDFEAB9876451023BA89DCEF"


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=2, max_size=5, unique=True))
def test_the_order_of_the_people_does_not_matter(components):
    try:
        whole = combine(components)
    except Malformed:
        with pytest.raises(Malformed):
            combine(components[::-1])
    else:
        assert whole == combine(components[::-1])


@pytest.mark.parametrize(
    ("components", "why"),
    [
        ([], "at least 2"),
        ([ONE], "at least 2"),
        ([ONE, ONE], "cancel each other"),
        ([ONE, TWO, ONE], "cancel each other"),
        ([bytes(15) + b"\1", bytes(7) + b"\1" + bytes(8)], "different halves"),
    ],
)
def test_what_makes_no_key_is_refused(components, why):
    with pytest.raises(Malformed, match=why):
        combine(components)


def test_a_component_is_typed_as_hex_with_spaces():
    assert parse_component("01234567 89abcdef FEDCBA98 76543210") == ONE


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "32 hex digits"), ("00" * 15, "32 hex digits, not 30"), ("0G" * 16, "digits other"), ("00" * 16, "zeros")],
)
def test_a_component_of_another_form_is_refused(text, why):
    with pytest.raises(Malformed, match=why):
        parse_component(text)
