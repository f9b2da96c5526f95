"""The table of codes: ours, each once, every refusal in it."""

import importlib
from collections import Counter

from tongka import errors
from tongka.errors import BadSignature, Busy, Malformed, Refused, TongkaError, UnknownParty
from tongka.journeys import refusals
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


def test_every_refusal_of_the_journeys_that_can_come_here_was_thought_of():
    importlib.import_module("tongka.store.orders")

    def below(kind: type[TongkaError]) -> set[type[TongkaError]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    elsewhere = {  # of other interfaces, or of the administration
        "refused", "misconfigured", "ledger_refused", "stale", "card_answers_missing", "card_status", "tac_wrong",
        "order_state_illegal", "not_charged", "stale_script", "operation_failed", "payment_method_unknown", "too_early",
    }  # fmt: skip
    ours = {kind.code for kind in below(Refused) if kind.__module__ in {errors.__name__, refusals.__name__}}
    assert ours - elsewhere <= set(codes.ROW_OF)
