"""The open gateway as served: /gateway.do, from parameters in any split to a signed node. HTTP is always 200.

Checks run in this order: parameters, method, application, what is missing, form of the common parameters, signature,
tokens, rate, permission, contract, then the method's own.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import BaseRoute, Route

from tongka.endpoint import address_of, whole_body
from tongka.errors import Failed, Malformed, Refused, TongkaError, Unknown
from tongka.keys import RsaHash
from tongka.partners.alipay import codec, messages
from tongka.partners.alipay.certificates import read_chain
from tongka.partners.alipay.codes import BUSINESS_FAILED, SUB_TEXTS, SUCCESS, CommonRefused, SubCode
from tongka.partners.alipay.limits import CallLimits
from tongka.partners.alipay.operations import METHODS, BusinessRefused, Call
from tongka.store import merchants
from tongka.store.merchants import MerchantApp
from tongka.system import System
from tongka.traffic import Seen

ENDPOINT: Final = "alipay"
"""The name of the platform's RSA key for this interface."""

REQUIRED: Final = {
    "app_id": "isv.missing-app-id",
    "sign": "isv.missing-signature",
    "timestamp": "isv.missing-timestamp",
    "version": "isv.missing-version",
}
"""Common parameters without which nothing is looked at, in this order."""

TOKENS: Final = {"app_auth_token": "aop.invalid-app-auth-token", "auth_token": "aop.invalid-auth-token"}
"""Authorisations of others, which this gateway gives to nobody."""

VERSION: Final = "1.0"
NOTIFY_URL_MAX: Final = 256
SUB_MSG_MAX: Final = 256
JSON: Final = "application/json;charset=utf-8"

log = structlog.get_logger()


class NoRight(Refused):
    """The merchant has no contract for offline transit payment."""

    code = "no_right"


def routes(system: System) -> list[BaseRoute]:
    """GET and POST /gateway.do."""
    gateway = GatewayServer(system)
    return [Route("/gateway.do", gateway.respond, methods=["GET", "POST"])]


class GatewayServer:
    """Serves one system; between requests it only counts them."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._limits = CallLimits()
        self._chain = read_chain(system.settings.rides.certificate_file)

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Read at most the limit, answer signed."""
        body = await whole_body(request.receive, codec.MAX_BODY_BYTES)
        if body is None:
            return HttpResponse(status_code=413)
        told = await self.answer(request.scope["query_string"], body, address_of(request.scope))
        return HttpResponse(told, media_type=JSON)

    async def answer(self, query: bytes, body: bytes, address: str = "") -> bytes:
        """The answer's bytes; never raises for what was sent."""
        given, wrong = read(query, body)
        method = given.get("method", "")
        seen = Seen(ENDPOINT, method if method in METHODS else "no such method", address)
        seen.party = given.get("app_id", "")
        try:
            return await self._answer(given, wrong, seen)
        finally:
            self._system.traffic.end(seen)

    async def _answer(self, given: dict[str, str], wrong: CommonRefused | None, seen: Seen) -> bytes:
        node, kind = codec.ERROR_NODE, sign_kind(given)
        try:
            if given.get("method") or not wrong:
                node = codec.node_of(given.get("method", ""))
            contents = await self._success(given, wrong, seen)
        except TongkaError as error:
            self._system.traffic.refused(seen, error)
            contents = refused(error)
        except Exception:
            log.exception("gateway request failed", node=node)
            seen.code = Failed.code
            contents = refused(CommonRefused("isp.unknow-error"))
        text = codec.node_text(contents)
        cert_sn = self._chain.cert_sn if given.get("app_cert_sn") else ""
        return codec.answer(node, text, await self._system.hsm.sign_rsa(ENDPOINT, kind, text), cert_sn)

    async def _success(self, given: dict[str, str], wrong: CommonRefused | None, seen: Seen) -> dict[str, Any]:
        if wrong:
            raise wrong
        return {"code": SUCCESS.code, "msg": SUCCESS.msg, **await self._run(given, seen)}

    async def _run(self, given: dict[str, str], seen: Seen) -> dict[str, Any]:
        app = await self._open(given)
        seen.believed = True
        per_second = app.calls_per_s or self._system.settings.rides.calls_per_s
        self._limits.count(app.app_id, per_second, self._system.clock())
        method = METHODS.get(given["method"])
        if method is None:
            raise CommonRefused("isv.invalid-method")
        if app.methods is not None and given["method"] not in app.methods:
            raise CommonRefused("isv.insufficient-isv-permissions", "the method is not open to this application")
        if not app.contracted:
            raise NoRight("the merchant has not signed for this service")
        content = messages.biz_content(given.get("biz_content", ""))
        return await method(Call(self._system, app, notify_url(given.get("notify_url", ""))), content)

    async def _open(self, given: dict[str, str]) -> MerchantApp:
        """Who asks, if everything common is in order and signed by him."""
        for name, sub_code in REQUIRED.items():
            if not given.get(name):
                raise CommonRefused(sub_code)
        app = await merchants.find(self._system.database, given["app_id"])
        if app is None or not app.active:
            raise CommonRefused("isv.invalid-app-id")
        self._require_form(given)
        self._require_certificates(given, app)
        if not app.public_key:
            raise CommonRefused("isv.missing-signature-config", "register the application's public key")
        codec.verify(given, rsa_key(app.public_key))
        for name, sub_code in TOKENS.items():
            if given.get(name):
                raise CommonRefused(sub_code, "this gateway gave no such token")
        return app

    def _require_form(self, given: dict[str, str]) -> None:
        if given.get("format", "").upper() not in {"", "JSON"}:
            raise CommonRefused("isv.invalid-format", "JSON is answered")
        if given["version"] != VERSION:
            raise CommonRefused("isv.invalid-parameter", f"version is {VERSION}")
        if given.get("encrypt_type"):
            raise CommonRefused("isv.invalid-encrypt-type", "contents are not encrypted here")
        self._require_fresh(given["timestamp"])

    def _require_certificates(self, given: dict[str, str], app: MerchantApp) -> None:
        """Certificate mode: the serials that are named are those on our books."""
        if given.get("app_cert_sn", app.cert_sn) not in {"", app.cert_sn}:
            raise CommonRefused("isv.invalid-app-cert-sn", "it is not that of the certificate on our books")
        if given.get("alipay_root_cert_sn", "") not in {"", self._chain.root_sn}:
            raise CommonRefused("isv.invalid-alipay-root-cert-sn", "it is not that of this gateway's root")

    def _require_fresh(self, timestamp: str) -> None:
        try:
            sent = messages.moment(timestamp, "timestamp")
        except Malformed as error:
            raise CommonRefused("isv.invalid-timestamp", "YYYY-MM-DD HH:MM:SS, Asia/Shanghai") from error
        window_s = self._system.settings.rides.timestamp_window_s
        if window_s and abs(self._system.clock() - sent) > timedelta(seconds=window_s):
            raise CommonRefused("isv.invalid-timestamp", f"it is more than {window_s} s off, in Asia/Shanghai")


def read(query: bytes, body: bytes) -> tuple[dict[str, str], CommonRefused | None]:
    """The parameters; where they cannot be read, why, and of them what the answer's form depends on."""
    try:
        return codec.parameters(query, body), None
    except CommonRefused as error:
        return codec.glimpse(query, body), error


def sign_kind(given: Mapping[str, str]) -> RsaHash:
    """How the answer is signed: as the request was, and RSA2 where it names what we do not know."""
    sign_type = given.get("sign_type") or codec.DEFAULT_SIGN_TYPE
    return RsaHash.SHA1 if sign_type == RsaHash.SHA1 else RsaHash.SHA256


@lru_cache(maxsize=1024)
def rsa_key(der: bytes) -> RSAPublicKey:
    key = load_der_public_key(der)
    if not isinstance(key, RSAPublicKey):
        raise CommonRefused("isv.invalid-app-id", "the application's key on our books is not RSA")
    return key


def notify_url(text: str) -> str:
    """Where notices are posted; empty if none are wanted.

    Raises:
        CommonRefused: not an address of the web.

    """
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and len(text) <= NOTIFY_URL_MAX
    except ValueError:
        usable = False
    if not usable:
        raise CommonRefused("isv.invalid-parameter", "notify_url is an address of the web")
    return text


def refused(error: TongkaError) -> dict[str, Any]:
    """The node of a refusal: the common parameters', or 40004 with the document's sub_code."""
    if isinstance(error, CommonRefused):
        return {"code": error.row.code, "msg": error.row.msg, "sub_code": error.sub_code, "sub_msg": error.sub_msg}
    sub_code = _sub_code(error)
    return {
        "code": BUSINESS_FAILED.code,
        "msg": BUSINESS_FAILED.msg,
        "sub_code": sub_code.value,
        "sub_msg": f"{SUB_TEXTS[sub_code]}: {error}"[:SUB_MSG_MAX],
        **(error.members if isinstance(error, BusinessRefused) else {}),
    }


def _sub_code(error: TongkaError) -> SubCode:
    if isinstance(error, NoRight):
        return SubCode.NO_RIGHT
    if isinstance(error, Malformed):
        return SubCode.ILLEGAL_PARAMS
    return SubCode.UNKNOWN if isinstance(error, Failed | Unknown) else SubCode.FAIL
