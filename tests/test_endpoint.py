"""What a bare endpoint does with bodies that are too large, come in parts, or never end."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from tongka.endpoint import Endpoint, whole_body


async def echo(scope, body):
    return body if scope["path_params"]["name"] == "known" else None


@pytest.fixture
async def client():
    app = Starlette(routes=[Route("/{name}", Endpoint(echo, 8, "text/plain"), methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://platform") as client:
        yield client


async def test_a_body_is_answered(client):
    answer = await client.post("/known", content=b"12345678")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"12345678", "text/plain")


async def test_what_has_no_answer_is_not_found(client):
    assert (await client.post("/other", content=b"1")).status_code == 404


async def test_a_body_over_the_limit_is_refused(client):
    assert (await client.post("/known", content=b"123456789")).status_code == 413


async def test_other_methods_are_refused(client):
    assert (await client.get("/known")).status_code == 405


def coming(*messages):
    left = iter(messages)

    async def receive():
        return next(left)

    return receive


async def test_a_body_in_parts_is_put_together():
    parts = ({"type": "http.request", "body": b"12", "more_body": True}, {"type": "http.request", "body": b"34"})
    assert await whole_body(coming(*parts), 8) == b"1234"


async def test_no_more_is_read_than_one_part_over_the_limit():
    parts = ({"type": "http.request", "body": b"12345", "more_body": True} for _ in range(2))
    assert await whole_body(coming(*parts), 8) is None


async def test_a_client_that_leaves_half_way_is_told_apart():
    parts = ({"type": "http.request", "body": b"12", "more_body": True}, {"type": "http.disconnect"})
    with pytest.raises(ClientDisconnect):
        await whole_body(coming(*parts), 8)
