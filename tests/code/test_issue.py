"""Issuing: what cannot stand in a code is refused when it is made, and what is made says what was meant."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tongka.code.issue import authorise_ministry_code, make_code, sign_credential, sign_ministry_code
from tongka.code.layout import Algorithm, Credential, MinistryCode, parse_code
from tongka.code.verify import Terms, verify_code
from tongka.errors import Malformed
from tongka.sandbox.mint import Mint

NOW = 1_800_000_000
USER = "2088000000000017"


@given(
    card_no=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=16),
    card_data=st.binary(max_size=64),
    limit_fen=st.integers(0, 0xFFFF),
    identity=st.binary(min_size=4, max_size=4),
)
@settings(max_examples=30)
def test_a_code_says_what_the_credential_says(**fields: Any) -> None:
    mint = Mint(b"issue".ljust(32))
    credential = mint.credential(USER, NOW, **fields)
    parsed = verify_code(mint.code(credential, NOW), Terms(mint.keys(), NOW))
    assert Credential.parse(parsed.credential) == credential
    assert parsed.generated == NOW


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", "2088"),
        ("user_id", "２" * 16),
        ("card_no", "1" * 17),
        ("card_data", bytes(65)),
        ("card_type", "ANT0001"),
        ("limit_fen", 0x10000),
        ("limit_fen", -1),
        ("valid_s", 0x10000),
        ("expires_at", 1 << 32),
        ("user_key", bytes(33)),
    ],
)
def test_what_does_not_fit_is_refused_by_name(mint: Mint, field: str, value: object) -> None:
    with pytest.raises(Malformed) as refused:
        mint.code(replace(mint.credential(USER, NOW), **{field: value}), NOW)
    assert refused.value.field == field


def test_a_phone_makes_many_codes_of_one_credential(mint: Mint) -> None:
    held = sign_credential(
        mint.credential(USER, NOW), algorithm=Algorithm.SECP256K1, key_id=3, master=mint.master_signer(3)
    )
    codes = [make_code(held, generated=NOW + i, user=mint.user_signer(USER)) for i in range(3)]
    parsed = [verify_code(code, Terms(mint.keys(), NOW + 2)) for code in codes]
    assert len({code.credential for code in parsed}) == 1
    assert len({code.identity for code in parsed}) == 3


def test_a_phone_makes_many_ministry_codes_of_one_authorisation(mint: Mint) -> None:
    first = mint.ministry_code(USER, NOW)
    contents = MinistryCode.parse(first)
    held = authorise_ministry_code(contents, mint.issuer_signer())
    later = sign_ministry_code(held, NOW + 60, mint.ministry_user_signer(USER))
    parsed = verify_code(later, Terms(mint.keys(), NOW + 60))
    assert parsed.credential == parse_code(first).credential
    assert parsed.generated == NOW + 60


def test_a_longer_custom_field_changes_the_length_that_is_written(mint: Mint) -> None:
    contents = replace(MinistryCode.parse(mint.ministry_code(USER, NOW)), custom=bytes(5))
    assert authorise_ministry_code(contents, mint.issuer_signer()).length == 334
