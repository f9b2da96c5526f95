"""How bytes become one JSON object, and one object a declared message; and what is refused on the way."""

import json
from contextlib import suppress
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from tongka.errors import Malformed
from tongka.wire import Count, Message, ObjectReader, StrictMessage, Text, as_count, expectations, read, spelt

READER = ObjectReader(max_bytes=1000, max_depth=4)


class Inner(Message):
    day: Annotated[str, Meta(pattern=r"^[0-9]{8}\Z", description="a date, YYYYMMDD")] = spelt("DayOf")


class Supply(StrictMessage):
    remark: Text | None = spelt("Remark", None)
    card_no: Annotated[str, Meta(pattern=r"^[0-9]{4}\Z", description="4 digits")] = spelt("CarNo")
    count: Count | None = spelt("Num", None)
    inner: Inner | None = spelt("Inner", None)
    rows: list[Inner] | None = spelt("Rows", None)
    plain: str | None = spelt("plain", None)


class LongerSupply(Supply):
    """A required field may follow the optional ones that it extends."""

    more: Text = spelt("More")


BAD_BODIES = {
    "empty": (b"", "message: not JSON at character 0"),
    "not UTF-8": (b'{"a":"\xff"}', "message: not UTF-8 at byte 6"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "message: not UTF-8"),
    "overlong UTF-8": (b'{"a":"\xc0\xaf"}', "message: not UTF-8"),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', "message: not JSON at character 0"),
    "array": (b"[1]", "message: a JSON object is expected"),
    "text": (b'"a"', "message: a JSON object is expected"),
    "cut off": (b'{"a":1', "message: not JSON"),
    "trailing bytes": (b'{"a":1}x', "message: not JSON at character 7: Extra data"),
    "two objects": (b'{"a":1}{"a":1}', "message: not JSON at character 7: Extra data"),
    "trailing comma": (b'{"a":1,}', "message: not JSON"),
    "single quotes": (b"{'a':1}", "message: not JSON"),
    "comment": (b'{"a":1/* */}', "message: not JSON"),
    "control character": (b'{"a":"\x01"}', "message: not JSON"),
    "line end in a text": (b'{"a":"\n"}', "message: not JSON"),
    "NaN": (b'{"a":NaN}', "message: NaN is not JSON"),
    "Infinity": (b'{"a":[Infinity]}', "message: Infinity is not JSON"),
    "minus Infinity": (b'{"a":-Infinity}', "message: -Infinity is not JSON"),
    "fraction": (b'{"a":1.0}', "message: a number has a fraction"),
    "exponent": (b'{"a":{"b":1e2}}', "message: a number has a fraction or an exponent"),
    "leading zero": (b'{"a":01}', "message: not JSON"),
    "plus sign": (b'{"a":+1}', "message: not JSON"),
    "huge number": (b'{"a":1234567890123456789}', "message: a number has more than 18 digits"),
    "key twice": (b'{"a":1,"b":2,"a":1}', "'a': stands twice"),
    "key twice, inside": (b'{"x":[{"a":1,"a":1}]}', "'a': stands twice"),
    "key twice, once escaped": (b'{"sign":"","sig\\u006e":""}', "'sign': stands twice"),
    "too deep": (b'{"a":{"a":{"a":{"a":{}}}}}', "message: nested deeper than 4"),
    "too deep in arrays": (b'{"a":[[[[1]]]]}', "message: nested deeper than 4"),
    "lone surrogate": (b'{"a":"\\ud800"}', "message: an escape"),
    "lone surrogate in a key": (b'{"\\udc00":1}', "message: an escape"),
    "too large": (b'{"a":"' + b"x" * 993 + b'"}', "message: at most 1000 bytes are read, not 1001"),
}


@pytest.mark.parametrize(("body", "complaint"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body_is_refused_with_its_reason(body, complaint):
    with pytest.raises(Malformed) as refusal:
        READER.read(body)
    assert str(refusal.value).startswith(complaint)


def test_the_last_byte_within_the_limit_is_read():
    body = b'{"a":"' + b"x" * 992 + b'"}'
    assert len(READER.read(body)["a"]) == 992


def test_brackets_in_texts_are_no_depth():
    assert READER.read(b'{"a":"[[[[[[{{{{{{","b":[[[1]]]}')["b"] == [[[1]]]


def test_endless_nesting_is_refused_and_not_a_crash():
    deep = ObjectReader(max_bytes=200_000, max_depth=8)
    for opening in (b"[", b'{"a":'):
        with pytest.raises(Malformed, match="nested deeper"):
            deep.read(b'{"a":' + opening * 30_000)


def test_a_surrogate_pair_is_a_character():
    assert READER.read(rb'{"a":"\ud83d\ude8c"}') == {"a": "🚌"}


def test_keys_that_differ_in_case_are_refused_only_on_request():
    body = b'{"CardNo":"1","cardno":"2"}'
    assert READER.read(body) == {"CardNo": "1", "cardno": "2"}
    with pytest.raises(Malformed, match="'cardno': stands twice"):
        ObjectReader(max_bytes=1000, case_blind=True).read(body)


def test_an_error_repeats_only_the_head_of_a_received_key():
    long = b"k" * 400
    with pytest.raises(Malformed) as refusal:
        READER.read(b'{"%s":1,"%s":1}' % (long, long))
    assert len(str(refusal.value)) < 120


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts, json_values, max_size=4), st.booleans(), st.sampled_from([None, 2]))
def test_what_others_write_is_read_as_they_mean_it(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert ObjectReader(max_bytes=100_000, max_depth=50).read(text.encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body):
    with suppress(Malformed):
        assert isinstance(READER.read(body), dict)


def test_a_message_is_read_by_the_partners_spelling():
    value = {"CarNo": "1234", "Num": 3, "Inner": {"DayOf": "20260101"}, "Rows": [{"DayOf": "20260102"}]}
    message = read(Supply, value)
    assert (message.card_no, message.count, message.inner) == ("1234", 3, Inner(day="20260101"))
    assert message.remark is None


def test_a_required_field_may_follow_optional_ones():
    assert read(LongerSupply, {"CarNo": "1234", "More": "x"}).more == "x"
    with pytest.raises(Malformed, match=r"^More: is missing"):
        read(LongerSupply, {"CarNo": "1234"})


BAD_MESSAGES = {
    "missing": ({}, "CarNo: is missing; the field is required"),
    "null": ({"CarNo": None}, "CarNo: 4 digits is expected"),
    "number for text": ({"CarNo": 1234}, "CarNo: 4 digits is expected"),
    "too long": ({"CarNo": "12345"}, "CarNo: 4 digits is expected"),
    "line end after": ({"CarNo": "1234\n"}, "CarNo: 4 digits is expected"),
    "digits of another script": ({"CarNo": "１２３４"}, "CarNo: 4 digits is expected"),
    "empty text": ({"CarNo": "1234", "Remark": ""}, "Remark: 1 to 128 characters is expected"),
    "object for text": ({"CarNo": {}}, "CarNo: 4 digits is expected"),
    "unknown": ({"CarNo": "1234", "Foo": 1}, "'Foo': is not a field of this message"),
    "known in another case": ({"CarNo": "1234", "remark": "x"}, "'remark': is not a field of this message"),
    "our name": ({"card_no": "1234"}, "'card_no': is not a field of this message"),
    "inner missing": ({"CarNo": "1234", "Inner": {}}, "Inner.DayOf: is missing; the field is required"),
    "inner wrong": ({"CarNo": "1234", "Inner": {"DayOf": "1"}}, "Inner.DayOf: a date, YYYYMMDD is expected"),
    "row wrong": ({"CarNo": "1234", "Rows": [{"DayOf": "1"}]}, "Rows[0].DayOf: a date, YYYYMMDD is expected"),
    "row missing": ({"CarNo": "1234", "Rows": [{}]}, "Rows[0].DayOf: is missing; the field is required"),
    "undescribed": ({"CarNo": "1234", "plain": 1}, "plain: Expected `str | null`, got `int`"),
}


@pytest.mark.parametrize(("value", "complaint"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_a_bad_message_is_refused_with_its_field(value, complaint):
    with pytest.raises(Malformed) as refusal:
        read(Supply, value)
    assert str(refusal.value) == complaint


def test_a_refusal_never_repeats_the_value():
    with pytest.raises(Malformed) as refusal:
        read(Supply, {"CarNo": "330500199001010000"})
    assert "3305" not in str(refusal.value)


@pytest.mark.parametrize(("sent", "number"), [(0, 0), (3, 3), ("3", 3), ("03", 3)])
def test_a_count_is_read_as_number_or_text(sent, number):
    assert as_count(read(Supply, {"CarNo": "1234", "Num": sent}).count) == number


@pytest.mark.parametrize("sent", [-1, "-1", "", " 3", "3 ", "１", "1e2", True, [3], 1 << 40, "1234567890"])
def test_what_is_no_count_is_refused(sent):
    with pytest.raises(Malformed, match=r"^Num: a count \(number or digits\) is expected$"):
        read(Supply, {"CarNo": "1234", "Num": sent})


def test_expectations_tell_every_field():
    assert expectations(Supply) == {
        "Remark": "1 to 128 characters",
        "CarNo": "4 digits",
        "Num": "a count (number or digits)",
        "Inner": "",
        "Inner.DayOf": "a date, YYYYMMDD",
        "Rows": "",
        "Rows.DayOf": "a date, YYYYMMDD",
        "plain": "",
    }


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (rb'{"a":"\u0000"}', "'a': "),
        (rb'{"a":{"b":["x","\u0000"]}}', "'b': "),
        (rb'{"a\u0000":1}', "message: "),
    ],
)
def test_the_character_that_ends_texts_is_refused_by_the_name_of_its_field(body, names):
    with pytest.raises(Malformed, match=rf"^{names}holds the character U\+0000"):
        ObjectReader(max_bytes=100).read(body)


def test_an_escaped_escape_is_no_such_character():
    assert ObjectReader(max_bytes=100).read(rb'{"a":"\\u0000"}') == {"a": r"\u0000"}
