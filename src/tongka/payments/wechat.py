"""WeChat Pay (API v3) as an acquirer, on wechatpayv3 (the library blocks, so each call has a thread).

The library verifies every answer and notice over the raw body, with the platform's public key (mode of 2024) and never
with certificates that it fetches on first use: so a process starts without asking anybody.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cryptography.hazmat.primitives import serialization
from wechatpayv3 import WeChatPay, WeChatPayType

from tongka.errors import BadSignature, Failed, Malformed
from tongka.payments import Answer
from tongka.payments.acquirer import UNKNOWN, Found, Notice, Payment, RefundAsk, Ticket
from tongka.payments.bills import unpacked

PAID, NOT_PAID = frozenset({"SUCCESS", "REFUND"}), frozenset({"NOTPAY", "CLOSED", "REVOKED", "PAYERROR"})
REFUNDED, REFUSED = "SUCCESS", frozenset({"CLOSED", "ABNORMAL"})
OK, NOT_FOUND = 200, 404
NO_BILL = "NO_STATEMENT_EXIST"
"""There was no trade on that day; or the bill is not made yet, which is by ten the next morning."""
CERTAINLY_REFUSED = frozenset({400, 403, 404})
SHORT = "NOT_ENOUGH"
"""Our account there is short today: asked again under the same number, it may be paid."""


@dataclass(frozen=True, slots=True)
class WechatAccount:
    """Our merchant at WeChat Pay; keys are PEM texts."""

    merchant_id: str
    app_id: str
    private_key: str
    certificate_serial: str
    api_key: str
    public_key: str
    public_key_id: str
    notify_url: str
    gateway: str = "https://api.mch.weixin.qq.com"
    timeout_s: int = 10
    refund_days: int = 365


class Wechat:
    """Implements `Acquirer`."""

    name = "wechat"

    def __init__(self, account: WechatAccount) -> None:
        self._merchant_id = account.merchant_id
        self.refund_days = account.refund_days
        self._client = WeChatPay(
            wechatpay_type=WeChatPayType.APP,
            mchid=account.merchant_id,
            private_key=_pkcs8(account.private_key),
            cert_serial_no=account.certificate_serial,
            appid=account.app_id,
            apiv3_key=account.api_key,
            notify_url=account.notify_url,
            timeout=(account.timeout_s, account.timeout_s),
            public_key=account.public_key,
            public_key_id=account.public_key_id,
        )
        self._client._core._gate_way = account.gateway  # noqa: SLF001 - the library has no option for it

    async def create(self, payment: Payment) -> Ticket | None:
        code, answer = await self._asked(
            lambda: self._client.pay(
                description=payment.subject,
                out_trade_no=payment.payment_no,
                amount={"total": payment.amount_fen, "currency": "CNY"},
            )
        )
        prepay = answer.get("prepay_id")
        return Ticket("wechat_prepay_id", prepay) if code == OK and isinstance(prepay, str) else None

    async def query(self, payment_no: str) -> Found:
        code, answer = await self._asked(lambda: self._client.query(out_trade_no=payment_no))
        if code == NOT_FOUND:
            return Found(Answer.NO)
        return _found(answer) if code == OK else UNKNOWN

    async def refund(self, ask: RefundAsk) -> Answer:
        code, answer = await self._asked(
            lambda: self._client.refund(
                out_refund_no=ask.refund_no,
                out_trade_no=ask.payment_no,
                amount={"refund": ask.amount_fen, "total": ask.total_fen, "currency": "CNY"},
            )
        )
        return _refunded(code, answer)

    async def query_refund(self, ask: RefundAsk) -> Answer:
        code, answer = await self._asked(lambda: self._client.query_refund(out_refund_no=ask.refund_no))
        return _refunded(code, answer)

    def verify_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        try:
            told = self._client.callback({name.lower(): value for name, value in headers.items()}, body)
        except Exception as error:  # the library raises bare exceptions for whatever it does not know
            raise BadSignature("the notice's signature cannot be read") from error
        if not told:
            raise BadSignature("the notice is not signed by WeChat Pay")
        resource = told.get("resource", {})
        if resource.get("mchid") != self._merchant_id:
            raise BadSignature("the notice is for another merchant")
        return Notice(_text(resource, "out_trade_no"), _found(resource))

    def acknowledge(self) -> tuple[str, bytes]:
        return "application/json", b'{"code":"SUCCESS","message":""}'

    async def bill(self, day: date) -> bytes:
        """Gzipped on its way; the answer to the download is not signed, so the digest in the signed one proves it."""
        code, answer = await self._asked(lambda: self._client.trade_bill(bill_date=day.isoformat()))
        if answer.get("code") == NO_BILL:
            return b""
        url, digest = answer.get("download_url"), answer.get("hash_value")
        if code != OK or not isinstance(url, str) or answer.get("hash_type") != "SHA1":
            raise Failed(f"WeChat Pay has no bill of {day}: {answer.get('code') or code}")
        try:
            status, content = await asyncio.to_thread(self._client.download_bill, url)
        except Exception as error:  # as in _asked
            raise Failed(f"the bill of {day} cannot be downloaded") from error
        if status != OK:
            raise Failed(f"the bill of {day} cannot be downloaded: {status}")
        text = unpacked(content if isinstance(content, bytes) else str(content).encode())
        if hashlib.sha1(text, usedforsecurity=False).hexdigest() != digest:
            raise Failed(f"the bill of {day} is not the one that WeChat Pay announced; download it again")
        return text

    async def _asked(self, call: Callable[[], tuple[int, Any]]) -> tuple[int, dict[str, Any]]:
        """Status and verified answer; 0 where none came, or none that verifies."""
        try:
            code, text = await asyncio.to_thread(call)
            answer = json.loads(text)
        except Exception:  # noqa: BLE001 - network, JSON, signature: nothing was learnt, whatever it was
            return 0, {}
        return code, answer if isinstance(answer, dict) else {}


def _pkcs8(pem: str) -> str:
    """The library reads PKCS#8 only, and calls anything else a failure."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _found(answer: Mapping[str, Any]) -> Found:
    state = answer.get("trade_state")
    if state in NOT_PAID:
        return Found(Answer.NO)
    if state not in PAID:
        return UNKNOWN
    amount = answer.get("amount")
    total = amount.get("total") if isinstance(amount, dict) else None
    if not isinstance(total, int):
        raise Malformed("amount.total", "is missing in what WeChat Pay says")
    return Found(Answer.YES, total, _text(answer, "transaction_id"))


def _refunded(code: int, answer: Mapping[str, Any]) -> Answer:
    """PROCESSING is not known yet. A refused request is a no; anything of 5xx, 429, and a short account are not."""
    if code == OK and answer.get("status") == REFUNDED:
        return Answer.YES
    if answer.get("code") == SHORT:
        return Answer.UNKNOWN
    if (code == OK and answer.get("status") in REFUSED) or code in CERTAINLY_REFUSED:
        return Answer.NO
    return Answer.UNKNOWN


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(name, "is missing in what WeChat Pay says")
    return value
