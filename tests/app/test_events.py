"""Server-sent events: an order's state at once, its changes, heartbeats, an end; only for its rider."""

import asyncio
import itertools
import json

import pytest

from tongka.app import events
from tongka.app.events import Streams, changes, is_at_end
from tongka.app.schemas import AppBusiness, OrderView, Payout
from tongka.errors import Failed
from tongka.journeys.refusals import TooManyRequests

ISSUER = "90000001"
VIEW = OrderView(
    order_no="1", business=AppBusiness.TOPUP, state="paying", reason="", server_order_id="", session_id="",
    issuer_id="i", device_id="d", to_device_id="", card_no="", amount_fen=1, deposit_fen=0, price_fen=0, total_fen=1,
    paid_back_fen=0, payout=None, result_code="", created_at="2026-03-02T08:00:00+08:00", parts=[],
)  # fmt: skip


def told(stream: str) -> list[tuple[str, object]]:
    """The events, (name, data)."""
    found = []
    for block in stream.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


async def test_a_deletion_is_followed_until_its_money_is_back(shop):
    phone = await shop.phone()
    card_no = (await shop.opened(phone))["card_no"]
    order = await shop.order("DELETE", card_no=card_no)
    assert await phone.run(order["session_id"]) == "done"
    follows = asyncio.create_task(shop.ask("GET", f"/orders/{order['order_no']}/events"))
    await asyncio.sleep(0.2)
    assert not follows.done()
    await shop.work(2)
    stream = told((await follows).text)
    assert [(name, one["payout"]["state"]) for name, one in stream[:-1]] == [("order", "sending"), ("order", "done")]
    assert stream[-1] == ("end", "done")


async def test_what_people_have_to_pay_is_not_waited_for():
    """The order is done, and its stream ends: the rest may take days."""
    for state, ended in (("sending", False), ("owed", True), ("done", True)):
        payout = Payout(state=state, done_fen=0, owed_fen=1)
        assert is_at_end(VIEW.model_copy(update={"state": "done", "payout": payout})) is ended
    assert is_at_end(VIEW.model_copy(update={"state": "done"}))
    assert not is_at_end(VIEW)


async def test_an_order_is_followed_to_its_end(shop):
    phone = await shop.phone()
    order = await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id)
    follows = asyncio.create_task(shop.ask("GET", f"/orders/{order['order_no']}/events"))
    await asyncio.sleep(0.2)
    await shop.ask("POST", f"/orders/{order['order_no']}/refund")
    answer = await follows
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    *states, (last, state) = told(answer.text)
    assert {name for name, _ in states} == {"order"}
    assert states[-1][1] == await shop.follow(order)
    assert (last, state) == ("end", "cancelled")


async def test_only_its_rider_follows_an_order(shop):
    phone = await shop.phone()
    order = await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id)
    path = f"/orders/{order['order_no']}/events"
    assert (await shop.ask("GET", path, name="bob")).status_code == 404
    assert (await shop.ask("GET", "/orders/0/events")).status_code == 404
    assert (await shop.http.get(f"/app/v1{path}")).status_code == 401


async def test_changes_and_heartbeats_come_between_the_first_state_and_the_end(monkeypatch):
    monkeypatch.setattr(events, "POLL_S", 0)
    monkeypatch.setattr(events, "HEARTBEAT_S", 0)
    seen = iter(["paying", "paying", Failed("no database"), "submitted", "done"])

    async def look() -> OrderView:
        one = next(seen)
        if isinstance(one, Failed):
            raise one
        return VIEW.model_copy(update={"state": one})

    stream = [event async for event in changes(look)]
    assert [event.data.state if event.event == "order" else event.event for event in stream] == [
        "paying", None, None, "submitted", "done", "end",
    ]  # fmt: skip
    assert stream[-1].data == "done"
    assert stream[1].comment


async def test_a_stream_ends_before_its_token_is_old(monkeypatch):
    monkeypatch.setattr(events, "POLL_S", 0)
    monkeypatch.setattr(events, "FOLLOWED_MAX_S", 0.01)
    looks = itertools.count()

    async def look() -> OrderView:
        next(looks)
        return VIEW

    assert [event.event async for event in changes(look)] == ["order", "end"]
    assert next(looks)


def test_a_rider_has_so_many_streams_and_no_more():
    streams = Streams()
    with streams.one_more("ann"), streams.one_more("ann"), streams.one_more("ann"), streams.one_more("ann"):
        with pytest.raises(TooManyRequests), streams.one_more("ann"):
            pass
        with streams.one_more("bob"):
            pass
    assert not streams.open
