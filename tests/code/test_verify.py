"""The checks of a code: the vectors, and what no vector can say (every cut, every bit)."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tongka.code.gate import let_through
from tongka.code.keys import parse_key_list
from tongka.code.layout import OPERATOR_PREFIXES, Format
from tongka.code.reasons import CodeRefused, Reason
from tongka.code.verify import Terms, verify_code
from tongka.sandbox.mint import Mint

NOW = 1_800_000_000
USER = "2088000000000017"


def answer(case: dict[str, Any], terms: Terms, seen: set[bytes]) -> dict[str, Any]:
    """What the gate in Python says to a case, in the vector's words."""
    try:
        passage = let_through(bytes.fromhex(case["code"]), case["pos_param"].encode(), terms, seen)
    except CodeRefused as refused:
        return {"result": refused.reason.value}
    code = passage.code
    if code.format is Format.MINISTRY:  # the vectors tell what fits buffers of the least size
        code = replace(code, card_no=code.card_no[-16:], card_data=code.card_data if len(code.card_data) < 65 else b"")
    shown = {"card_no": code.card_no, "card_data": code.card_data.hex(), "card_type": code.shown_card_type}
    return {"result": 1, "uid": code.user_id, **shown}


@pytest.mark.parametrize("number", [0, 1])
def test_a_suite_of_vectors_is_answered_as_it_says(vectors: dict[str, Any], number: int) -> None:
    suite = vectors["suites"][number]
    keys, card_types, seen = parse_key_list(suite["key_list"]), frozenset(json.loads(suite["card_types"])), set[bytes]()
    for case in suite["cases"]:
        if case["result"] == Reason.ILLEGAL_PARAM:  # buffers, which Python does not have
            continue
        got = answer(case, Terms(keys, case["now"], card_types, case["amount_fen"]), seen)
        assert got == {name: case[name] for name in got}, case["name"]


def codes(mint: Mint) -> dict[str, bytes]:
    credential = mint.credential(USER, NOW)
    return {
        "alipay": mint.code(credential, NOW),
        "operator": mint.code(credential, NOW, prefix=OPERATOR_PREFIXES[1], key_id=20),
        "ministry": mint.ministry_code(USER, NOW, custom=b"ab"),
    }


@pytest.mark.parametrize("name", ["alipay", "operator", "ministry"])
def test_a_cut_anywhere_is_malformed(mint: Mint, name: str) -> None:
    code, terms = codes(mint)[name], Terms(mint.keys(), NOW)
    assert verify_code(code, terms).user_id == USER
    for size in range(len(code)):
        with pytest.raises(CodeRefused) as refused:
            verify_code(code[:size], terms)
        assert refused.value.reason is Reason.MALFORMED_QRCODE, size


BEFORE_SIGNATURES = {
    "alipay": {0: -11, 1: -11, 2: -3},
    "operator": {0: -11, 1: -11, 2: -11, 3: -11, 4: -3},
    "ministry": {0: -11, 8: -3, 19: -11},
}
"""Bytes whose change is seen before signatures are: version, algorithm, key id (or the CA's index)."""


@pytest.mark.parametrize("name", ["alipay", "operator", "ministry"])
def test_a_flipped_bit_is_malformed_unless_it_names_another_format_or_key(mint: Mint, name: str) -> None:
    code, terms = codes(mint)[name], Terms(mint.keys(), NOW)
    for at in range(len(code)):
        for bit in (0x01, 0x80):
            changed = code[:at] + bytes([code[at] ^ bit]) + code[at + 1 :]
            with pytest.raises(CodeRefused) as refused:
                verify_code(changed, terms)
            assert refused.value.reason in (-1, BEFORE_SIGNATURES[name].get(at, -1)), (at, bit)


def test_without_a_ca_a_ministry_code_is_an_unknown_protocol(mint: Mint) -> None:
    terms = Terms(replace(mint.keys(), authorities={}), NOW)
    with pytest.raises(CodeRefused) as refused:
        verify_code(mint.ministry_code(USER, NOW), terms)
    assert refused.value.reason is Reason.PROTO_UNSUPPORTED


def test_no_card_types_means_that_all_are_taken(mint: Mint) -> None:
    code = mint.code(mint.credential(USER, NOW, card_type="T9999999"), NOW)
    assert verify_code(code, Terms(mint.keys(), NOW)).card_type == "T9999999"
    with pytest.raises(CodeRefused):
        verify_code(code, Terms(mint.keys(), NOW, frozenset()))


def test_two_phones_codes_of_one_second_are_different_codes(mint: Mint) -> None:
    ours, theirs = (verify_code(mint.code(mint.credential(user, NOW), NOW), Terms(mint.keys(), NOW))
                    for user in (USER, "2088000000000025"))  # fmt: skip
    assert ours.identity != theirs.identity


def test_the_same_second_under_the_same_credential_is_the_same_code(mint: Mint) -> None:
    """The user's signature is different each time; the code is the same."""
    credential, terms = mint.credential(USER, NOW), Terms(mint.keys(), NOW)
    first, second = (mint.code(credential, NOW) for _ in range(2))
    assert first != second
    assert verify_code(first, terms).identity == verify_code(second, terms).identity
