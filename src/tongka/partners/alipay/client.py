"""Calling the open gateway as a merchant: the document's five methods and the two of today's clients, typed.

Requests are built and signed by python-alipay-sdk and posted as a form (a trade with its records is too long for a
query). Answers are verified over the bytes of the node as received; what does not verify was not answered.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar

import httpx
import msgspec
from alipay import AliPay
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tongka.days import ZONE
from tongka.errors import BadSignature, Failed, Malformed, Misconfigured, Refused, Unknown
from tongka.money import format_yuan
from tongka.partners.alipay import client_messages as m

ANSWER_MAX = 4 << 20
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
TIME = "%Y-%m-%d %H:%M:%S"

SUCCESS = "10000"
NOT_NOW = ("40005",)
"""Called too often: nothing was done."""
DOUBTFUL_CODES = ("20000",)
DOUBTFUL_SUB_CODES = ("UNKNOWN", "SYSTEM_ERROR")
"""The gateway does not know itself (4.2.3.7): ask again under the same number."""

_A = TypeVar("_A", bound=m.Answer)


class GatewayRefused(Refused):
    """The gateway's answer is no: its code, and the document's sub_code."""

    code = "gateway_refused"

    def __init__(self, answer: m.Answer) -> None:
        detail = f" {answer.sub_error_code}" if answer.sub_error_code else ""
        super().__init__(f"{answer.code} {answer.sub_code}{detail}: {answer.sub_msg or answer.msg}")
        self.gateway_code = answer.code
        self.sub_code = answer.sub_code
        self.sub_error_code = answer.sub_error_code


def now() -> datetime:
    return datetime.now(ZONE)


class Gateway:
    """An open gateway, seen by one application. Close it, or use it as an asynchronous context manager.

    Args:
        url: with ``/gateway.do``.
        private_key: the application's, PEM (PKCS#1 or PKCS#8).
        alipay_key: the gateway's public key, PEM; not the application's own, which is the commonest mistake.
        clock: Asia/Shanghai.
        http: a client of the caller's making instead of our own.

    Every method raises:

    - `GatewayRefused`: a verified no.
    - `Failed`: the gateway was not reached, or takes no more calls at the moment; nothing was done.
    - `Unknown`: no answer that verifies, or the gateway does not know; it may have been done.

    """

    def __init__(
        self,
        url: str,
        app_id: str,
        private_key: str,
        alipay_key: str,
        *,
        timeout_s: float = 15,
        clock: Callable[[], datetime] = now,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._url = url
        self._clock = clock
        self._http = http or httpx.AsyncClient(timeout=timeout_s)
        self._alipay_key = _public_key(alipay_key)
        try:
            self._signer = AliPay(app_id, None, private_key, alipay_key, sign_type="RSA2")
        except (ValueError, IndexError, TypeError) as error:
            raise Misconfigured(f"the application's private key is not PEM of an RSA key: {error}") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._http.aclose()

    # --- the methods --------------------------------------------------------------------------------------------------

    async def key_query(self) -> list[dict[str, Any]]:
        """The master keys for gates, as `tongka.code.keys.master_keys` and the SDK take them (4.2.1)."""
        answer = await self._call("alipay.commerce.transport.offlinepay.key.query", {}, m.Keys)
        return [{"key_id": key.key_id, "public_key": key.public_key} for key in answer.keys]

    async def record_verify(self, record: str) -> None:
        """Ask whether an offline record is good (4.2.2); returns if it is."""
        await self._call("alipay.commerce.transport.offlinepay.record.verify", {"record": record}, m.Answer)

    async def trade_settle(self, trades: Sequence[m.OfflineTrade]) -> Mapping[str, m.TradeResult]:
        """Settle trades (4.2.3); the results by out_trade_no. A trade without a result is to be asked again."""
        contents = {"trade_list": [msgspec.to_builtins(trade) for trade in trades]}
        answer = await self._call("alipay.commerce.transport.offlinepay.trade.settle", contents, m.Results)
        return {one.out_trade_no: one for one in answer.results}

    async def virtualcard_send(self, card: m.VirtualCard) -> m.CardSent:
        """Issue, update or revoke a virtual card (4.2.4)."""
        contents = msgspec.to_builtins(card)
        return await self._call("alipay.commerce.transport.offlinepay.virtualcard.send", contents, m.CardSent)

    async def data_send(self, report: m.Report) -> None:
        """Tell of rides and trades (4.2.5)."""
        await self._call("alipay.commerce.data.send", msgspec.to_builtins(report), m.Answer)

    async def virtualcard_batchquery(
        self, user_id: str, *, card_type: str = "", card_no: str = "", include_deleted: bool = False
    ) -> list[dict[str, Any]]:
        """The virtual cards of a user, as the gateway has them."""
        wanted = {"user_id": user_id, "include_deleted": include_deleted}
        named = {name: text for name, text in (("card_type", card_type), ("card_no", card_no)) if text}
        method = "alipay.commerce.transport.offlinepay.virtualcard.batchquery"
        return (await self._call(method, wanted | named, m.Cards)).cards

    async def userblacklist_query(self, page_index: int = 1, page_size: int = 1000) -> list[str]:
        """User ids that gates are to refuse; a page of them, from 1."""
        wanted = {"page_index": page_index, "page_size": page_size}
        method = "alipay.commerce.transport.offlinepay.userblacklist.query"
        return (await self._call(method, wanted, m.Blacklist)).users

    # --- how a call goes ----------------------------------------------------------------------------------------------

    async def _call(self, method: str, contents: dict[str, Any], kind: type[_A]) -> _A:
        stamp = self._clock().astimezone(ZONE).strftime(TIME)
        form = self._signer.client_api(method, contents, timestamp=stamp)
        body = await self._post(form.encode())
        try:
            answer = read_answer(body, method, self._alipay_key, kind)
        except (BadSignature, Malformed) as error:
            raise Unknown(f"{method}: no answer that verifies ({error}); ask again under the same number") from error
        return _judge(method, answer)

    async def _post(self, body: bytes) -> bytes:
        try:
            async with self._http.stream("POST", self._url, content=body, headers=FORM) as response:
                received = b""
                async for chunk in response.aiter_bytes():
                    received += chunk
                    if len(received) > ANSWER_MAX:
                        raise Unknown(f"{self._url}: the answer is longer than {ANSWER_MAX} bytes")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Failed(f"{self._url}: the gateway cannot be reached ({error})") from error
        except httpx.TransportError as error:
            raise Unknown(f"{self._url}: the answer was lost ({error!r}); ask again under the same number") from error
        if response.status_code != httpx.codes.OK:
            raise Unknown(f"{self._url}: HTTP {response.status_code}, not a gateway's answer; check the address")
        return received


def _judge(method: str, answer: _A) -> _A:
    if answer.code == SUCCESS:
        return answer
    if answer.code in NOT_NOW:
        raise Failed(f"{method}: called too often ({answer.sub_code}); wait and ask again")
    if answer.code in DOUBTFUL_CODES or answer.sub_code in DOUBTFUL_SUB_CODES:
        raise Unknown(f"{method}: the gateway does not know ({answer.sub_code}); ask again under the same number")
    raise GatewayRefused(answer)


def read_answer(body: bytes, method: str, key: RSAPublicKey, kind: type[_A]) -> _A:
    """Verify an answer over the bytes of its node as they came, and read it.

    Raises:
        BadSignature: `sign` is missing or does not verify.
        Malformed: no JSON object with the method's node or `error_response`.

    """
    try:
        parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        node = parts.get(method.replace(".", "_") + "_response") or parts.get("error_response")
        if node is None:
            raise Malformed("answer", f"has no node of {method}")
        verify_node(bytes(node), msgspec.json.decode(parts["sign"], type=str) if "sign" in parts else "", key)
        return msgspec.json.decode(node, type=kind)
    except msgspec.MsgspecError as error:
        raise Malformed("answer", str(error)) from error


def verify_node(node: bytes, sign: str, key: RSAPublicKey) -> None:
    """RSA2 over the node's bytes.

    Raises:
        BadSignature: it does not verify.

    """
    try:
        key.verify(base64.b64decode(sign, validate=True), node, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError) as error:
        raise BadSignature("the answer's sign does not verify; is alipay_key the gateway's, not our own?") from error


def _public_key(pem: str) -> RSAPublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise Misconfigured(f"the gateway's public key is not PEM: {error}") from error
    if not isinstance(key, RSAPublicKey):
        raise Misconfigured("the gateway's public key is not an RSA key")
    return key


def trade(
    *,
    user_id: str,
    out_trade_no: str,
    at: datetime,
    subject: str,
    amount_fen: int,
    records: Sequence[str],
    context: Mapping[str, str] | None = None,
    seller_login_name: str = "",
) -> m.OfflineTrade:
    """A trade, with amounts and moments as the gateway wants them."""
    return m.OfflineTrade(
        user_id=user_id,
        out_trade_no=out_trade_no,
        actual_order_time=at.astimezone(ZONE).strftime(TIME),
        subject=subject,
        amount=format_yuan(amount_fen),
        records=tuple(records),
        order_biz_context=msgspec.json.encode(context).decode() if context else None,
        seller_login_name=seller_login_name or None,
    )
