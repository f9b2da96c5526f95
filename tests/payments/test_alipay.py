"""Alipay as an acquirer, in both modes: what it says counts only when its signature verifies; silence is unknown."""

from dataclasses import replace
from datetime import date

import pytest

import bill_files
import certified
from fake_institutions import FakeAlipay, new_key, private_pem, public_pem
from tongka.errors import BadSignature, Failed
from tongka.partners.alipay.certificates import root_serial, serial
from tongka.payments import Answer
from tongka.payments.acquirer import Found, Payment, RefundAsk
from tongka.payments.alipay import Alipay, AlipayAccount, Certificates

QUERY, REFUND = "alipay.trade.query", "alipay.trade.refund"
BILL = "alipay.data.dataservice.bill.downloadurl.query"
REFUND_QUERY = "alipay.trade.fastpay.refund.query"
OURS = new_key()
PAID = {"trade_status": "TRADE_SUCCESS", "total_amount": "12.34", "trade_no": "T"}
ASK = RefundAsk(refund_no="R1", payment_no="P1", amount_fen=300, total_fen=1_234)


@pytest.fixture
def bank():
    with FakeAlipay() as running:
        yield running


def by_certificate(bank) -> Certificates:
    """The gateway from now on looks at the certificates that requests name; its serials are reckoned without it."""
    files = certified.console(OURS, bank.key)
    bank.named = {
        "app_cert_sn": serial(files.app_certificate),
        "alipay_root_cert_sn": root_serial(files.roots),
        "key": OURS.public_key(),
    }
    bank.cert_sn = serial(files.alipay_certificate)
    return Certificates(app=files.app, alipay=files.alipay, root=files.root)


def account(bank, certificates: Certificates | None = None) -> AlipayAccount:
    return AlipayAccount(
        app_id="2021",
        app_private_key=private_pem(OURS),
        alipay_public_key="" if certificates else public_pem(bank.key),
        notify_url="https://city.example/notices/alipay",
        gateway=f"{bank.url}/gateway.do",
        timeout_s=5,
        certificates=certificates,
    )


@pytest.fixture(params=["public key", "certificates"])
def alipay(request, bank):
    return Alipay(account(bank, by_certificate(bank) if request.param == "certificates" else None))


async def test_a_payment_is_an_order_string_for_the_riders_app(alipay):
    ticket = await alipay.create(Payment(payment_no="P1", amount_fen=1_234, subject="Card", expires_s=900))
    assert ticket.kind == "alipay_order_string"
    assert "method=alipay.trade.app.pay" in ticket.data
    assert "12.34" in ticket.data


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"code": "10000"} | PAID, Found(Answer.YES, 1_234, "T")),
        ({"code": "10000", "trade_status": "WAIT_BUYER_PAY"}, Found(Answer.NO)),
        ({"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}, Found(Answer.NO)),
        ({"code": "20000", "sub_code": "aop.unknow-error"}, Found(Answer.UNKNOWN)),
    ],
)
async def test_a_query_says_what_its_answer_says(alipay, bank, fields, found):
    bank.answers[QUERY] = (200, fields)
    assert await alipay.query("P1") == found


async def test_silence_and_forged_answers_are_unknown(alipay, bank):
    assert (await alipay.query("P1")).answer is Answer.UNKNOWN
    bank.answers[QUERY] = (
        200,
        {"code": "10000", "trade_status": "TRADE_SUCCESS", "total_amount": "1.00", "trade_no": "T"},
    )
    bank.forged = True
    assert (await alipay.query("P1")).answer is Answer.UNKNOWN
    bank.answers[REFUND] = (200, {"code": "10000", "fund_change": "Y"})
    assert await alipay.refund(ASK) is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("refund", "query", "answer"),
    [
        ({"code": "10000", "fund_change": "Y"}, None, Answer.YES),
        ({"code": "10000", "fund_change": "N"}, {"code": "10000", "refund_status": "REFUND_SUCCESS"}, Answer.YES),
        ({"code": "10000", "fund_change": "N"}, {"code": "10000"}, Answer.UNKNOWN),
        ({"code": "40004", "sub_code": "ACQ.REASON_TRADE_REFUND_FEE_ERR"}, None, Answer.NO),
        ({"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"}, None, Answer.UNKNOWN),
        ({"code": "40004", "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH"}, None, Answer.UNKNOWN),
    ],
)
async def test_a_refund_is_yes_no_or_not_known(alipay, bank, refund, query, answer):
    bank.answers[REFUND] = (200, refund)
    if query:
        bank.answers[REFUND_QUERY] = (200, query)
    assert await alipay.refund(ASK) is answer
    assert bank.asked[0][1] == {"refund_amount": "3.00", "out_request_no": "R1", "out_trade_no": "P1"}


async def test_a_notice_counts_only_with_its_signature_and_for_our_application(alipay, bank):
    fields = {
        "app_id": "2021",
        "out_trade_no": "P1",
        "trade_no": "T",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "12.34",
    }
    body = bank.notice(**fields)
    assert alipay.verify_notice({}, body).found == Found(Answer.YES, 1_234, "T")
    for bad in (
        body.replace(b"12.34", b"12.35"),
        bank.notice(**fields | {"app_id": "2022"}),
        body.replace(b"sign=", b"no="),
        body.replace(b"sign_type=RSA2", b"sign_type=RSA"),
    ):
        with pytest.raises(BadSignature):
            alipay.verify_notice({}, bad)
    bank.forged = True
    with pytest.raises(BadSignature):
        alipay.verify_notice({}, bank.notice(**fields))


async def test_the_bill_of_a_day_is_downloaded_from_where_the_signed_answer_says(alipay, bank):
    bank.files["/bill.zip"] = bill_files.alipay(("P1", "12.34", ""))
    bank.answers[BILL] = (200, {"code": "10000", "bill_download_url": f"{bank.url}/bill.zip?token=1"})
    assert await alipay.bill(date(2026, 3, 2)) == bank.files["/bill.zip"]
    assert bank.asked[-1] == (BILL, {"bill_type": "trade", "bill_date": "2026-03-02"})
    bank.forged = True
    with pytest.raises(Failed):
        await alipay.bill(date(2026, 3, 2))


async def test_a_day_without_trade_has_an_empty_bill_and_a_failure_none(alipay, bank):
    bank.answers[BILL] = (200, {"code": "40004", "sub_code": "isp.bill_not_exist"})
    assert await alipay.bill(date(2026, 3, 2)) == b""
    bank.answers[BILL] = (200, {"code": "20000", "sub_code": "aop.unknow-error"})
    with pytest.raises(Failed):
        await alipay.bill(date(2026, 3, 2))


async def test_in_certificate_mode_every_request_names_our_certificate_and_the_roots(bank):
    good = by_certificate(bank)
    ticket = await Alipay(account(bank, good)).create(
        Payment(payment_no="P1", amount_fen=1, subject="Card", expires_s=900)
    )
    assert f"app_cert_sn={bank.named['app_cert_sn']}" in ticket.data
    assert f"alipay_root_cert_sn={bank.named['alipay_root_cert_sn']}" in ticket.data
    bank.answers[QUERY] = (200, {"code": "10000"} | PAID)
    assert (await Alipay(account(bank, good)).query("P1")).answer is Answer.YES
    others = certified.console(OURS, new_key())
    for wrong in ({"app": others.app}, {"root": others.root}, {"alipay": others.alipay}):
        asked = Alipay(account(bank, replace(good, **wrong)))
        assert (await asked.query("P1")).answer is Answer.UNKNOWN
