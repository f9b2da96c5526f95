"""IF4 and IF5 as served: orders that are signed over their raw bytes, and sessions that authenticate by their id.

Refusals are HTTP statuses with a JSON body {error, message}: 400 malformed, 401 institution or signature, 402 not paid,
403 another institution's card, 404 unknown, 406 nothing in common, 409 other contents or not now, 413 over 64 KiB, 422
refused by a rule of the cards, 503 try again.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tongka.card.profiles import profile_named
from tongka.crypto import sm2
from tongka.errors import BadSignature, Failed, Malformed, TongkaError, UnknownParty
from tongka.journeys.wallet import orders, session
from tongka.journeys.wallet.refusals import (
    DeviceUnknown,
    IssuerUnknown,
    NoCommonGround,
    NotInDevice,
    NotPaid,
    NotWithdrawable,
    NotYours,
    OrderDiffers,
    SessionUnknown,
    WalletOrderUnknown,
)
from tongka.partners.huawei.messages import HANDSHAKE_ANSWER, MAX_BODY_BYTES, read_handshake, read_order, read_report
from tongka.partners.huawei.messages import write_order as write_order_message
from tongka.store import app, audit, cards
from tongka.store.wallet import WalletOrder
from tongka.system import System

JSON = "application/json"
ORDER_PATH = "/wallet/order"
SANDBOX = "sandbox"
SESSION = "sessionId"
_ORDER_NUMBER = re.compile(r"[!-.0-~]{1,64}", re.ASCII)
_SESSION_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9A-F]{128}|[0-9a-f]{128}", re.ASCII)

STATUS: tuple[tuple[type[TongkaError], int], ...] = (
    (Malformed, 400),
    (UnknownParty, 401),
    (BadSignature, 401),
    (NotPaid, 402),
    (SessionUnknown, 404),
    (WalletOrderUnknown, 404),
    (IssuerUnknown, 404),
    (DeviceUnknown, 404),
    (NotInDevice, 404),
    (NoCommonGround, 406),
    (NotYours, 403),
    (OrderDiffers, 409),
    (NotWithdrawable, 409),
    (Failed, 503),
    (TongkaError, 422),
)
"""The first that fits."""

log = structlog.get_logger()

Answer = Callable[[Request, bytes], Awaitable[Response]]


def order_routes(system: System) -> list[BaseRoute]:
    """IF4: the URL of sandbox.json's `order_url` takes orders itself, and also with /order behind it."""
    server = WalletServer(system)
    return [
        route
        for base in (ORDER_PATH, f"{ORDER_PATH}/order")
        for route in (
            Route(base, server.guarded(server.submit), methods=["POST"]),
            Route(f"{base}/{{number}}", server.guarded(server.status), methods=["GET"]),
            Route(f"{base}/{{number}}/withdraw", server.guarded(server.withdraw), methods=["POST"]),
        )
    ]


def seram_routes(system: System) -> list[BaseRoute]:
    """IF5, to be mounted under /gp/seram."""
    server = WalletServer(system)
    return [
        Route("/handshake", server.guarded(server.handshake), methods=["POST"]),
        Route("/remoteManagement", server.guarded(server.remote_management), methods=["POST"]),
    ]


class WalletServer:
    """Serves one system; holds nothing between requests but parsed public keys."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._keys: dict[str, sm2.PublicKey] = {}

    def guarded(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        """Read at most the limit; whatever is refused becomes a status."""

        async def respond(request: Request) -> Response:
            try:
                body = await _body(request)
            except ClientDisconnect:  # phones do; nobody hears the answer
                return Response(status_code=400)
            if body is None:
                return JSONResponse({"error": "too_large", "message": "at most 64 KiB are read"}, 413)
            try:
                return await answer(request, body)
            except TongkaError as error:
                return _refusal(error)
            except Exception:
                log.exception("request failed", path=request.url.path)
                return JSONResponse({"error": "failed", "message": "internal error"}, 500)

        return respond

    # --- IF4 ---

    async def submit(self, request: Request, body: bytes) -> Response:
        """`POST /order` → 201 {sessionId}."""
        institution = self._signed_by(request, body)
        try:
            order = await orders.submit(self._system, institution, read_order(body))
        except TongkaError as error:
            await self._note(institution, error)
            raise
        return JSONResponse({SESSION: order.session_id}, 201)

    async def status(self, request: Request, body: bytes) -> Response:
        """`GET /order/{serverOrderId}`, signed over the empty body.

        A sandbox also tells those who sign nothing how an order stands, and nothing else: its session is all that IF5
        asks for.
        """
        number = _number(request)
        if "X-Signature" in request.headers or self._system.settings.mode != SANDBOX:
            found = await orders.find(self._system, self._signed_by(request, body), number)
            return JSONResponse(await self._told(found))
        found = await orders.find_anybodys(self._system, request.headers.get("X-Institution", ""), number)
        return JSONResponse(_standing(found))

    async def withdraw(self, request: Request, body: bytes) -> Response:
        """`POST /order/{serverOrderId}/withdraw`: refund what has not reached the card."""
        institution = self._signed_by(request, body)
        order = await orders.withdraw(self._system, institution, _number(request))
        return JSONResponse(await self._told(order))

    async def _told(self, order: WalletOrder) -> dict[str, Any]:
        card = await cards.find(self._system.database, order.card_no)
        paid_out = await app.carried(self._system.database, order.institution, order.server_order_id)
        balance, deposit = paid_out or (0, 0)
        return _standing(order) | {
            SESSION: order.session_id,
            "issuerId": order.issuer_id,
            "deviceId": order.device_id,
            "logicalCardNumber": order.card_no,
            "cardNumber": order.card_no,
            "aid": profile_named(card.profile).aid.hex().upper() if card else "",
            "amount": order.amount_fen,
            "balance": balance,
            "deposit": deposit,
        }

    def _signed_by(self, request: Request, body: bytes) -> str:
        """The institution, by X-Institution and X-Signature: SM3withSM2 over the raw body, hex of r‖s."""
        name = request.headers.get("X-Institution", "")
        party = self._system.parties.find("institution", name)
        if party is None or not party.active or not party.public_key:
            raise UnknownParty("institution", name)
        signature = request.headers.get("X-Signature", "")
        if not _SIGNATURE.fullmatch(signature):
            raise BadSignature("X-Signature: 128 hexadecimal digits are expected, r and s of SM3withSM2 over the body")
        key = self._keys.get(party.public_key)
        if key is None:
            key = self._keys[party.public_key] = sm2.PublicKey(bytes.fromhex(party.public_key))
        sm2.verify(key, body, bytes.fromhex(signature))
        return name

    async def _note(self, institution: str, error: TongkaError) -> None:
        await audit.record(
            self._system.database,
            at=self._system.clock(),
            actor=institution,
            action="refused wallet order",
            subject=error.code,
        )

    # --- IF5 ---

    async def handshake(self, request: Request, body: bytes) -> Response:
        await session.handshake(self._system, _session_id(request), read_handshake(body))
        return JSONResponse(HANDSHAKE_ANSWER)

    async def remote_management(self, request: Request, body: bytes) -> Response:
        order = await session.exchange(self._system, _session_id(request), read_report(body), write_order_message)
        return Response(order, media_type=JSON)


def _standing(order: WalletOrder) -> dict[str, str]:
    return {
        "serverOrderId": order.server_order_id,
        "businessType": order.business.value,
        "state": order.state.value.upper(),
        "reason": order.reason,
    }


def _number(request: Request) -> str:
    """Of the order; what cannot be one is the number of none."""
    number: str = request.path_params["number"]
    return number if _ORDER_NUMBER.fullmatch(number) else ""


def _session_id(request: Request) -> str:
    """What cannot be an id is the id of no session."""
    given = request.query_params.get("sessionId", "")
    return given if _SESSION_ID.fullmatch(given) else ""


def _refusal(error: TongkaError) -> Response:
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    return JSONResponse({"error": error.code, "message": str(error)}, status)


async def _body(request: Request) -> bytes | None:
    """The whole body, or None once it is over the limit."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return body
