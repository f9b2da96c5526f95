"""Declared layouts: reading is strict, and building is its inverse."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.code.fields import U8, U16, U24, U32, Ascii, Boxed, Const, Layout, Prefixed, Raw
from tongka.errors import Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything(Layout):
    mark: Annotated[bytes, Const(b"\x24")] = b"\x24"
    one: Annotated[int, U8]
    three: Annotated[int, U24]
    raw: Annotated[bytes, Raw(3)]
    name: Annotated[str, Ascii(Prefixed(1, 5))]
    long: Annotated[bytes, Prefixed(2, 300)]
    boxed: Annotated[int, Boxed(2, U32)]


SAMPLE = Everything(one=1, three=2, raw=b"abc", name="name", long=b"long", boxed=3)
BYTES = bytes.fromhex("24 01 000002 616263 046E616D65 00046C6F6E67 000400000003")

everything = st.builds(
    Everything,
    one=st.integers(0, 0xFF),
    three=st.integers(0, 0xFFFFFF),
    raw=st.binary(min_size=3, max_size=3),
    name=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=5),
    long=st.binary(max_size=300),
    boxed=st.integers(0, 0xFFFFFFFF),
)


def test_fields_stand_in_the_order_of_their_declaration() -> None:
    assert SAMPLE.build() == BYTES
    assert Everything.parse(BYTES) == SAMPLE


@given(everything)
def test_parse_is_the_inverse_of_build(value: Everything) -> None:
    assert Everything.parse(value.build()) == value


@given(st.binary(max_size=40))
def test_whatever_parses_builds_the_same_bytes(data: bytes) -> None:
    try:
        value = Everything.parse(data)
    except Malformed:
        return
    assert value.build() == data


@pytest.mark.parametrize("size", range(len(BYTES)))
def test_a_cut_anywhere_is_refused(size: int) -> None:
    with pytest.raises(Malformed):
        Everything.parse(BYTES[:size])


def test_bytes_after_the_last_field_are_refused() -> None:
    with pytest.raises(Malformed, match="follow its end"):
        Everything.parse(BYTES + b"\0")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mark", b"\x25"),
        ("one", 256),
        ("one", -1),
        ("three", 1 << 24),
        ("raw", b"ab"),
        ("raw", b"abcd"),
        ("name", "sixsix"),
        ("name", "\n"),
        ("name", "é"),
        ("long", bytes(301)),
        ("boxed", 1 << 32),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(field: str, value: object) -> None:
    values = {name: getattr(SAMPLE, name) for name in Everything.__dataclass_fields__} | {field: value}
    with pytest.raises(Malformed) as refused:
        Everything(**values).build()
    assert refused.value.field == field


def test_a_box_of_another_length_is_refused() -> None:
    with pytest.raises(Malformed):
        Everything.parse(BYTES.replace(b"\0\4\0\0\0\3", b"\0\3\0\0\3"))


def test_u16_is_big_endian() -> None:
    assert U16.write(0x0102, "x") == b"\1\2"
