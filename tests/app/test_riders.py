"""Who may do what: tokens, ownership, idempotency keys, limits; and what is refused."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from tongka.app import serve
from tongka.journeys.app import identity
from tongka.journeys.app.refusals import LoginWrong
from tongka.journeys.refusals import TooManyRequests

ISSUER = "90000001"


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(shop):
    wrong, unknown = await shop.login("ann", "no"), await shop.login("nobody", "secret")
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json()) == (401, wrong.json())


async def test_client_credentials_serve_as_well(shop):
    form = {"grant_type": "client_credentials", "client_id": "ann", "client_secret": "secret"}
    answer = await shop.http.post("/app/v1/token", data=form)
    assert answer.json()["token_type"] == "Bearer"


async def test_without_a_good_token_nothing_is_told(shop):
    for headers in ({}, {"Authorization": "Bearer 00"}, {"Authorization": "Basic YTpi"}):
        assert (await shop.http.get("/app/v1/orders", headers=headers)).status_code == 401


async def test_what_another_rider_has_is_unknown(shop):
    phone = await shop.phone()
    opened = await shop.opened(phone)
    number = opened["order_no"]
    for method, path, body in (
        ("GET", f"/orders/{number}", None),
        ("POST", f"/orders/{number}/pay", {"acquirer": "sandbox"}),
        ("POST", f"/orders/{number}/refund", None),
        ("POST", f"/orders/{number}/result", {"code": "0"}),
        ("POST", f"/cards/{opened['card_no']}/lost", None),
    ):
        assert (await shop.ask(method, path, body, name="bob")).status_code == 404, path
    wish = {"business": "DELETE", "card_no": opened["card_no"]}
    assert (await shop.ask("POST", "/orders", wish, key="k", name="bob")).status_code == 404
    assert (await shop.ask("GET", "/orders", name="bob")).json() == []
    assert (await shop.ask("GET", "/cards", name="bob")).json() == []


async def test_a_key_makes_one_order_and_with_other_contents_none(shop):
    phone = await shop.phone()
    wish = {"business": "OPEN", "issuer_id": ISSUER, "device_id": phone.device_id, "amount_fen": 100}
    answers = await asyncio.gather(*(shop.ask("POST", "/orders", wish, key="k") for _ in range(5)))
    assert len({answer.json()["order_no"] for answer in answers}) == 1
    changed = await shop.ask("POST", "/orders", wish | {"amount_fen": 200}, key="k")
    assert (changed.status_code, changed.json()["error"]) == (409, "idempotency_key_used")
    assert (await shop.ask("POST", "/orders", wish)).status_code == 422


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ({"business": "OPEN", "device_id": "d"}, "issuer_id"),
        ({"business": "OPEN", "issuer_id": ISSUER}, "device_id"),
        ({"business": "TOPUP", "amount_fen": 1}, "card_no"),
        ({"business": "OPEN", "issuer_id": ISSUER, "device_id": "d", "amount_fen": -1}, "amount_fen"),
        ({"business": "OPEN", "issuer_id": ISSUER, "device_id": "d", "amount": 1}, "amount"),
        ({"business": "RIDE"}, "business"),
        ({}, "business"),
    ],
)
async def test_a_malformed_order_is_refused_by_the_name_of_its_field(shop, wish, names):
    answer = await shop.ask("POST", "/orders", wish, key="k")
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(f"{names}:")


async def test_too_many_logins_are_slowed_down(shop):
    codes = [(await shop.login("bob", "no")).status_code for _ in range(25)]
    assert (codes[0], codes[-1]) == (401, 429)


async def test_several_web_processes_keep_one_limit(shop, monkeypatch):
    """Each may answer a second's requests before it hears of the others."""
    await shop.login()
    monkeypatch.setattr(serve, "REQUESTS", 10)
    processes = [
        httpx.AsyncClient(transport=httpx.ASGITransport(serve.build(shop.system)), base_url="http://127.0.0.1")
        for _ in range(3)
    ]
    headers = {"Authorization": f"Bearer {shop.tokens['ann']}"}

    async def codes() -> list[int]:
        shop.now[0] += timedelta(seconds=1)
        return [(await one.get("/products", headers=headers)).status_code for one in processes]

    shop.now[0] = shop.now[0].replace(second=0)
    answered = [code for _ in range(10) for code in await codes()]
    assert 10 <= answered.count(200) <= 10 + len(processes)
    assert answered[-3:] == [429] * 3
    shop.now[0] += timedelta(minutes=1)
    assert await codes() == [200] * 3


async def test_wrong_passwords_are_counted_for_an_hour_in_whichever_process(shop):
    for _ in range(20):
        with pytest.raises(LoginWrong):
            await identity.login(shop.system, "ann", "no")
    with pytest.raises(TooManyRequests):
        await identity.login(shop.system, "ann", "secret")
    assert (await identity.login(shop.system, "bob", "secret"))[0]
    shop.now[0] += timedelta(minutes=61)
    assert (await identity.login(shop.system, "ann", "secret"))[0]


async def test_the_openapi_tells_every_path(shop):
    told = (await shop.http.get("/app/v1/openapi.json")).json()
    assert set(told["paths"]) == {
        "/token", "/products", "/acquirers", "/cards", "/cards/{card_no}/lost", "/cards/{card_no}/found",
        "/orders", "/orders/{order_no}",
        "/orders/{order_no}/events", "/orders/{order_no}/pay", "/orders/{order_no}/refund",
        "/orders/{order_no}/result", "/orders/{order_no}/resume",
    }  # fmt: skip


async def test_following_is_held_back_until_something_happens(shop):
    phone = await shop.phone()
    order = await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id)

    async def later() -> None:
        await asyncio.sleep(0.3)
        await shop.ask("POST", f"/orders/{order['order_no']}/refund")

    cancelled = asyncio.create_task(later())
    told = (await shop.ask("GET", f"/orders/{order['order_no']}?wait=20&state=created")).json()
    await cancelled
    assert told["state"] == "cancelled"
