"""The twelve operations: every field as spelled, both directions, and what a message refuses."""

import json
from pathlib import Path

import msgspec
import pytest

from tongka.errors import CardAnswersMissing, Malformed
from tongka.partners.huzhou import messages
from tongka.partners.huzhou.fields import Customer, customer_of, hex_list
from tongka.partners.huzhou.messages import OPERATIONS, operation_for
from tongka.wire import read

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "huzhou_messages.json").read_text("utf-8"))
BY_NAME = {vector["name"]: vector for vector in VECTORS["operations"]}
CHARGE = BY_NAME["cardChargeRequest"]["request"]
SELECT, FILE15 = "00A4040008A000000632010105", "00B0950000"


def without(value: dict, *names: str) -> dict:
    return {name: each for name, each in value.items() if name not in names}


def test_there_are_the_documents_twelve_operations_each_with_a_vector():
    assert len(OPERATIONS) == 12
    assert list(OPERATIONS) == list(BY_NAME)
    assert OPERATIONS["cardInfoQuery"].path == "/cardInfoQuery/V1"


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_request_is_read_and_written_as_the_document_spells_it(name):
    vector = BY_NAME[name]["request"]
    message = read(OPERATIONS[name].request, vector)
    assert msgspec.to_builtins(message) == vector
    declared = set(OPERATIONS[name].request.__struct_encode_fields__)
    optional = {"payorderno", "custinfo", "apduresp"}
    assert declared - set(vector) <= optional


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.answer])
def test_an_answer_is_read_and_written_as_the_document_spells_it(name):
    vector = BY_NAME[name]["answer"]
    kind = OPERATIONS[name].answer
    assert set(kind.__struct_encode_fields__) == set(vector)
    assert json.loads(msgspec.json.encode(read(kind, vector))) == vector


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_required_field_is_missed_by_name(name):
    vector, kind = BY_NAME[name]["request"], OPERATIONS[name].request
    fields = msgspec.structs.fields(kind)
    required = [field.encode_name for field in fields if field.required]
    assert required
    for field in required:
        with pytest.raises(Malformed, match=rf"^{field}: is missing"):
            read(kind, without(vector, field))


def test_the_envelope_has_every_field_of_clause_2_4():
    assert msgspec.to_builtins(read(messages.Request, VECTORS["envelope"])) == VECTORS["envelope"]
    for field in VECTORS["envelope"]:
        with pytest.raises(Malformed, match=rf"^{field}: is missing"):
            read(messages.Request, without(VECTORS["envelope"], field))
        with pytest.raises(Malformed, match=rf"^{field}: "):
            read(messages.Request, VECTORS["envelope"] | {field: ""})
        with pytest.raises(Malformed, match=rf"^{field}: "):
            read(messages.Request, VECTORS["envelope"] | {field: "x" * 33})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cardno", "31048806000000123X5"),
        ("cardno", ""),
        ("cardno", "1" * 21),
        ("chargetype", "02"),
        ("paytype", ""),
        ("paytype", "001"),
        ("payorderno", "x" * 65),
        ("txnamt", ""),
        ("txnamt", "-1"),
        ("txnamt", "1.00"),
        ("txnamt", "１０００"),
        ("txnamt", 1000),
        ("orderno", ""),
        ("apdunum", "two"),
        ("apdulist", 7),
        ("apdulist", [7]),
        ("apdulist", {"0": SELECT}),
    ],
)
def test_a_wrong_value_is_told_by_the_documents_name(field, value):
    with pytest.raises(Malformed, match=rf"^{field}"):
        read(messages.CardChargeRequest, CHARGE | {field: value})


@pytest.mark.parametrize("text", ["0", "0000", "4294967296", "9999999999"])
def test_an_amount_is_above_zero_and_fits_four_bytes(text):
    with pytest.raises(Malformed, match=r"^txnamt: the amount must be from 1 to 4294967295 fen"):
        _ = read(messages.ChargeOrderCreate, CHARGE | {"txnamt": text}).amount


def test_optional_fields_may_be_absent_null_or_empty():
    for payment_order in ({}, {"payorderno": None}, {"payorderno": ""}):
        assert not read(messages.ChargeOrderCreate, without(CHARGE, "payorderno") | payment_order).payment_order


def test_unknown_fields_are_ignored():
    assert read(messages.ChargeOrderCancel, {"cardno": "12345678", "more": {"x": 1}}).card_no == "12345678"


# --- card answers -----------------------------------------------------------------------------------------------------


def card_info(num, commands, answers):
    return read(messages.CardInfoQuery, {"apdunum": num, "apdulist": commands, "apduresp": answers})


@pytest.mark.parametrize("num", [2, "2", "02"])
@pytest.mark.parametrize("as_array", [False, True])
def test_commands_and_answers_are_read_from_text_or_array(num, as_array):
    commands, answers = [SELECT, FILE15.lower()], ["6F009000", "6a83"]
    if not as_array:
        commands, answers = ",".join(commands), ",".join(answers)
    script = card_info(num, commands, answers).script()
    assert [exchange.command.hex for exchange in script] == [SELECT, FILE15]
    assert [(exchange.answer.data.hex(), exchange.answer.sw) for exchange in script] == [("6f00", 0x9000), ("", 0x6A83)]


@pytest.mark.parametrize(
    ("num", "commands", "answers"),
    [
        (1, SELECT, "9000,9000"),
        (2, f"{SELECT},{FILE15}", "9000"),
        (1, f"{SELECT},{FILE15}", "9000"),
        (3, f"{SELECT},{FILE15}", "9000,9000"),
        (0, "", ""),
        (0, [], []),
        (0, SELECT, ""),
        (1, "", "9000"),
    ],
)
def test_a_count_that_does_not_match_is_refused(num, commands, answers):
    with pytest.raises(CardAnswersMissing):
        card_info(num, commands, answers).script()


@pytest.mark.parametrize(
    ("commands", "answers", "field"),
    [
        ("XY", "9000", "apdulist"),
        ("00A4 0400", "9000", "apdulist"),
        ("00A", "9000", "apdulist"),
        (SELECT, "90", "apduresp"),
        (SELECT, "900", "apduresp"),
        (SELECT, "00" * 259, "apduresp"),
        ("00A4", "9000", "apdulist"),
        (",".join([FILE15] * 65), "9000", "apdulist"),
        (FILE15, ",".join(["9000"] * 65), "apduresp"),
    ],
)
def test_an_entry_that_is_no_command_or_answer_is_refused(commands, answers, field):
    with pytest.raises(Malformed, match=rf"^{field}: "):
        card_info(1, commands, answers).script()


@pytest.mark.parametrize("missing", ["apdunum", "apdulist", "apduresp"])
def test_a_charge_request_needs_the_card_answers_that_the_document_forgot(missing):
    read(messages.CardChargeRequest, CHARGE).script()
    with pytest.raises(CardAnswersMissing):
        read(messages.CardChargeRequest, without(CHARGE, missing)).script()


def test_a_sale_brings_answers_to_expected_commands():
    sale = read(messages.CardSaleRequest, BY_NAME["cardSaleRequest"]["request"])
    given = card_info(3, f"{SELECT},{FILE15},0084000004", "9000,9000,9000").script()
    expected = tuple(exchange.command for exchange in given)
    script = sale.script(expected)
    assert [exchange.command for exchange in script] == list(expected)
    assert script[2].answer.data.hex().upper() == "A1B2C3D4"
    with pytest.raises(CardAnswersMissing):
        sale.script(expected[:2])


def test_a_sale_may_bring_its_own_commands():
    value = BY_NAME["cardSaleRequest"]["request"] | {"apdunum": "1", "apdulist": FILE15, "apduresp": "6A82"}
    (exchange,) = read(messages.CardSaleRequest, value).script(())
    assert (exchange.command.hex, exchange.answer.sw) == (FILE15, 0x6A82)


def test_a_bad_cards_return_brings_no_answers():
    value = {"cardno": "12345678", "returntype": "1", "cardbal": "", "apdunum": "0", "apdulist": ""}
    assert not read(messages.CardReturnApply, value).has_answers


def test_commands_are_written_in_upper_case_with_commas():
    script = card_info(2, f"{SELECT},{FILE15.lower()}", "9000,9000").script()
    assert hex_list(tuple(exchange.command for exchange in script)) == f"{SELECT},{FILE15}"


# --- customers, pages, misprinted paths -------------------------------------------------------------------------------


def test_a_customer_is_an_object_or_json_text_and_never_shows():
    value = {"custname": "某人", "certtype": "01", "certno": "000000", "mobile": "10000000000"}
    as_object = read(messages.CardSaleRequest, BY_NAME["cardSaleRequest"]["request"] | {"custinfo": value})
    as_text = read(messages.CardSaleRequest, BY_NAME["cardSaleRequest"]["request"] | {"custinfo": json.dumps(value)})
    assert customer_of(as_object.customer) == customer_of(as_text.customer)
    assert customer_of(as_object.customer).certificate_no == "000000"
    assert "某人" not in repr(as_object) + repr(as_text)
    assert repr(as_text).startswith("CardSaleRequest(card_no=")
    assert repr(Customer()) == "Customer(…)"


@pytest.mark.parametrize("value", ["{", "[]", '{"custname":"a","custname":"b"}', '{"custname":1}', '{"mobile":1.5}'])
def test_text_that_is_no_customer_is_refused(value):
    with pytest.raises(Malformed):
        customer_of(value)


@pytest.mark.parametrize(("value", "customer"), [(None, None), ("", None), (Customer(), Customer())])
def test_an_absent_customer_is_none(value, customer):
    assert customer_of(value) == customer


@pytest.mark.parametrize(("sent", "size"), [("1", 1), ("20", 20), ("21", 20), (500, 20), (7, 7)])
def test_a_page_has_at_most_twenty_rows(sent, size):
    query = read(messages.ChargeOrderQuery, BY_NAME["chargeOrderQuery"]["request"] | {"recnumperpage": sent})
    assert query.page_size == size


@pytest.mark.parametrize("field", ["recnumperpage", "currpage"])
def test_pages_count_from_one(field):
    query = read(messages.ChargeOrderQuery, BY_NAME["chargeOrderQuery"]["request"] | {field: "0"})
    with pytest.raises(Malformed, match=rf"^{field}: counts from 1"):
        _ = query.page_size, query.page


@pytest.mark.parametrize(("order_by", "ascending"), [({}, False), ({"orderby": ""}, False), ({"orderby": "1"}, True)])
def test_the_newest_order_comes_first_unless_asked(order_by, ascending):
    value = without(BY_NAME["chargeOrderQuery"]["request"], "orderby") | order_by
    assert read(messages.ChargeOrderQuery, value).ascending is ascending


@pytest.mark.parametrize("name", ["chargeOrderCreate", "chargeOrderQuery", "chargeOrderCancel"])
def test_the_path_printed_three_times_is_told_apart_by_what_is_sent(name):
    data = BY_NAME[name]["request"]
    assert operation_for("chargeOrderCreate", data).name == name
    assert operation_for(name, data).name == name


def test_an_unknown_path_is_no_operation():
    assert operation_for("chargeOrderDelete", {}) is None
