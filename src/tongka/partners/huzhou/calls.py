"""Calling a Huzhou card front: the twelve operations as typed coroutines, signed and verified.

A request whose answer is lost is sent again as it is, byte for byte: the card front answers a repeated serial with the
stored answer, so nothing happens twice. An answer that does not verify is thrown away (2.3) and counts as lost.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import Self, TypeVar
from zoneinfo import ZoneInfo

import httpx
from msgspec import Struct

from tongka.crypto import sm2
from tongka.errors import BadSignature, Failed, Malformed, Refused, Unknown
from tongka.partners.huzhou import codec, messages
from tongka.partners.huzhou.codec import PartnerKey, SignMode
from tongka.partners.huzhou.codes import SUCCESS
from tongka.partners.huzhou.fields import MAX_BODY_BYTES
from tongka.partners.huzhou.messages import OPERATIONS, Request
from tongka.wire import Message, read

ZONE = ZoneInfo("Asia/Shanghai")

_A = TypeVar("_A", bound=Message)
_NAMES = {operation.request: operation.name for operation in OPERATIONS.values()}


class CardFrontRefused(Refused):
    """The card front answered another result than 000000; `result` is the document's code."""

    code = "card_front_refused"

    def __init__(self, result: str, text: str) -> None:
        super().__init__(f"{result} {text}")
        self.result = result


class Outcome(StrEnum):
    """What card management found out; these result codes of 4.8 are answers, not refusals."""

    CREDITED = "000154"
    NOT_CREDITED = "000152"
    FOR_A_CLERK = "000155"


class Identity(Struct, frozen=True, kw_only=True):
    """Who calls: what stays the same in every envelope (2.4)."""

    institution: str
    partner: str
    merchant: str
    network: str
    terminal: str
    operator: str
    batch: str
    channel: str
    area: str = "00"


class Line(Struct, frozen=True, kw_only=True):
    """How the line is kept.

    Attributes:
        keep_alive: the document asks for short connections (2.2); many card fronts take both.
        attempts: how often one and the same message is sent before it counts as lost.
        pause_s: before the second attempt; it doubles from then on.

    """

    timeout_s: float = 10
    attempts: int = 3
    pause_s: float = 0.2
    keep_alive: bool = False


def now() -> datetime:
    """The city's time; tests bring another clock."""
    return datetime.now(ZONE)


class Calls:
    """The twelve operations. Close it, or use it as an asynchronous context manager.

    Args:
        base_url: up to and with ``/cardfront``.
        private_key: ours, which signs requests.
        platform_key: the card front's, which verifies answers.
        mode: what stands in the place of `sign` while signing, as agreed with the card front.
        clock: the city's time.
        http: a client of the caller's making instead of our own; `line.timeout_s` and `keep_alive` are then his.

    """

    def __init__(
        self,
        base_url: str,
        identity: Identity,
        private_key: sm2.PrivateKey,
        platform_key: sm2.PublicKey,
        *,
        mode: SignMode = SignMode.EMPTY,
        line: Line | None = None,
        clock: Callable[[], datetime] = now,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.identity = identity
        self._base_url = base_url.rstrip("/")
        self._key = private_key
        self._platform = PartnerKey(platform_key, mode)
        self._line = line or Line()
        self._clock = clock
        self._http = http or _http(self._line)
        self._terminal_serials = count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    # --- the operations; each raises what `_ask` raises ---------------------------------------------------------------

    async def card_info_query(self, request: messages.CardInfoQuery) -> messages.CardInfo:
        return await self._ask(request, messages.CardInfo)

    async def charge_order_create(self, request: messages.ChargeOrderCreate) -> messages.ChargeCommands:
        return await self._ask(request, messages.ChargeCommands)

    async def charge_order_query(self, request: messages.ChargeOrderQuery) -> messages.OrderPage:
        return await self._ask(request, messages.OrderPage)

    async def charge_order_cancel(self, request: messages.ChargeOrderCancel) -> None:
        await self._answer(request)

    async def card_charge_request(self, request: messages.CardChargeRequest) -> messages.ChargeCommands:
        return await self._ask(request, messages.ChargeCommands)

    async def card_charge_confirm(self, request: messages.CardChargeConfirm) -> messages.Done:
        return await self._ask(request, messages.Done)

    async def charge_order_manage_request(self, request: messages.ChargeOrderManageRequest) -> messages.ManageCommands:
        return await self._ask(request, messages.ManageCommands)

    async def charge_order_manage_confirm(self, request: messages.ChargeOrderManageConfirm) -> Outcome:
        answer = await self._answer(request, *Outcome)
        return Outcome(answer.envelope.result)

    async def card_sale_request(self, request: messages.CardSaleRequest) -> messages.CardCommands:
        return await self._ask(request, messages.CardCommands)

    async def card_sale_confirm(self, request: messages.CardSaleConfirm) -> messages.CardSold:
        return await self._ask(request, messages.CardSold)

    async def card_return_apply(self, request: messages.CardReturnApply) -> messages.ReturnCommands:
        return await self._ask(request, messages.ReturnCommands)

    async def card_return_confirm(self, request: messages.CardReturnConfirm) -> messages.CardReturned:
        return await self._ask(request, messages.CardReturned)

    # --- how a call goes ----------------------------------------------------------------------------------------------

    async def _ask(self, request: Message, kind: type[_A]) -> _A:
        """Send, and read the data of a 000000 answer.

        Raises:
            CardFrontRefused: another result.
            Failed: the card front could not be reached at all; nothing was done.
            Unknown: the message left, and no answer that verifies came back; what was done is not known.

        """
        return read(kind, (await self._answer(request)).data)

    async def _answer(self, request: Message, *accepted: str) -> codec.ParsedAnswer:
        text = codec.request_text(self._envelope(), request)
        body = codec.seal(text, lambda text: sm2.sign(self._key, text), self._platform.mode)
        answer = await self._exchange(f"{self._base_url}/{_NAMES[type(request)]}/V1", body)
        if answer.envelope.result not in (accepted or (SUCCESS.code,)):
            raise CardFrontRefused(answer.envelope.result, answer.envelope.text)
        return answer

    def _envelope(self) -> Request:
        when, who = self._clock(), self.identity
        return Request(
            institution=who.institution,
            serial=f"{when:%H%M%S}{secrets.token_hex(10)}",
            area=who.area,
            date=f"{when:%Y%m%d}",
            time=f"{when:%H%M%S}",
            partner=who.partner,
            merchant=who.merchant,
            network=who.network,
            terminal=who.terminal,
            terminal_serial=f"{next(self._terminal_serials) % 1_000_000:06d}",
            operator=who.operator,
            batch=who.batch,
            channel=who.channel,
        )

    async def _exchange(self, url: str, body: bytes) -> codec.ParsedAnswer:
        """Send the same bytes until an answer verifies, or `line.attempts` are used up."""
        pause, left = self._line.pause_s, False
        lost: Exception | None = None
        for attempt in range(1, self._line.attempts + 1):
            try:
                return codec.open_answer(await self._post(url, body), self._platform)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                lost = error
            except (httpx.TransportError, Malformed, BadSignature, _ServerError) as error:
                lost, left = error, True
            if attempt < self._line.attempts:
                await asyncio.sleep(pause)
                pause *= 2
        if left:
            raise Unknown(f"{url}: no answer that verifies ({lost}); ask again, or run card management") from lost
        raise Failed(f"{url}: the card front cannot be reached ({lost})") from lost

    async def _post(self, url: str, body: bytes) -> bytes:
        async with self._http.stream("POST", url, content=body) as response:
            if response.is_server_error:
                raise _ServerError(f"HTTP {response.status_code}")
            if response.status_code != httpx.codes.OK:
                raise Failed(f"{url}: HTTP {response.status_code}, not a card front's answer; check the address")
            return await _within_limit(response)


class _ServerError(Exception):
    """HTTP 5xx: what the card front did is not known."""


def _http(line: Line) -> httpx.AsyncClient:
    headers = {"content-type": "application/json"} | ({} if line.keep_alive else {"connection": "close"})
    return httpx.AsyncClient(timeout=line.timeout_s, headers=headers)


async def _within_limit(response: httpx.Response) -> bytes:
    """The body, read no further than a card front's answer may go."""
    received = bytearray()
    async for chunk in response.aiter_bytes():
        received += chunk
        if len(received) > MAX_BODY_BYTES:
            raise Malformed("answer", f"longer than {MAX_BODY_BYTES} bytes")
    return bytes(received)
