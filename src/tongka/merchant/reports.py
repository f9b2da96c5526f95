"""Our rides as the gateway is told of them (Alipay 4.2.5)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tongka.days import ZONE
from tongka.journeys.trip_reports import Told
from tongka.merchant.settlement import open_gateway
from tongka.money import format_yuan
from tongka.partners.alipay.client import TIME, Gateway
from tongka.partners.alipay.client_messages import Report
from tongka.settings import Merchant

SCENE_CODE, OP_CODE, VERSION = "vechile_order", "data_save", "2.0"
"""In the document's own spelling."""
PAID_HERE, PAID_BY_ALIPAY = "OUTSIDE CARD", "ALIPAY"
"""asset_name: 支付渠道."""


@dataclass(frozen=True, slots=True)
class GatewayReporter:
    """`Reporter` over a gateway."""

    gateway: Gateway
    merchant: Merchant

    async def report(self, rides: Sequence[Told]) -> None:
        info = [as_reported(ride, self.merchant) for ride in rides]
        report = Report(
            scene_code=SCENE_CODE,
            op_code=OP_CODE,
            channel=self.merchant.report_channel,
            target_id=rides[0].trip.user_id,
            version=VERSION,
            op_data={"info": info},
        )
        await self.gateway.data_send(report)


def as_reported(ride: Told, merchant: Merchant) -> dict[str, str]:
    """One of op_data.info (4.2.5.5). A bus without named stops begins at its line."""
    trip = ride.trip
    told = {
        "type": "order",
        "biz_no": trip.out_trade_no,
        "amount": format_yuan(trip.amount_fen),
        "subject": trip.subject,
        "biz_time": trip.started_at.astimezone(ZONE).strftime(TIME),
        "asset_name": PAID_HERE if trip.prepaid else PAID_BY_ALIPAY,
        "city_name": merchant.city_name,
        "adcode": merchant.city_code,
        "line_name": ride.line,
        "line_id": trip.service,
        "start_station_name": trip.first_station or ride.line,
        "start_terminal_id": trip.first_gate,
        "start_terminal_time": trip.started_at.astimezone(ZONE).strftime(TIME),
        "end_station_name": trip.last_station,
        "end_terminal_id": trip.last_gate,
        "end_terminal_time": trip.ended_at.astimezone(ZONE).strftime(TIME) if trip.ended_at else "",
        "vehicle_id": trip.vehicle,
        "vehicle_type": ride.vehicle_type,
        "card_no": trip.card_no,
        "card_type": trip.card_type if trip.card_no else "",
        "partner_name": merchant.partner_name,
        "partner_id": merchant.partner_id or merchant.app_id,
    }
    return {name: text for name, text in told.items() if text}


@asynccontextmanager
async def open_reporter(merchant: Merchant) -> AsyncIterator[GatewayReporter]:
    """The gateway of the settings.

    Raises:
        Misconfigured: a key file cannot be read, or holds another thing.

    """
    async with open_gateway(merchant) as gateway:
        yield GatewayReporter(gateway, merchant)
