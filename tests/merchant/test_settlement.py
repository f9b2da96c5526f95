"""From our trades to the gateway's, and its results back; the settings that it needs."""

from datetime import datetime

import pytest

from tongka.days import ZONE
from tongka.errors import Misconfigured
from tongka.journeys.trades import Result
from tongka.merchant.settlement import GatewaySettlement, open_gateway, open_settlement, settled
from tongka.partners.alipay.client_messages import TradeResult
from tongka.settings import Merchant
from tongka.store.trades import Trade
from tongka.trips import TradeState

TRADE = Trade(
    user_id="2088000000000001",
    out_trade_no="N1",
    card_type="",
    started_at=datetime(2026, 3, 2, 8, 0, tzinfo=ZONE),
    subject="metro-A→C-08:00",
    amount_fen=500,
    state=TradeState.DUE,
    attempts=1,
    service="metro",
    first_gate="inA",
    first_station="A",
    first=b"\x20\x01",
    last_gate="outC",
    last_station="C",
    last=b"\x20\x02",
)


class Recording:
    async def trade_settle(self, trades):
        self.trades = trades
        return {"N1": TradeResult(out_trade_no="N1", result="SUCCESS", trade_no="T9", message="成功")}


async def test_a_trade_carries_what_the_document_names():
    gateway = Recording()
    merchant = Merchant(city_code="330500", seller_login_name="pc@example.com")
    results = await GatewaySettlement(gateway, merchant).settle([TRADE])
    assert (results["N1"].result, results["N1"].trade_no) == (Result.SUCCESS, "T9")
    (sent,) = gateway.trades
    assert (sent.amount, sent.records, sent.seller_login_name) == ("5.00", ("2001", "2002"), "pc@example.com")
    assert sent.order_biz_context == (
        '{"line":"metro","start_pos_id":"inA","start_station":"A","end_pos_id":"outC","end_station":"C",'
        '"city_code":"330500"}'
    )


@pytest.mark.parametrize("name", ["next_retry_time", "next_try_time"])
def test_both_names_of_the_next_time_are_read(name):
    answer = TradeResult(out_trade_no="N1", result="FAIL", need_retry=True, **{name: "2026-03-02 09:00:00"})
    assert settled(answer).next_retry_time == datetime(2026, 3, 2, 9, 0, tzinfo=ZONE)


def test_a_next_time_that_is_none_is_left_to_us():
    assert settled(TradeResult(out_trade_no="N1", result="UNKNOWN", next_retry_time="soon")).next_retry_time is None


async def test_what_is_not_set_is_named(tmp_path):
    with pytest.raises(Misconfigured, match=r"merchant\.gateway"):
        open_gateway(Merchant())
    merchant = Merchant(gateway="http://127.0.0.1/gateway.do", app_id="a", app_key_file=str(tmp_path / "none"))
    with pytest.raises(Misconfigured, match=r"merchant\.app_key_file"):
        async with open_settlement(merchant):
            pass
