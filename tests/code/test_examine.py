"""The lamp agrees with the gate, and shows every check."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tongka.code.examine import NAMES, Outcome, examine, fields_of
from tongka.code.keys import MasterKeys
from tongka.code.layout import parse_code
from tongka.code.reasons import CodeRefused, Reason
from tongka.code.verify import Terms, verify_code

NOW = 1_800_000_000
USER = "2088000000000001"
PAGE = (Path(__file__).parents[2] / "docs" / "ridecode.md").read_text(encoding="utf-8")


def terms(mint, **changes):
    return Terms(**{"keys": mint.keys(), "at": NOW} | changes)


def test_a_good_code_passes_every_check(mint):
    found = examine(mint.code(mint.credential(USER, NOW), NOW), terms(mint))
    assert [one.number for one in found.findings] == list(NAMES)
    assert {one.outcome for one in found.findings} == {Outcome.PASSED}
    assert found.refusal is None


def test_everything_that_is_wrong_is_told_and_the_first_is_the_verdict(mint):
    credential = mint.credential(USER, NOW, expires_at=NOW - 1, limit_fen=100, card_type="T0000001")
    found = examine(mint.code(credential, NOW - 700), terms(mint, amount_fen=200, card_types=frozenset({"ANT00001"})))
    refused = [one.number for one in found.findings if one.outcome is Outcome.REFUSED]
    assert refused == [7, 8, 9, 10]
    assert found.refusal.reason is Reason.QRCODE_KEY_EXPIRED


def test_a_ministry_code_needs_a_ca(mint):
    code = mint.ministry_code(USER, NOW)
    found = examine(code, terms(mint, keys=MasterKeys(mint.keys().masters, {})))
    assert (found.refusal.number, found.refusal.reason, found.code) == (2, Reason.PROTO_UNSUPPORTED, None)
    assert {one.outcome for one in found.findings[1:]} == {Outcome.NOT_MADE}
    assert examine(code, terms(mint)).refusal is None


def test_a_key_that_is_not_listed_is_told_apart_from_a_bad_signature(mint):
    code = mint.code(mint.credential(USER, NOW), NOW, key_id=3)
    without = MasterKeys({i: key for i, key in mint.keys().masters.items() if i != 3}, {})
    assert examine(code, terms(mint, keys=without)).refusal.number == 4
    assert examine(code[:-1] + bytes([code[-1] ^ 1]), terms(mint)).refusal.number == 5


@given(ministry=st.booleans(), where=st.integers(0, 219), flipped=st.integers(0, 255))
def test_the_verdict_is_the_gates(mint, ministry, where, flipped):
    whole = bytearray(mint.ministry_code(USER, NOW) if ministry else mint.code(mint.credential(USER, NOW), NOW))
    whole[where % len(whole)] ^= flipped
    found = examine(bytes(whole), terms(mint)).refusal
    assert gates_word(bytes(whole), terms(mint)) == ((found.reason, found.why) if found else None)


def gates_word(code, held):
    try:
        verify_code(code, held)
    except CodeRefused as refused:
        return refused.reason, refused.why
    return None


def test_the_fields_are_flat_and_whole(mint):
    credential = mint.credential(USER, NOW, card_no="3104880600000001", card_data=b"\xab")
    shown = fields_of(parse_code(mint.code(credential, NOW, key_id=7)))
    assert (shown["user_id"], shown["card_no"], shown["card_data"]) == (USER, "3104880600000001", "AB")
    assert (shown["key_id"], shown["generated"]) == (7, NOW)
    assert fields_of(parse_code(mint.ministry_code(USER, NOW)))["format"] == "ministry"


def test_the_numbers_are_those_of_the_page():
    listed = re.findall(
        r"^(\d+)\. ", PAGE.split("## The checks, in their order")[1].split("**Clocks.**")[0], re.MULTILINE
    )
    assert set(map(str, NAMES)) == set(listed) - {"1", "11", "12"}
