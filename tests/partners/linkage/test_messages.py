"""Every field as the document spells it, each operation its own."""

import pytest

from tongka.errors import Malformed
from tongka.partners.linkage.messages import OPERATIONS, Answer
from tongka.wire import read

EXCHANGE = (
    "TermNo CardType RndNumber2 CardTradeNo CardOldBal TradeMoney TradeType"
    " KeyVersion ArithIndex Mac1 HostDate HostTime"
)
PRINTED = {
    "/tuxedo/alverify": ("CarNo CardOldBal CardTradeNo", "TradeID TradeMoney"),
    "/tuxedo/mac1authal": (
        f"TradeID ChannelNo CarNo ASN {EXCHANGE} PaymentType AccountNo PaymentTradeID OperateMode PhoneModel LinkAddr",
        "Mac2",
    ),
    "/tuxedo/now": ("ChannelNo", "HostDate HostTime"),
    "/prepay/supply": ("TradeID TradeMoney Balunitno", "balunitno balance"),
    "/prepay/accttranssupply": (f"TradeId BalunitNo DeviceNo CardNo Asn {EXCHANGE}", "Mac2"),
    "/recharcard/pwcheck": ("Tac", "TradeMoney"),
    "/recharcard/supply": (f"DeptNo OperNo CardNo Asn Tac {EXCHANGE}", "Mac2"),
    "/card/supply": (f"DeptNo OperNo CardNo ASN {EXCHANGE}", "Mac2"),
    "/group/supply": (f"DeptNo OperNo CardNo ASN {EXCHANGE}", "Mac2"),
    "/group/pwmodify": ("CardNo OldPass NewPass", ""),
    "/group/verify": ("ASN PassWord", "TradeMoneuy TradeMoney"),
}


def test_there_are_the_eleven_operations():
    assert list(OPERATIONS) == list(PRINTED)


@pytest.mark.parametrize("path", PRINTED)
def test_fields_are_spelt_as_printed_and_all_are_required(path):
    asked, answered = PRINTED[path]
    operation = OPERATIONS[path]
    assert set(operation.request.__struct_encode_fields__) == {"OrigionDomain", "Token", *asked.split()}
    assert not operation.request.__struct_defaults__
    assert set(operation.answer.__struct_encode_fields__) == {"ErrorCode", "ErrorMsg", *answered.split()}


@pytest.mark.parametrize("path", PRINTED)
def test_each_missing_field_is_named(path):
    kind = OPERATIONS[path].request
    with pytest.raises(Malformed) as refused:
        read(kind, {})
    assert refused.value.field == kind.__struct_encode_fields__[0] == "OrigionDomain"


def test_an_unknown_field_is_refused():
    with pytest.raises(Malformed, match="Novel"):
        read(OPERATIONS["/tuxedo/now"].request, {"Novel": "1"})


def test_a_clients_answer_may_grow():
    assert read(Answer, {"ErrorCode": "0000", "ErrorMsg": "", "Novel": "1"}).code == "0000"
