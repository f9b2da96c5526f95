"""WeChat Pay as an acquirer: what it says counts only when its signature verifies; silence is unknown."""

import gzip
import hashlib
from datetime import date

import pytest

import bill_files
from fake_institutions import FakeWechat, new_key, private_pem, public_pem
from tongka.errors import BadSignature, Failed
from tongka.payments import Answer
from tongka.payments.acquirer import Found, Payment, RefundAsk
from tongka.payments.wechat import Wechat, WechatAccount

PAY, QUERY = "/v3/pay/transactions/app", "/v3/pay/transactions/out-trade-no/P1"
REFUND, REFUND_QUERY = "/v3/refund/domestic/refunds", "/v3/refund/domestic/refunds/R1"
BILL = "/v3/bill/tradebill"
OURS = new_key()
ASK = RefundAsk(refund_no="R1", payment_no="P1", amount_fen=300, total_fen=1_234)
PAID = {
    "mchid": "1600", "appid": "wx1", "out_trade_no": "P1", "transaction_id": "T", "trade_state": "SUCCESS",
    "amount": {"total": 1_234},
}  # fmt: skip


@pytest.fixture
def bank():
    with FakeWechat() as running:
        yield running


@pytest.fixture
def wechat(bank):
    account = WechatAccount(
        merchant_id="1600",
        app_id="wx1",
        private_key=private_pem(OURS),
        certificate_serial="0A",
        api_key=bank.API_KEY,
        public_key=public_pem(bank.key),
        public_key_id=bank.KEY_ID,
        notify_url="https://city.example/notices/wechat",
        gateway=bank.url,
        timeout_s=5,
    )
    return Wechat(account)


async def test_a_payment_is_a_prepay_id_for_the_riders_app_or_not_known(wechat, bank):
    payment = Payment(payment_no="P1", amount_fen=1_234, subject="Card", expires_s=900)
    assert await wechat.create(payment) is None
    bank.answers[PAY] = (200, {"prepay_id": "wx-1"})
    assert (await wechat.create(payment)).data == "wx-1"
    assert bank.asked[-1][1]["amount"] == {"total": 1_234, "currency": "CNY"}


@pytest.mark.parametrize(
    ("status", "fields", "found"),
    [
        (200, PAID, Found(Answer.YES, 1_234, "T")),
        (200, PAID | {"trade_state": "NOTPAY"}, Found(Answer.NO)),
        (200, PAID | {"trade_state": "USERPAYING"}, Found(Answer.UNKNOWN)),
        (404, {"code": "ORDER_NOT_EXIST"}, Found(Answer.NO)),
        (500, {"code": "SYSTEM_ERROR"}, Found(Answer.UNKNOWN)),
    ],
)
async def test_a_query_says_what_its_answer_says(wechat, bank, status, fields, found):
    bank.answers[QUERY] = (status, fields)
    assert await wechat.query("P1") == found


@pytest.mark.parametrize(
    ("status", "state", "answer"),
    [
        (200, "SUCCESS", Answer.YES),
        (200, "PROCESSING", Answer.UNKNOWN),
        (200, "ABNORMAL", Answer.NO),
        (400, "", Answer.NO),
        (429, "", Answer.UNKNOWN),
        (500, "", Answer.UNKNOWN),
    ],
)
async def test_a_refund_is_yes_no_or_not_known(wechat, bank, status, state, answer):
    bank.answers[REFUND] = bank.answers[REFUND_QUERY] = (status, {"status": state})
    assert await wechat.refund(ASK) is answer
    assert await wechat.query_refund(ASK) is answer


async def test_where_our_account_is_short_today_nothing_is_decided(wechat, bank):
    bank.answers[REFUND] = (403, {"code": "NOT_ENOUGH"})
    assert await wechat.refund(ASK) is Answer.UNKNOWN
    bank.answers[REFUND] = (403, {"code": "NO_AUTH"})
    assert await wechat.refund(ASK) is Answer.NO


async def test_silence_and_forged_answers_are_unknown(wechat, bank):
    assert (await wechat.query("P1")).answer is Answer.UNKNOWN
    bank.answers[QUERY] = (200, PAID)
    bank.answers[REFUND] = (200, {"status": "SUCCESS"})
    bank.forged = True
    assert (await wechat.query("P1")).answer is Answer.UNKNOWN
    assert await wechat.refund(ASK) is Answer.UNKNOWN


async def test_a_notice_counts_only_with_its_signature_and_for_our_merchant(wechat, bank):
    headers, body = bank.notice(PAID)
    assert wechat.verify_notice(headers, body).found == Found(Answer.YES, 1_234, "T")
    lower = {name.lower(): value for name, value in headers.items()}
    assert wechat.verify_notice(lower, body).payment_no == "P1"
    for bad_headers, bad_body in (
        (headers, body + b" "),
        ({}, body),
        (headers | {"Wechatpay-Timestamp": "1"}, body),
        bank.notice(PAID | {"mchid": "1601"}),
    ):
        with pytest.raises(BadSignature):
            wechat.verify_notice(bad_headers, bad_body)


async def test_the_bill_of_a_day_is_unpacked_and_proved_by_the_digest_of_the_signed_answer(wechat, bank):
    text = bill_files.wechat(("P1", "12.34", ""))
    bank.files["/v3/billdownload/file"] = gzip.compress(text)
    told = {"download_url": f"{bank.url}/v3/billdownload/file?token=1", "hash_type": "SHA1"}
    bank.answers[BILL] = (200, told | {"hash_value": hashlib.sha1(text, usedforsecurity=False).hexdigest()})
    assert await wechat.bill(date(2026, 3, 2)) == text
    for changed in ({"hash_value": "00" * 20}, {"hash_type": "NONE"}):
        bank.answers[BILL] = (200, bank.answers[BILL][1] | changed)
        with pytest.raises(Failed):
            await wechat.bill(date(2026, 3, 2))


async def test_a_day_without_trade_has_an_empty_bill_and_a_failure_none(wechat, bank):
    bank.answers[BILL] = (400, {"code": "NO_STATEMENT_EXIST"})
    assert await wechat.bill(date(2026, 3, 2)) == b""
    bank.answers[BILL] = (500, {"code": "SYSTEM_ERROR"})
    with pytest.raises(Failed):
        await wechat.bill(date(2026, 3, 2))
