"""Notices to merchants: signed, repeated on the schedule, taken once."""

import asyncio
import base64
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tongka import delivery
from tongka.partners.alipay import notify
from tongka.serving import bind, serving, url_of
from tongka.settings import Web

SCHEDULE_MIN = (4, 10, 10, 60, 120, 360, 900)


class Merchant:
    """Takes notices, and answers what it is told to."""

    def __init__(self) -> None:
        self.url = ""
        self.answers = PlainTextResponse("success")
        self.heard: list[dict[str, str]] = []

    async def hear(self, request: Request) -> PlainTextResponse:
        assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")
        self.heard.append(dict(parse_qsl((await request.body()).decode(), keep_blank_values=True)))
        return self.answers


@asynccontextmanager
async def listening(merchant):
    socket = bind("127.0.0.1", 0)
    async with serving(Starlette(routes=[Route("/notify", merchant.hear, methods=["POST"])]), socket, Web()):
        merchant.url = f"{url_of(socket)}/notify"
        yield merchant


@pytest.fixture
async def merchant():
    async with listening(Merchant()) as opened:
        yield opened


async def test_a_settled_trade_is_told_once_and_signed(gateway, merchant):
    trade = await gateway.ride(amount="2.50")
    [result] = await gateway.settle(trade, notify_url=merchant.url)
    await gateway.settle(trade, notify_url=merchant.url)
    assert await notify.send_due(gateway.system) == 1
    assert await notify.send_due(gateway.system) == 0
    [heard] = merchant.heard
    assert heard["out_trade_no"] == trade["out_trade_no"]
    assert (heard["trade_no"], heard["trade_status"]) == (result["trade_no"], "TRADE_SUCCESS")
    assert (heard["total_amount"], heard["buyer_id"]) == ("2.50", trade["user_id"])
    text = "&".join(f"{name}={heard[name]}" for name in sorted(heard) if name not in {"sign", "sign_type"})
    gateway.public_key.verify(base64.b64decode(heard["sign"]), text.encode(), PKCS1v15(), SHA256())


async def test_refused_trades_and_calls_without_an_address_are_not_told(gateway, merchant):
    await gateway.settle(gateway.trade("00" * 20), notify_url=merchant.url)
    await gateway.settle(await gateway.ride())
    assert await notify.send_due(gateway.system) == 0
    assert not merchant.heard


@pytest.mark.parametrize(
    "answer", [PlainTextResponse("fail"), PlainTextResponse("success", 500), PlainTextResponse("success" * 99)]
)
async def test_what_is_not_taken_is_repeated_on_the_schedule_and_then_given_up(gateway, merchant, answer):
    merchant.answers = answer
    await gateway.settle(await gateway.ride(), notify_url=merchant.url)
    tries = []
    start = gateway.now[0]
    for minutes in (0, *SCHEDULE_MIN):
        if minutes:
            gateway.pass_time(minutes=minutes, seconds=-1)
            assert await notify.send_due(gateway.system) == 0
            assert len(merchant.heard) == len(tries)
            gateway.pass_time(seconds=1)
        await notify.send_due(gateway.system)
        tries.append(gateway.now[0] - start)
        assert len(merchant.heard) == len(tries)
    gateway.pass_time(days=9)
    await notify.send_due(gateway.system)
    assert len(merchant.heard) == 1 + len(SCHEDULE_MIN)
    assert len({heard["notify_id"] for heard in merchant.heard}) == 1


async def test_a_merchant_who_is_away_is_told_when_he_is_back(gateway):
    merchant = Merchant()
    async with listening(merchant):
        pass
    await gateway.settle(await gateway.ride(), notify_url=merchant.url)
    assert await notify.send_due(gateway.system) == 0
    gateway.pass_time(minutes=4)
    async with listening(merchant):
        await gateway.database.execute("UPDATE merchant_notice SET url = $1", merchant.url)
        assert await notify.send_due(gateway.system) == 1


async def test_two_workers_do_not_tell_the_same(gateway, merchant):
    await gateway.settle(*[await gateway.ride() for _ in range(10)], notify_url=merchant.url)
    assert sum(await asyncio.gather(*(notify.send_due(gateway.system) for _ in range(3)))) == 10
    assert len(merchant.heard) == 10


async def test_a_worker_that_died_leaves_its_notices_to_the_next(gateway, merchant):
    await gateway.settle(await gateway.ride(), notify_url=merchant.url)
    now = gateway.now[0]
    assert await notify.rides.claim_notices(gateway.database, now, now + delivery.LEASE, 9)
    assert await notify.send_due(gateway.system) == 0
    gateway.pass_time(seconds=delivery.LEASE.total_seconds())
    assert await notify.send_due(gateway.system) == 1
    assert tuple(timedelta(minutes=minutes) for minutes in SCHEDULE_MIN) == delivery.PAUSES
