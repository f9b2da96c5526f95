"""Our trades at the open gateway: the settings' application, and what the journeys ask of it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tongka.days import ZONE
from tongka.errors import Misconfigured
from tongka.journeys.trades import Result, Settled
from tongka.partners.alipay import client
from tongka.partners.alipay.client import Gateway
from tongka.partners.alipay.client_messages import OfflineTrade, TradeResult
from tongka.settings import Merchant
from tongka.store.trades import Trade


@dataclass(frozen=True, slots=True)
class GatewaySettlement:
    """`Settlement` over a gateway."""

    gateway: Gateway
    merchant: Merchant

    async def settle(self, trades: Sequence[Trade]) -> Mapping[str, Settled]:
        answers = await self.gateway.trade_settle([self._trade(one) for one in trades])
        return {number: settled(answer) for number, answer in answers.items()}

    def _trade(self, one: Trade) -> OfflineTrade:
        return client.trade(
            user_id=one.user_id,
            out_trade_no=one.out_trade_no,
            at=one.started_at,
            subject=one.subject,
            amount_fen=one.amount_fen,
            records=[record.hex() for record in one.records],
            context=_context(one, self.merchant.city_code),
            seller_login_name=self.merchant.seller_login_name,
        )


def _context(one: Trade, city_code: str) -> dict[str, str]:
    """order_biz_context, 4.2.3.5."""
    told = {
        "line": one.service,
        "start_pos_id": one.first_gate,
        "start_station": one.first_station,
        "end_pos_id": one.last_gate,
        "end_station": one.last_station or "",
        "city_code": city_code,
    }
    return {name: text for name, text in told.items() if text}


def settled(answer: TradeResult) -> Settled:
    return Settled(
        result=Result(answer.result),
        need_retry=answer.need_retry,
        next_retry_time=_moment(answer.retry_at),
        trade_no=answer.trade_no,
        error_code=answer.error_code,
        message=(answer.error_message or answer.message)[:256],
    )


def _moment(text: str) -> datetime | None:
    """YYYY-MM-DD HH:MM:SS, Asia/Shanghai; what is no moment is no wish of the gateway's."""
    try:
        return datetime.strptime(text, client.TIME).replace(tzinfo=ZONE)
    except ValueError:
        return None


@asynccontextmanager
async def open_settlement(merchant: Merchant) -> AsyncIterator[GatewaySettlement]:
    """The gateway of the settings.

    Raises:
        Misconfigured: a key file cannot be read, or holds another thing.

    """
    async with open_gateway(merchant) as gateway:
        yield GatewaySettlement(gateway, merchant)


def open_gateway(merchant: Merchant) -> Gateway:
    """A client with the settings' keys; the caller closes it."""
    if not merchant.gateway:
        raise Misconfigured("merchant.gateway is empty; set it to send trades")
    return Gateway(
        merchant.gateway,
        merchant.app_id,
        _text("merchant.app_key_file", merchant.app_key_file),
        _text("merchant.alipay_key_file", merchant.alipay_key_file),
        timeout_s=merchant.timeout_s,
    )


def _text(setting: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{setting} cannot be read: {error}") from error
