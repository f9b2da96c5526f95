"""The Wallet Server's knowledge of orders: which session an order has, asked for at the SP TSM (IF4)."""

from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from tongka.crypto import sm2
from tongka.errors import Failed, Refused

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """An order as far as the wallet has to know it; `card` is the number that it is about."""

    session_id: str
    business: str
    device_id: str
    card: str = ""


class OrderDesk(Protocol):
    """Where the wallet asks."""

    async def find(self, server_order_id: str) -> KnownOrder | None:
        """The order, or None.

        Raises:
            Failed: nobody answers.

        """
        ...  # pragma: no cover


@dataclass(frozen=True, slots=True)
class HttpDesk:
    """Asks over HTTP: `GET order_url/{serverOrderId}`, for an institution's own orders.

    The question is signed like an order, SM3withSM2 over the empty body.
    """

    http: httpx.AsyncClient
    order_url: str
    institution: str
    key: sm2.PrivateKey

    async def find(self, server_order_id: str) -> KnownOrder | None:
        try:
            answer = await self.http.get(
                f"{self.order_url}/{server_order_id}", headers=self._headers(), timeout=TIMEOUT_S
            )
        except httpx.TransportError as lost:
            raise Failed(f"no answer from {self.order_url}: {lost}") from lost
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise Refused(f"{self.order_url}: HTTP {answer.status_code} {answer.text[:200]}")
        told: dict[str, Any] = answer.json()
        return KnownOrder(
            told["sessionId"], told["businessType"], told["deviceId"], told.get("logicalCardNumber") or ""
        )

    def _headers(self) -> dict[str, str]:
        return {"X-Institution": self.institution, "X-Signature": sm2.sign(self.key, b"").hex().upper()}
