"""The code lists as printed, and our refusals in them."""

from collections import Counter

import pytest

from tongka import errors
from tongka.errors import (
    Busy,
    CardAnswersMissing,
    HsmUnavailable,
    MacWrong,
    Malformed,
    Refused,
    TongkaError,
    UnknownParty,
)
from tongka.partners.huzhou import codes


def test_appendix_d_has_its_rows_with_two_printed_twice():
    counted = Counter(row.code for row in codes.RESULTS)
    assert len(codes.RESULTS) == 134
    assert {code for code, times in counted.items() if times > 1} == {"000071", "000159"}
    assert codes.SUCCESS == ("000000", "成功")
    assert codes.UNKNOWN_ERROR == ("999999", "未知错误")


@pytest.mark.parametrize(
    ("rows", "codes_printed"),
    [
        (codes.CHANNELS, "00 01 02 03 04 05 10 11 51 52"),
        (codes.ORDER_TYPES, "40 50"),
        (codes.ORDER_STATES, "1 2 3 4 5 6 7 8 9 A B C D"),
        (codes.PAYMENT_METHODS, "01 02 03 04 05 06 10"),
        (codes.AREAS, "00 01 02 03"),
        (codes.CARD_STATES, "00 01 02 03 04"),
    ],
)
def test_the_other_lists_have_their_rows(rows, codes_printed):
    assert [row.code for row in rows] == codes_printed.split()
    assert all(row.text for row in rows)


def test_a_text_is_found_by_its_code():
    assert codes.text_of(codes.CHANNELS, "51") == "地铁 BOM 机"
    assert codes.text_of(codes.CHANNELS, "99") == ""


def test_every_mapped_refusal_leads_to_a_printed_row():
    assert set(codes.RESULT_OF.values()) <= set(codes.RESULTS)


def test_a_refusal_names_the_field_after_the_printed_text():
    assert codes.result_of(Malformed("txnamt", "digits are expected")) == (
        "999999",
        "未知错误: txnamt: digits are expected",
    )


@pytest.mark.parametrize(
    ("role", "code"),
    [
        ("institution", "000016"),
        ("merchant", "000017"),
        ("terminal", "000018"),
        ("network", "999999"),
        ("area", "999999"),
    ],
)
def test_an_unknown_party_is_told_by_its_role(role, code):
    assert codes.result_of(UnknownParty(role, "x"))[0] == code


def test_card_refusals_have_their_codes():
    assert codes.result_of(CardAnswersMissing("no answers"))[0] == "000026"
    assert codes.result_of(MacWrong("MAC1"))[0] == "000031"


def test_what_failed_inside_is_not_told_outside():
    assert codes.result_of(HsmUnavailable("slot 3 of token X is gone")) == ("999999", "未知错误")
    assert "row" not in codes.result_of(Busy("row 7"))[1]


def test_an_unmapped_error_is_the_unknown_error():
    class Novel(Refused):
        code = "a_code_without_a_row"

    assert codes.result_of(Novel("x"))[0] == "999999"


def test_every_refusal_of_the_tree_was_thought_of():
    def below(kind: type[TongkaError]) -> set[type[TongkaError]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    inside = {"refused", "misconfigured", "ledger_refused"}  # never a partner's doing
    tree = {kind.code for kind in below(Refused) if kind.__module__ == errors.__name__}
    assert tree - inside <= set(codes.RESULT_OF)
