"""Bills of a day: read as they are published, and refused where they are something else."""

import gzip

import pytest

import bill_files
from tongka.errors import Malformed
from tongka.payments.bills import BillLine, read_bill

ROWS = (("P1", "30.00", ""), ("P1", "10.00", "R1-2"), ("P2", "0.01", ""))
FILES = {"alipay": bill_files.alipay, "wechat": bill_files.wechat}


def told(name: str, *rows: tuple[str, str, str]):
    return [(one.kind, one.number, one.payment_no, one.amount_fen) for one in read_bill(name, FILES[name](*rows))]


@pytest.mark.parametrize("name", FILES)
def test_payments_and_refunds_are_read(name):
    assert told(name, *ROWS) == [
        ("payment", "P1", "P1", 3_000),
        ("refund", "R1-2", "P1", 1_000),
        ("payment", "P2", "P2", 1),
    ]
    assert told(name) == []


def test_the_institutions_numbers_are_stripped():
    assert read_bill("alipay", bill_files.alipay(ROWS[0]))[0].trade_no == "2026030222001444491"
    assert read_bill("wechat", bill_files.wechat(ROWS[0]))[0].trade_no == "4200000925202101284997"


def test_columns_are_found_by_their_names():
    narrow = bill_files.ALIPAY_COLUMNS.replace("（", "(").replace("）", ")")
    assert len(read_bill("alipay", bill_files.alipay(*ROWS, columns=narrow))) == 3
    for name, file in FILES.items():
        columns = getattr(bill_files, f"{name.upper()}_COLUMNS").replace("商户订单号", "订单号")
        with pytest.raises(Malformed, match="商户订单号"):
            read_bill(name, file(*ROWS, columns=columns))


def test_a_bill_of_wechat_may_be_gzipped_and_a_failed_refund_is_none():
    assert len(read_bill("wechat", gzip.compress(bill_files.wechat(*ROWS)))) == 3
    assert len(read_bill("wechat", bill_files.wechat(*ROWS, status="FAIL"))) == 2


def test_a_bill_of_the_till_is_read_and_nothing_is_a_day_without_trade():
    text = b"kind,number,payment_no,trade_no,amount_fen\nrefund,R,P,T,5\n"
    assert read_bill("sandbox", text) == [BillLine("refund", "R", "P", 5, "T")]
    assert [read_bill(name, b"") for name in ("alipay", "wechat", "sandbox")] == [[], [], []]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("alipay", bill_files.wechat(*ROWS)),
        ("alipay", bill_files.alipay(*ROWS)[:-30]),
        ("alipay", bill_files.alipay(("P", "-1.00", ""))),
        ("alipay", bill_files.alipay(("P", "1.001", ""))),
        ("wechat", bill_files.alipay(*ROWS)),
        ("wechat", b'{"code":"NO_STATEMENT_EXIST"}'),
        ("wechat", gzip.compress(bill_files.wechat(*ROWS))[:-20]),
        ("wechat", bill_files.wechat(*ROWS).replace(b",`OTHERS", b"")),
        ("wechat", bill_files.wechat(*ROWS).replace(b"`SUCCESS", b"`NOTPAY")),
        ("sandbox", b"a,b\n1,2\n"),
    ],
)
def test_what_is_no_bill_is_refused(name, content):
    with pytest.raises(Malformed):
        read_bill(name, content)
