"""The table of codes: ours, each once, every refusal in it."""

from collections import Counter

from tongka.errors import BadSignature, Busy, Malformed, TongkaError, UnknownParty
from tongka.journeys import counter, group, looks, passwords, prepaid, recharge, supply, topup
from tongka.partners.linkage import codes


def test_codes_and_refusals_stand_there_once():
    assert max(Counter(row.code for row in codes.ERRORS).values()) == 1
    assert max(Counter(error for row in codes.ERRORS for error in row.errors).values()) == 1
    assert all(len(row.code) == 4 and row.code.isdecimal() and row.text for row in codes.ERRORS)


def test_a_refusal_names_the_field_and_the_remedy():
    assert codes.told(Malformed("Mac1", "8 digits")) == ("1002", "报文格式错误: Mac1: 8 digits")


def test_who_is_not_known_learns_nothing():
    told = {codes.told(error) for error in (BadSignature("x"), UnknownParty("channel", "y"))}
    assert told == {("1001", "认证失败")}
    assert codes.told(UnknownParty("prepaid merchant", "B1"))[0] == "4001"


def test_what_failed_inside_is_not_told_outside():
    assert codes.told(Busy("row 7")) == ("9001", "系统忙，请重试")
    assert codes.told(TongkaError("x")) == ("9999", "系统错误")


def test_every_refusal_that_its_journeys_name_was_thought_of():
    elsewhere = {  # told in other words, or of the card front's confirm
        "refused", "ledger_refused", "card_answers_missing", "card_status", "tac_wrong", "order_state_illegal",
        "operation_unknown",
    }  # fmt: skip
    named = {
        kind.code
        for module in (counter, group, looks, passwords, prepaid, recharge, supply, topup)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, TongkaError)
    }
    assert named - elsewhere <= set(codes.ROW_OF)
