"""The three formats: offsets as the tables of docs/ridecode.md print them."""

from dataclasses import fields

import pytest

from tongka.code.layout import (
    OPERATOR_PREFIXES,
    AlipayCode,
    Certificate,
    Credential,
    Format,
    MinistryCode,
    parse_code,
)
from tongka.code.reasons import CodeRefused, Reason
from tongka.sandbox.mint import Mint

NOW = 1_800_000_000
USER = "2088000000000017"


def test_an_alipay_code_has_its_fields_where_the_table_says(mint: Mint) -> None:
    card = {"card_type": "T0000001", "card_no": "12345", "card_data": b"data", "limit_fen": 0x1234, "valid_s": 0x5678}
    code = mint.code(mint.credential(USER, NOW, expires_at=0x01020304, institution=0x0A0B0C0D, **card), NOW, key_id=3)
    assert code[:3] == b"\x02\x01\x03"
    assert code[3] == 71 + 5 + 4
    assert code[4:20] == USER.encode()
    assert code[20:28] == bytes.fromhex("01020304 5678 1234")
    assert code[32:36] == bytes.fromhex("0A0B0C0D")
    assert code[40] in (2, 3)
    assert code[65:73] == b"T0000001"
    assert code[73:84] == b"\x0512345\x04data"
    signature = code[4 + code[3] :]
    assert signature[1] == 0x30
    assert signature[1 + signature[0] :][:5] == b"\x04" + NOW.to_bytes(4, "big")


def test_an_operator_code_is_the_alipay_layout_behind_its_prefix(mint: Mint) -> None:
    plain = mint.code(mint.credential(USER, NOW), NOW)
    for prefix in OPERATOR_PREFIXES:
        code = parse_code(prefix + plain)
        assert code.format is Format.OPERATOR
        assert code.signed == plain
        assert code.identity == parse_code(plain).identity


@pytest.mark.parametrize("custom", [b"", b"\x01", bytes(255)])
def test_a_ministry_code_has_its_fields_where_the_table_says(mint: Mint, custom: bytes) -> None:
    code = mint.ministry_code(USER, NOW, custom=custom, limit_fen=0x010203, valid_s=0x0405, expires_at=0x0708090A)
    n = len(custom)
    assert len(code) == 332 + n
    assert code[0] == 0x81
    assert int.from_bytes(code[1:3], "big") == 329 + n
    assert (code[3], code[9], code[22]) == (0x24, 0x12, 0x21)
    assert code[120:136] == USER.encode()
    assert code[155:158] == bytes.fromhex("010203")
    assert code[158] in (2, 3)
    assert code[191:197] == bytes.fromhex("0708090A 0405")
    assert code[197 : 198 + n] == bytes([n]) + custom
    assert code[198 + n] == 0x15
    assert code[263 + n : 267 + n] == NOW.to_bytes(4, "big")
    assert code[267 + n] == 0x15


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (b"", Reason.MALFORMED_QRCODE),
        (b"\x02", Reason.MALFORMED_QRCODE),
        (b"\x54", Reason.MALFORMED_QRCODE),
        (b"\x54\x01", Reason.MALFORMED_QRCODE),
        (b"\x81", Reason.MALFORMED_QRCODE),
        (b"\x01\x01\x01", Reason.PROTO_UNSUPPORTED),
        (b"\x02\x03", Reason.PROTO_UNSUPPORTED),
        (b"\x54\x03\x02", Reason.PROTO_UNSUPPORTED),
        (b"\x54\x01\x01", Reason.PROTO_UNSUPPORTED),
    ],
)
def test_a_code_of_no_known_format_is_told_from_a_damaged_one(code: bytes, reason: Reason) -> None:
    with pytest.raises(CodeRefused) as refused:
        parse_code(code)
    assert refused.value.reason is reason


def test_plain_bus_payment_shows_no_card_type(mint: Mint) -> None:
    assert parse_code(mint.code(mint.credential(USER, NOW), NOW)).shown_card_type == ""
    virtual = mint.credential(USER, NOW, card_type="T0000001")
    assert parse_code(mint.code(virtual, NOW)).shown_card_type == "T0000001"


def test_a_card_account_loses_its_fill(mint: Mint) -> None:
    code = mint.ministry_code(USER, NOW, card_account=bytes.fromhex("3105840012345678901F"))
    assert parse_code(code).card_no == "3105840012345678901"


@pytest.mark.parametrize("layout", [AlipayCode, Credential, Certificate, MinistryCode])
def test_every_field_of_a_layout_is_declared(layout: type) -> None:
    assert all(hasattr(field.type, "__metadata__") for field in fields(layout))
