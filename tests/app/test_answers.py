"""What the API answers is what its OpenAPI declares (every answer of these tests is held against it), and limits."""

from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

ISSUER = "90000001"


async def test_whatever_is_refused_has_one_shape(shop):
    bearer = {"Authorization": "Bearer 00"}
    for method, path, status in (
        ("GET", "/orders", 401),
        ("GET", "/nothing", 404),
        ("DELETE", "/orders", 405),
        ("POST", "/orders", 401),
    ):
        for headers in ({}, bearer):
            answer = await shop.http.request(method, f"/app/v1{path}", headers=headers, json={})
            assert answer.status_code == status
            assert answer.json().keys() == {"error", "message"}
            assert (answer.headers.get("www-authenticate") == "Bearer") is (status == 401)


async def test_every_operation_declares_its_refusals_in_that_shape(shop):
    document = (await shop.http.get("/app/v1/openapi.json")).json()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            refusals = {code: one for code, one in operation["responses"].items() if code >= "400"}
            assert {"413", "422", "429", "500", "503"} <= refusals.keys()
            assert "401" in refusals, path
            for one in refusals.values():
                assert one["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}


@pytest.mark.parametrize("text", ["\0", "a\0b", "\u4e2d", "x" * 65])
async def test_odd_characters_in_names_are_refused(shop, text):
    for method, path in (
        ("GET", "/orders/{}"), ("GET", "/orders/{}/events"), ("POST", "/orders/{}/pay"), ("POST", "/orders/{}/refund"),
        ("POST", "/orders/{}/result"), ("POST", "/cards/{}/lost"),
    ):  # fmt: skip
        answer = await shop.ask(method, path.format(quote(text)), {} if method == "POST" else None)
        assert answer.status_code == 422
    for field in ("username", "password"):
        form = {"grant_type": "password", "username": "ann", "password": "secret"} | {field: text + "\0"}
        assert (await shop.http.post("/app/v1/token", data=form)).status_code == 422
    assert (await shop.ask("GET", f"/orders/a?state={quote(text)}&wait=1")).status_code == 404


async def test_a_form_that_cannot_be_taken_apart_is_malformed(shop):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await shop.http.post("/app/v1/token", content=b"no form", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (422, "malformed")


async def test_a_body_over_the_limit_is_not_read(shop):
    await shop.login()
    headers = {"Authorization": f"Bearer {shop.tokens['ann']}", "Idempotency-Key": "k"}

    async def endless():
        for _ in range(70):
            yield b" " * 1024

    for body in (b" " * 70_000, endless()):
        answer = await shop.http.post("/app/v1/orders", content=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


async def test_what_breaks_inside_is_a_500_in_that_shape_without_details(shop, monkeypatch):
    async def broken(*_: object) -> None:
        raise RuntimeError("the innards")

    monkeypatch.setattr("tongka.app.serve.store.products", broken)
    answer = await shop.ask("GET", "/products")
    assert (answer.status_code, answer.json()["error"]) == (500, "failed")
    assert "innards" not in answer.text


async def test_who_asks_too_often_is_told_when_to_come_back(shop):
    answers = [await shop.login("bob", "no") for _ in range(25)]
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"] == "1"


async def test_moments_have_the_citys_offset_on_every_way(shop):
    phone = await shop.phone()
    created = await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id)
    (listed,) = (await shop.ask("GET", "/orders")).json()
    for told in (created, listed, await shop.follow(created)):
        moment = datetime.fromisoformat(told["created_at"])
        assert (told["created_at"], moment.utcoffset()) == (created["created_at"], timedelta(hours=8))
