"""Alipay as an acquirer, on python-alipay-sdk (the library blocks, so each call has a thread).

Open platform, `alipay.trade.app.pay`, `.query`, `.refund`, `.fastpay.refund.query` and the bill download; RSA2. The
library verifies answers over their raw text; a notice is a form, whose signature covers its decoded fields in order.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import parse_qsl

import httpx
from alipay import AliPay, BaseAliPay, DCAliPay
from alipay.utils import AliPayConfig

from tongka.errors import BadSignature, Failed, Malformed
from tongka.money import format_yuan, parse_yuan
from tongka.payments import Answer
from tongka.payments.acquirer import UNKNOWN, Found, Notice, Payment, RefundAsk, Ticket
from tongka.payments.bills import BILL_MAX_BYTES
from tongka.payments.check_certificates import certificates_in

PAID = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
OK, BUSINESS_FAILED = "10000", "40004"
NOT_PAID_YET = frozenset({"ACQ.TRADE_NOT_EXIST"})
RETRY = frozenset({"ACQ.SYSTEM_ERROR", "aop.ACQ.SYSTEM_ERROR", "AOP.ACQ.SYSTEM_ERROR", "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
"""Nothing is decided: Alipay does not know, or our account there is short today."""
NO_BILL = frozenset({"isp.bill_not_exist", "isv.bill_not_exist"})
"""There was no trade on that day; or the bill is not made yet, which is by nine the next morning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Certificate mode: our application's, Alipay's, and Alipay's roots, as PEM texts."""

    app: str
    alipay: str
    root: str


@dataclass(frozen=True, slots=True)
class AlipayAccount:
    """Our application at Alipay; the keys are PEM texts. With certificates the public key is in one of them."""

    app_id: str
    app_private_key: str
    alipay_public_key: str
    notify_url: str
    gateway: str = "https://openapi.alipay.com/gateway.do"
    timeout_s: int = 10
    refund_days: int = 365
    certificates: Certificates | None = None


class Alipay:
    """Implements `Acquirer`."""

    name = "alipay"

    def __init__(self, account: AlipayAccount) -> None:
        self._account = account
        self.refund_days = account.refund_days
        self._client = _client(account)
        self._client._gateway = account.gateway  # noqa: SLF001 - the library knows two gateways, and has no option
        self._client._config = AliPayConfig(timeout=account.timeout_s)  # noqa: SLF001 - none of certificate mode

    async def create(self, payment: Payment) -> Ticket | None:
        text = self._client.api_alipay_trade_app_pay(
            subject=payment.subject,
            out_trade_no=payment.payment_no,
            total_amount=format_yuan(payment.amount_fen),
            timeout_express=f"{max(1, payment.expires_s // 60)}m",
        )
        return Ticket("alipay_order_string", text)

    async def query(self, payment_no: str) -> Found:
        answer = await self._asked(lambda: self._client.api_alipay_trade_query(out_trade_no=payment_no))
        if answer.get("code") == OK:
            return _found(answer)
        return Found(Answer.NO) if answer.get("sub_code") in NOT_PAID_YET else UNKNOWN

    async def refund(self, ask: RefundAsk) -> Answer:
        answer = await self._asked(
            lambda: self._client.api_alipay_trade_refund(
                refund_amount=format_yuan(ask.amount_fen), out_trade_no=ask.payment_no, out_request_no=ask.refund_no
            )
        )
        if answer.get("code") == OK:
            # fund_change N: this number was refunded before, or nothing has moved yet; the query tells which
            return Answer.YES if answer.get("fund_change") == "Y" else await self.query_refund(ask)
        refused = answer.get("code") == BUSINESS_FAILED and answer.get("sub_code") not in RETRY
        return Answer.NO if refused else Answer.UNKNOWN

    async def query_refund(self, ask: RefundAsk) -> Answer:
        answer = await self._asked(
            lambda: self._client.api_alipay_trade_fastpay_refund_query(
                out_request_no=ask.refund_no, out_trade_no=ask.payment_no
            )
        )
        if answer.get("code") != OK:
            return Answer.UNKNOWN
        return Answer.YES if answer.get("refund_status") == "REFUND_SUCCESS" else Answer.UNKNOWN

    def verify_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        del headers
        fields = _form(body)
        signature = fields.pop("sign", "")
        try:
            good = self._client.verify(dict(fields), signature)
        except Exception as error:  # the library raises its own and its crypto library's errors for bad input
            raise BadSignature("the notice's signature cannot be read") from error
        if not good or fields.get("app_id") != self._account.app_id:
            raise BadSignature("the notice is not signed by Alipay for this application")
        return Notice(_text(fields, "out_trade_no"), _found(fields))

    def acknowledge(self) -> tuple[str, bytes]:
        return "text/plain", b"success"

    async def bill(self, day: date) -> bytes:
        answer = await self._asked(
            lambda: self._client.server_api(
                "alipay.data.dataservice.bill.downloadurl.query",
                biz_content={"bill_type": "trade", "bill_date": day.isoformat()},
            )
        )
        if answer.get("sub_code") in NO_BILL:
            return b""
        url = answer.get("bill_download_url")
        if not isinstance(url, str):
            raise Failed(f"Alipay has no bill of {day}: {answer.get('sub_code') or answer.get('code')}")
        return await download(url, self._account.timeout_s)

    async def _asked(self, call: Callable[[], Any]) -> dict[str, Any]:
        """The verified answer; empty where none came, or none that verifies."""
        try:
            answer = await asyncio.to_thread(call)
        except Exception:  # noqa: BLE001 - network, JSON, signature: nothing was learnt, whatever it was
            return {}
        return answer if isinstance(answer, dict) else {}


def _client(account: AlipayAccount) -> BaseAliPay:
    """Both modes of the library verify alike; with certificates each request also names ours and Alipay's roots."""
    common = {
        "appid": account.app_id,
        "app_notify_url": account.notify_url,
        "app_private_key_string": account.app_private_key,
        "sign_type": "RSA2",
    }
    given = account.certificates
    if given is None:
        return AliPay(alipay_public_key_string=account.alipay_public_key, **common)
    return DCAliPay(
        app_public_key_cert_string=given.app,
        alipay_public_key_cert_string=given.alipay,
        alipay_root_cert_string="\n\n".join(certificates_in(given.root)),  # the library wants a blank line between
        **common,
    )


def _found(fields: Mapping[str, Any]) -> Found:
    if fields.get("trade_status") not in PAID:
        return Found(Answer.NO)
    amount = parse_yuan(_text(fields, "total_amount"), "total_amount")
    return Found(Answer.YES, amount, _text(fields, "trade_no"))


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=100)
    except ValueError as error:
        raise Malformed("notice", "is not a form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("notice", "names a field twice")
    return fields


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(name, "is missing in what Alipay says")
    return value


async def download(url: str, timeout_s: int) -> bytes:
    """A bill from where the institution says that it is.

    Raises:
        Failed: it cannot be had, or is larger than any bill.

    """
    try:
        async with httpx.AsyncClient(timeout=timeout_s) as http, http.stream("GET", url) as answer:
            answer.raise_for_status()
            content = b""
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > BILL_MAX_BYTES:
                    raise Failed("the bill is larger than any bill should be")
            return content
    except httpx.HTTPError as error:
        raise Failed(f"the bill cannot be downloaded: {error}") from error
