"""Calling a Linkage OneCard platform: the eleven operations, with their tokens.

A request whose answer is lost is sent again as it is, byte for byte: a platform that has given a MAC2 for this answer
of the card gives the same one again, and other operations may be repeated by themselves.
"""

import asyncio
from typing import Any, Self, TypeVar

import httpx
import msgspec

from tongka.errors import Failed, Malformed, Refused, Unknown
from tongka.partners.linkage import codec, messages
from tongka.partners.linkage.codes import SUCCESS
from tongka.partners.linkage.fields import MAX_BODY_BYTES
from tongka.partners.linkage.messages import OPERATIONS, Answer, Request
from tongka.wire import ObjectReader, read

READER = ObjectReader(MAX_BODY_BYTES)
_OPERATION_OF = {operation.request: operation for operation in OPERATIONS.values()}
_A = TypeVar("_A", bound=Answer)


class OneCardRefused(Refused):
    """The platform answered another code than 0000; `result` is that code."""

    code = "onecard_refused"

    def __init__(self, result: str, text: str) -> None:
        super().__init__(f"{result} {text}")
        self.result = result


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls; each operation takes of these what it has a field for.

    Attributes:
        terminal: 12 hexadecimal digits, which the card's INIT commands carry too.
        network, operator: of a counter (DeptNo, OperNo).
        merchant, device: of a merchant with a prepaid account.

    """

    domain: str
    channel: str
    terminal: str
    network: str = ""
    operator: str = ""
    merchant: str = ""
    device: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """How the line is kept: how often one message is sent, and how long it pauses before the second time."""

    timeout_s: float = 10
    attempts: int = 3
    pause_s: float = 0.2


class Calls:
    """The eleven operations. Close it, or use it as an asynchronous context manager.

    Every operation raises `OneCardRefused`, `Failed` (never reached the platform) or `Unknown` (no answer came).

    Args:
        base_url: what the printed paths are appended to.
        key: of the channel.
        http: a client of the caller's making instead of our own; the time-out is then his.

    """

    def __init__(
        self,
        base_url: str,
        identity: Identity,
        key: str,
        *,
        line: Line | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.identity = identity
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._line = line or Line()
        self._http = http or httpx.AsyncClient(timeout=self._line.timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    # --- the operations -----------------------------------------------------------------------------------------------

    async def now(self) -> messages.HostTime:
        return await self._ask(messages.HostTime, messages.Now)

    async def verify(self, card_no: str, balance: str, online_atc: str) -> messages.Trade:
        return await self._ask(messages.Trade, messages.Verify, card_no=card_no, balance=balance, online_atc=online_atc)

    async def exchange(self, kind: type[messages.Exchange], **values: str) -> messages.Mac2:
        """Any of the five operations that answer a MAC2; `values` by the names of its fields in `messages`."""
        return await self._ask(messages.Mac2, kind, **values)

    async def supply_prepaid(self, trade_id: str, amount_fen: int) -> int:
        """Pay into the merchant's account; answers its balance in fen."""
        answer = await self._ask(
            messages.PrepaidBalance, messages.PrepaySupply, trade_id=trade_id, amount=str(amount_fen)
        )
        return int(answer.balance)

    async def check_recharge_card(self, password: str) -> int:
        """What a recharge card is worth, in fen."""
        return int((await self._ask(messages.Amount, messages.PasswordCheck, password=password)).amount)

    async def verify_group_card(self, card_no: str, password: str) -> int:
        """Unlock a group card; answers what is left, in fen."""
        answer = await self._ask(messages.GroupAmount, messages.GroupVerify, card_no=card_no, password=password)
        return int(answer.amount)

    async def change_group_password(self, card_no: str, old: str, new: str) -> None:
        await self._ask(Answer, messages.GroupPasswordChange, card_no=card_no, old=old, new=new)

    # --- how a call goes ----------------------------------------------------------------------------------------------

    async def _ask(self, answer: type[_A], kind: type[Request], **values: str) -> _A:
        operation = _OPERATION_OF[kind]
        ours = {name: getattr(self.identity, name) for name in self.identity.__struct_fields__}
        known = {name: value for name, value in ours.items() if name in kind.__struct_fields__}
        fields: dict[str, Any] = msgspec.to_builtins(kind(**{"token": ""} | known | values))
        told = await self._exchange(f"{self._base_url}{operation.path}", codec.sealed(fields, self._key))
        outcome = read(Answer, told)
        if outcome.code != SUCCESS.code:
            raise OneCardRefused(outcome.code, outcome.text)
        return read(answer, told)

    async def _exchange(self, url: str, body: bytes) -> dict[str, Any]:
        """Send the same bytes until an answer can be read, or `line.attempts` are used up."""
        pause, left = self._line.pause_s, False
        lost: Exception | None = None
        for attempt in range(1, self._line.attempts + 1):
            try:
                return await self._post(url, body)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                lost = error
            except (httpx.TransportError, Malformed) as error:
                lost, left = error, True
            if attempt < self._line.attempts:
                await asyncio.sleep(pause)
                pause *= 2
        if left:
            raise Unknown(f"{url}: no answer ({lost}); ask again") from lost
        raise Failed(f"{url}: the platform cannot be reached ({lost})") from lost

    async def _post(self, url: str, body: bytes) -> dict[str, Any]:
        response = await self._http.post(url, content=body, headers={"content-type": "application/json"})
        if response.is_server_error:
            raise httpx.RemoteProtocolError(f"HTTP {response.status_code}")
        if response.status_code != httpx.codes.OK:
            raise Failed(f"{url}: HTTP {response.status_code}, not a OneCard platform's answer; check the address")
        return READER.read(response.content, "answer")
