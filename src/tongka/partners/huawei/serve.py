"""IF4 and IF5 as served: orders that are signed over their raw bytes, and sessions that authenticate by their id.

Refusals are HTTP statuses with a JSON body {error, message}: 400 malformed, 401 institution or signature, 402 not paid,
403 another institution's card, 404 unknown, 406 nothing in common, 409 other contents or not now, 413 over 64 KiB, 422
refused by a rule of the cards, 503 try again.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from msgspec.json import encode
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tongka.card.profiles import profile_named
from tongka.crypto import sm2
from tongka.endpoint import address_of, whole_body
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
from tongka.traffic import Seen

ORDER_PATH = "/wallet/order"
UNPROVEN = (UnknownParty, BadSignature, SessionUnknown)
"""Refusals of somebody who did not show who he is."""
SANDBOX = "sandbox"
SESSION = "sessionId"
_ORDER_NUMBER = re.compile(r"[!-.0-~]{1,64}", re.ASCII)
_SESSION_ID = re.compile(rb"(?:^|&)sessionId=([0-9a-f]{32})(?=&|$)")
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

Answer = Callable[[Scope, bytes], Awaitable[tuple[int, bytes]]]
"""Status and JSON."""


def order_routes(system: System) -> list[BaseRoute]:
    """IF4: the URL of sandbox.json's `order_url` takes orders itself, and also with /order behind it."""
    server = WalletServer(system)
    return [
        route
        for base in (ORDER_PATH, f"{ORDER_PATH}/order")
        for route in (
            Route(base, Guarded(system, "orders", "submit", server.submit), methods=["POST"]),
            Route(f"{base}/{{number}}", Guarded(system, "orders", "status", server.status), methods=["GET"]),
            Route(
                f"{base}/{{number}}/withdraw", Guarded(system, "orders", "withdraw", server.withdraw), methods=["POST"]
            ),
        )
    ]


def seram_routes(system: System) -> list[BaseRoute]:
    """IF5, to be mounted under /gp/seram."""
    server = WalletServer(system)
    return [
        Route("/handshake", Guarded(system, "seram", "handshake", server.handshake), methods=["POST"]),
        Route(
            "/remoteManagement",
            Guarded(system, "seram", "remoteManagement", server.remote_management),
            methods=["POST"],
        ),
    ]


class Guarded:
    """A bare ASGI application: reads at most the limit; whatever is refused becomes a status."""

    def __init__(self, system: System, interface: str, operation: str, answer: Answer) -> None:
        self._traffic = system.traffic
        self._interface, self._operation = interface, operation
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = Seen(self._interface, self._operation, address_of(scope))
        try:
            status, body = await self._respond(scope, receive, seen)
        finally:
            self._traffic.end(seen)
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _respond(self, scope: Scope, receive: Receive, seen: Seen) -> tuple[int, bytes]:
        try:
            body = await whole_body(receive, MAX_BODY_BYTES)
            if body is None:
                return 413, encode({"error": "too_large", "message": "at most 64 KiB are read"})
            return await self._answer(scope, body)
        except ClientDisconnect:  # phones do; nobody hears the answer
            return 400, b""
        except TongkaError as error:
            seen.believed = not isinstance(error, UNPROVEN)
            self._traffic.refused(seen, error)
            return _refusal(error)
        except Exception:
            log.exception("request failed", path=scope["path"])
            seen.code = Failed.code
            return 500, encode({"error": "failed", "message": "internal error"})


class WalletServer:
    """Serves one system; holds nothing between requests but parsed public keys."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._keys: dict[str, sm2.PublicKey] = {}

    # --- IF4 ---

    async def submit(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        """`POST /order` → 201 {sessionId}."""
        institution = self._signed_by(Headers(scope=scope), body)
        try:
            order = await orders.submit(self._system, institution, read_order(body))
        except TongkaError as error:
            await self._note(institution, error)
            raise
        return 201, encode({SESSION: order.session_id})

    async def status(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        """`GET /order/{serverOrderId}`, signed over the empty body.

        A sandbox also tells those who sign nothing how an order stands, and nothing else: its session is all that IF5
        asks for.
        """
        number, headers = _number(scope), Headers(scope=scope)
        if "X-Signature" in headers or self._system.settings.mode != SANDBOX:
            found = await orders.find(self._system, self._signed_by(headers, body), number)
            return 200, encode(await self._told(found))
        found = await orders.find_anybodys(self._system, headers.get("X-Institution", ""), number)
        return 200, encode(_standing(found))

    async def withdraw(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        """`POST /order/{serverOrderId}/withdraw`: refund what has not reached the card."""
        institution = self._signed_by(Headers(scope=scope), body)
        order = await orders.withdraw(self._system, institution, _number(scope))
        return 200, encode(await self._told(order))

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

    def _signed_by(self, headers: Headers, body: bytes) -> str:
        """The institution, by X-Institution and X-Signature: SM3withSM2 over the raw body, hex of r‖s."""
        name = headers.get("X-Institution", "")
        party = self._system.parties.find("institution", name)
        if party is None or not party.active or not party.public_key:
            raise UnknownParty("institution", name)
        signature = headers.get("X-Signature", "")
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

    async def handshake(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        await session.handshake(self._system, _session_id(scope), read_handshake(body))
        return 200, encode(HANDSHAKE_ANSWER)

    async def remote_management(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        return 200, await session.exchange(self._system, _session_id(scope), read_report(body), write_order_message)


def _standing(order: WalletOrder) -> dict[str, str]:
    return {
        "serverOrderId": order.server_order_id,
        "businessType": order.business.value,
        "state": order.state.value.upper(),
        "reason": order.reason,
    }


def _number(scope: Scope) -> str:
    """Of the order; what cannot be one is the number of none."""
    number: str = scope["path_params"]["number"]
    return number if _ORDER_NUMBER.fullmatch(number) else ""


def _session_id(scope: Scope) -> str:
    """What cannot be an id is the id of no session."""
    found = _SESSION_ID.search(scope["query_string"])
    return found[1].decode() if found else ""


def _refusal(error: TongkaError) -> tuple[int, bytes]:
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    return status, encode({"error": error.code, "message": str(error)})
