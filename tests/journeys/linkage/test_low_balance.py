"""A merchant is told once that its prepaid account is low: signed, repeated on the schedule, taken once."""

import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from raw_onecard import DOMAIN, MERCHANT
from tongka import delivery
from tongka.journeys import prepaid
from tongka.partners.linkage import notify
from tongka.partners.linkage.notify import key_context
from tongka.serving import bind, serving, url_of
from tongka.settings import Web
from tongka.store import prepaid_notices
from tongka.store.prepaid import Supply, supply

KEY = "k" * 64


class Merchant:
    """Takes notices, and answers what it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.heard: list[tuple[bytes, str]] = []

    async def hear(self, request) -> PlainTextResponse:
        self.heard.append((await request.body(), request.headers["tongka-signature"]))
        return PlainTextResponse("", self.status)


@asynccontextmanager
async def listening(merchant):
    socket = bind("127.0.0.1", 0)
    async with serving(Starlette(routes=[Route("/low", merchant.hear, methods=["POST"])]), socket, Web()):
        yield f"{url_of(socket)}/low"


@pytest.fixture
async def merchant(onecard):
    merchant = Merchant()
    async with listening(merchant) as url:
        await tell_at(onecard, url)
        yield merchant


async def tell_at(onecard, url: str) -> None:
    system = onecard.world.system
    sealed = await system.hsm.seal(KEY.encode(), key_context(MERCHANT, DOMAIN))
    at = system.clock()
    assert await prepaid_notices.set_address(system.database, MERCHANT, DOMAIN, url, sealed, at, "test")


async def draw(onecard, amount_fen: int) -> None:
    card = await onecard.card()
    init = card.init(amount_fen)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    assert (await onecard.desk.transfer(card, init, trade_id))["ErrorCode"] == "0000"


async def turn(onecard) -> int:
    """The worker's two jobs once; how many notices were taken."""
    await prepaid.notice_low(onecard.world.system)
    return await notify.send_due(onecard.world.system)


async def test_each_crossing_is_told_once_and_signed(onecard, merchant):
    assert await turn(onecard) == 0
    await draw(onecard, 8_500)
    assert [await turn(onecard), await turn(onecard)] == [1, 0]
    await draw(onecard, 500)
    assert await turn(onecard) == 0
    [(body, header)] = merchant.heard
    told = json.loads(body)
    assert told == {
        "event": "prepaid.low_balance",
        "notice_no": told["notice_no"],
        "merchant": MERCHANT,
        "domain": DOMAIN,
        "balance_fen": 1_500,
        "low_balance_fen": 2_000,
        "low_since": "2026-03-02T08:00:00+08:00",
    }
    at_s, mac = (part.split("=")[1] for part in header.split(","))
    assert int(at_s) == int(onecard.world.now[0].timestamp())
    assert mac == hmac.new(KEY.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    more = Supply(merchant=MERCHANT, domain=DOMAIN, trade_id="more", amount_fen=5_000)
    await supply(onecard.world.database, more, onecard.stamp)
    assert await turn(onecard) == 0
    await draw(onecard, 5_000)
    assert await turn(onecard) == 1
    assert json.loads(merchant.heard[1][0])["notice_no"] > told["notice_no"]


async def test_what_is_not_taken_is_repeated_on_the_schedule_and_given_up(onecard, merchant):
    merchant.status = 500
    await draw(onecard, 8_500)
    assert await turn(onecard) == 0
    for tries, pause in enumerate(delivery.PAUSES, 1):
        onecard.world.now[0] += pause - timedelta(seconds=1)
        assert (await turn(onecard), len(merchant.heard)) == (0, tries)
        onecard.world.now[0] += timedelta(seconds=1)
        assert (await turn(onecard), len(merchant.heard)) == (0, tries + 1)
    assert len({body for body, _ in merchant.heard}) == 1
    assert len(merchant.heard) == 1 + len(delivery.PAUSES)
    onecard.world.pass_time(days=30)
    assert await turn(onecard) == 0
    assert len(merchant.heard) == 1 + len(delivery.PAUSES)
    assert await audited(onecard, "low balance notice given up") == 1


async def test_a_worker_that_dies_leaves_its_notice_to_another(onecard, merchant):
    await draw(onecard, 8_500)
    system = onecard.world.system
    await prepaid.notice_low(system)
    now = system.clock()
    assert len(await prepaid_notices.claim(system.database, now, now + delivery.LEASE, 9)) == 1
    assert await turn(onecard) == 0
    onecard.world.now[0] += delivery.LEASE
    assert await turn(onecard) == 1
    assert await audited(onecard, "low balance notice taken") == 1


async def test_without_an_address_the_log_and_the_trail_tell(onecard, merchant):
    await draw(onecard, 8_500)
    await prepaid.notice_low(onecard.world.system)
    system = onecard.world.system
    assert await prepaid_notices.set_address(system.database, MERCHANT, DOMAIN, "", None, system.clock(), "test")
    assert await turn(onecard) == 0
    assert (merchant.heard, await audited(onecard, "low balance")) == ([], 1)


async def test_an_address_that_cannot_be_reached_is_tried_again(onecard):
    await tell_at(onecard, "http://127.0.0.1:1/low")
    await draw(onecard, 8_500)
    assert await turn(onecard) == 0
    waiting = "SELECT count(*) FROM prepaid_notice WHERE next_at IS NOT NULL"
    assert await onecard.world.database.read_value(waiting) == 1


async def audited(onecard, action: str) -> int:
    return await onecard.world.database.read_value("SELECT count(*) FROM audit WHERE action = $1", action)
