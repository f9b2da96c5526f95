"""Our prepaid cards at the open gateway: their records verified, their changes told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tongka.days import ZONE
from tongka.merchant.settlement import open_gateway
from tongka.money import format_yuan
from tongka.partners.alipay.client import TIME, Gateway, GatewayRefused
from tongka.partners.alipay.client_messages import VirtualCard
from tongka.settings import Merchant
from tongka.store.prepaid_cards import CARD_OVERDUE, CARD_REVOKING, CardNews

TIPS = {CARD_OVERDUE: "余额不足，请先去充值", CARD_REVOKING: "退卡处理中"}
"""disabled_tips, which the rider reads (4.2.4.6)."""


@dataclass(frozen=True, slots=True)
class GatewayCards:
    """`CardGateway` over a gateway."""

    gateway: Gateway

    async def verify(self, record: bytes) -> None:
        await self.gateway.record_verify(record.hex())

    async def tell(self, news: CardNews) -> None:
        """A card that the gateway never heard of needs no REVOKE."""
        try:
            await self.gateway.virtualcard_send(as_sent(news))
        except GatewayRefused as refused:
            if not (news.card.state == "revoked" and refused.sub_error_code == "CARD_NOT_EXIST"):
                raise


def as_sent(news: CardNews) -> VirtualCard:
    """4.2.4.5"""
    card = news.card
    return VirtualCard(
        action="REVOKE" if card.state == "revoked" else "ISSUE" if news.new else "UPDATE",
        user_id=card.user_id,
        card_type=card.card_type,
        card_no=card.card_no,
        last_update_time=card.changed_at.astimezone(ZONE).strftime(TIME),
        balance=format_yuan(card.balance_fen),
        disabled=bool(card.disabled_code),
        disabled_code=card.disabled_code or None,
        disabled_tips=TIPS.get(card.disabled_code),
    )


@asynccontextmanager
async def open_cards(merchant: Merchant) -> AsyncIterator[GatewayCards]:
    """The gateway of the settings.

    Raises:
        Misconfigured: a key file cannot be read, or holds another thing.

    """
    async with open_gateway(merchant) as gateway:
        yield GatewayCards(gateway)
