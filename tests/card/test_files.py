"""File layouts: declarations that cover their files, and round trips."""

from dataclasses import fields
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.card.files import FILES, File15, File16, FileKind, LogRecord, TaggedRecord
from tongka.card.layout import AMOUNT, BYTE, DATE, DATE_TIME, DIGITS, NUMBER, RAW, TEXT
from tongka.errors import Malformed

FILE15 = "01023360FFFFFFFF02010310488060000012345620240101204012310000"
LAYOUTS = sorted({row.layout for row in FILES.values() if row.layout}, key=lambda layout: layout.NAME)
each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)


def digits(length):
    return st.text("0123456789", min_size=2 * length, max_size=2 * length)


VALUES = {
    RAW: lambda length: st.binary(min_size=length, max_size=length),
    BYTE: lambda _: st.integers(0, 255),
    NUMBER: lambda length: st.integers(0, 256**length - 1),
    AMOUNT: lambda length: st.integers(0, 256**length - 1),
    DIGITS: digits,
    DATE_TIME: digits,
    DATE: lambda _: st.none() | st.dates(),
    TEXT: lambda length: st.text("张三李四ABC123", max_size=length // 2),
}


@each_layout
def test_the_fields_cover_the_file_without_gap_or_overlap(layout):
    end = 0
    for _, offset, length, _ in layout.declared():
        assert offset == end
        end += length
    assert end == layout.LENGTH


@each_layout
@given(data=st.data())
def test_values_survive_the_round_trip(layout, data):
    values = {name: data.draw(VALUES[kind](length), name) for name, _, length, kind in layout.declared()}
    built = layout(**values)
    assert layout.parse(built.build()) == built
    assert set(built.shown()) == {field.name for field in fields(layout)}


@each_layout
@given(data=st.data())
def test_any_bytes_are_read_or_refused_by_name(layout, data):
    raw = data.draw(st.binary(min_size=layout.LENGTH, max_size=layout.LENGTH))
    try:
        layout.parse(raw)
    except Malformed as refused:
        assert layout.NAME in str(refused)  # noqa: PT017 - either outcome is right


@each_layout
def test_another_length_is_refused(layout):
    for length in (0, layout.LENGTH - 1, layout.LENGTH + 1):
        with pytest.raises(Malformed, match=f"{layout.LENGTH} bytes"):
            layout.parse(bytes(length))


def test_file_15_as_the_sale_writes_it():
    file15 = File15.parse(bytes.fromhex(FILE15))
    assert file15.issuer.hex().upper() == "01023360FFFFFFFF"
    assert (file15.city, file15.asn, file15.enabled) == ("3360", "03104880600000123456", True)
    assert (file15.valid_from, file15.valid_to) == (date(2024, 1, 1), date(2040, 12, 31))
    assert file15.build().hex().upper() == FILE15


def test_a_card_is_valid_on_its_last_day_and_not_after():
    file15 = File15.parse(bytes.fromhex(FILE15))
    assert not file15.expired(date(2040, 12, 31))
    assert file15.expired(date(2041, 1, 1))


def test_a_date_not_yet_written_is_none_and_a_wrong_one_is_refused():
    raw = bytearray.fromhex(FILE15)
    raw[24:28] = bytes(4)
    assert File15.parse(bytes(raw)).valid_to is None
    raw[24:28] = bytes.fromhex("20241301")
    with pytest.raises(Malformed, match=r"0015, valid_to.*20241301"):
        File15.parse(bytes(raw))


@pytest.mark.parametrize(
    ("field", "value"),
    [("asn", "123"), ("asn", "١" * 20), ("issuer", b""), ("application_type", 256), ("enable_flag", -1)],
)
def test_values_that_do_not_fit_are_refused_by_name(field, value):
    good = File15.parse(bytes.fromhex(FILE15))
    values = {f.name: getattr(good, f.name) for f in fields(File15)} | {field: value}
    with pytest.raises(Malformed, match=f"0015, {field}"):
        File15(**values).build()


def test_a_name_is_chinese_and_too_long_a_one_is_refused():
    named = File16(card_type=0, staff=0, name="欧阳测试", id_number="", id_type=0)
    assert File16.parse(named.build()).name == "欧阳测试"
    with pytest.raises(Malformed, match="name"):
        File16(card_type=0, staff=0, name="长" * 11, id_number="", id_type=0).build()


def test_an_empty_log_slot_is_all_zero():
    assert LogRecord.is_empty(bytes(23))
    assert not LogRecord.is_empty(bytes(22) + b"\1")


def test_tagged_records_name_themselves():
    assert TaggedRecord.parse(b"\x27\x01rest", 2) == TaggedRecord(b"\x27\x01", b"rest")
    assert TaggedRecord.parse(b"\x05rest").build() == b"\x05rest"
    with pytest.raises(Malformed):
        TaggedRecord.parse(b"\x27", 2)


def test_record_files_say_how_many_records_they_hold():
    for row in FILES.values():
        assert (row.record_max > 0) == (row.kind is not FileKind.TRANSPARENT)
