"""Offline records: what the SDK writes, read back, cut, changed; and the TLV of version 3."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.code.reasons import CodeRefused, Reason
from tongka.code.record import (
    POS_PARAM_MAX,
    POS_PARAM_TEXTS,
    Tag,
    build_record,
    build_record_v3,
    parse_pos_param,
    parse_record,
    record_mac,
)
from tongka.code.verify import AT_SETTLEMENT, Terms, verify_record
from tongka.errors import MacWrong, Malformed, Stale
from tongka.sandbox.mint import Mint

NOW = 1_800_000_000
USER = "2088000000000017"
POS_PARAM = b'{"pos_id":"sh001","type":"SINGLE","subject":"bus192","record_id":"000001"}'

Recorder = Callable[..., str]


@pytest.fixture
def record(mint: Mint) -> Recorder:
    def make(at: int = NOW, **changes: Any) -> str:
        code = mint.code(mint.credential(USER, NOW, **changes), NOW)
        return build_record(code=code, user_id=USER, pos_param=POS_PARAM, at=at, sdk_version=b"1")

    return make


@pytest.fixture
def terms(mint: Mint) -> Terms:
    return Terms(mint.keys(), NOW + 3600, tolerance=AT_SETTLEMENT)


def test_the_vector_is_built_and_read(vectors: dict[str, Any]) -> None:
    case = vectors["record"]
    code, pos_param = bytes.fromhex(case["code"]), case["pos_param"].encode()
    built = build_record(
        code=code, user_id=case["uid"], pos_param=pos_param, at=case["at"], sdk_version=b"tongka-1.0.0"
    )
    assert built == case["record"]
    parsed = parse_record(built.upper())
    assert (parsed.code, parsed.at, parsed.pos_id, parsed.record_id) == (code, case["at"], "sh001", "000001")
    assert parsed.details == {"type": "SINGLE", "subject": "bus192"}


def test_the_head_counts_the_bytes_behind_it(record: Recorder) -> None:
    text = record()
    assert int(text[:4], 16) == 2 << 12 | len(text) // 2 - 2


def test_a_record_of_the_longest_parts_is_within_4095_bytes(mint: Mint) -> None:
    code = mint.ministry_code(USER, NOW, custom=bytes(255))
    pos_param = POS_PARAM.replace(b"bus192", b"x" * (POS_PARAM_MAX - len(POS_PARAM) + 6))
    text = build_record(code=code, user_id=USER, pos_param=pos_param, at=NOW, sdk_version=b"tongka-1.0.0")
    assert len(text) <= 2 * 4095


def test_a_record_that_would_be_longer_is_refused() -> None:
    with pytest.raises(Malformed, match="4095"):
        build_record(code=bytes(4000), user_id=USER, pos_param=POS_PARAM, at=NOW, sdk_version=b"1")


def test_a_cut_anywhere_is_refused(record: Recorder) -> None:
    text = record()
    for size in range(len(text)):
        with pytest.raises((Malformed, CodeRefused)):
            parse_record(text[:size])


@pytest.mark.parametrize("text", ["", "00", "zz" * 20, "20 03", " 2003", "2003\n", "３" * 4, "f" * 8191])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_record(text)


def test_any_flipped_bit_is_found(record: Recorder, terms: Terms) -> None:
    data = bytes.fromhex(record())
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :]
        with pytest.raises((Malformed, CodeRefused, MacWrong, Stale)):
            verify_record(parse_record(changed.hex()), terms)


def test_a_good_record_answers_its_code(record: Recorder, terms: Terms) -> None:
    assert verify_record(parse_record(record()), terms, user_id=USER).user_id == USER


def test_a_record_is_judged_at_its_own_time(record: Recorder, terms: Terms) -> None:
    """A code long expired by now was good when the gate saw it."""
    parsed = parse_record(record(at=NOW + 10, expires_at=NOW + 10))
    assert verify_record(parsed, replace(terms, at=NOW + 6 * 86400)).expires_at == NOW + 10


@pytest.mark.parametrize(("at", "good"), [(-21, False), (-20, True), (620, True), (621, False)])
def test_clocks_may_differ_by_the_tolerance_either_way(record: Recorder, terms: Terms, at: int, good: bool) -> None:
    parsed = parse_record(record(at=NOW + at))
    if good:
        verify_record(parsed, terms)
    else:
        with pytest.raises(CodeRefused) as refused:
            verify_record(parsed, terms)
        assert refused.value.reason is Reason.QRCODE_INFO_EXPIRED


def test_a_record_from_the_future_is_refused(record: Recorder, terms: Terms) -> None:
    verify_record(parse_record(record(at=NOW)), replace(terms, at=NOW - 20))
    with pytest.raises(Stale):
        verify_record(parse_record(record(at=NOW)), replace(terms, at=NOW - 21))


def test_another_users_record_is_refused(record: Recorder, terms: Terms) -> None:
    with pytest.raises(Malformed, match="user_id"):
        verify_record(parse_record(record()), terms, user_id="2088000000000025")


def test_the_amount_is_held_against_the_limit(record: Recorder, terms: Terms) -> None:
    with pytest.raises(CodeRefused) as refused:
        verify_record(parse_record(record(limit_fen=300)), replace(terms, amount_fen=301))
    assert refused.value.reason is Reason.QUOTA_EXCEEDED


def test_a_mac_under_another_id_is_refused(mint: Mint, terms: Terms) -> None:
    code = mint.code(mint.credential(USER, NOW), NOW)
    text = build_record(code=code, user_id="2088000000000025", pos_param=POS_PARAM, at=NOW, sdk_version=b"1")
    with pytest.raises(MacWrong):
        verify_record(parse_record(text), terms)


# --- version 3 --------------------------------------------------------------------------------------------------------


@pytest.fixture
def fields(mint: Mint) -> dict[Tag, bytes]:
    return {
        Tag.PROTOCOL: b"\x00\x03",
        Tag.CODE: mint.code(mint.credential(USER, NOW), NOW),
        Tag.RECORD_ID: b"000001",
        Tag.POS_ID: b"sh001",
        Tag.CONSUMPTION_TYPE: b"\x00",
        Tag.TIME: NOW.to_bytes(4, "big"),
        Tag.RECORD_TYPE: b"SINGLE",
    }


def test_version_3_is_read_and_verified(fields: dict[Tag, bytes], terms: Terms) -> None:
    parsed = parse_record(build_record_v3(fields, USER))
    assert (parsed.version, parsed.at, parsed.pos_id, parsed.record_id) == (3, NOW, "sh001", "000001")
    assert parsed.details == {"protocol": "0003", "consumption_type": "00", "record_type": b"SINGLE".hex().upper()}
    assert verify_record(parsed, terms, user_id=USER).user_id == USER


@pytest.mark.parametrize("tag", [Tag.PROTOCOL, Tag.CODE, Tag.TIME])
def test_version_3_lacks_no_certain_field(fields: dict[Tag, bytes], tag: Tag) -> None:
    del fields[tag]
    with pytest.raises(Malformed):
        parse_record(build_record_v3(fields, USER))


def test_version_3_ends_with_its_mac(fields: dict[Tag, bytes]) -> None:
    text = build_record_v3(fields, USER)
    for tail in ("000F0000", "00110000", "00FF0000", "0012"):
        with pytest.raises(Malformed):
            parse_record(text + tail)
    with pytest.raises(Malformed, match="MAC"):
        parse_record(text[:-40])


def test_version_3_cut_anywhere_is_refused(fields: dict[Tag, bytes]) -> None:
    text = build_record_v3(fields, USER)
    for size in range(len(text)):
        with pytest.raises(Malformed):
            parse_record(text[:size])


def test_a_wrong_mac_of_version_3_is_refused(fields: dict[Tag, bytes], terms: Terms) -> None:
    text = build_record_v3(fields, USER)
    with pytest.raises(MacWrong):
        verify_record(parse_record(text[:-2] + ("00" if text[-2:] != "00" else "01")), terms)


# --- pos_param --------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=1100))
def test_any_bytes_are_a_pos_param_or_an_error_of_it(text: bytes) -> None:
    with contextlib.suppress(CodeRefused):
        assert set(parse_pos_param(text)) >= set(POS_PARAM_TEXTS)


@pytest.mark.parametrize(
    "text", [b"[" * 1024, b'{"a":' * 200, POS_PARAM[:-1] + b',"a":' + b"[" * 400 + b"]" * 400 + b"}"]
)
def test_deep_nesting_is_an_error_and_no_crash(text: bytes) -> None:
    with pytest.raises(CodeRefused):
        parse_pos_param(text)


def test_the_mac_is_hmac_md5() -> None:
    """RFC 2202, test case 1: the key has 16 bytes, as a user id has."""
    assert record_mac("\x0b" * 16, b"Hi There").hex() == "9294727a3638bb1c13f48ef8158bfc9d"
