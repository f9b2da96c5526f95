"""Paths as the documents print them, with a slash too many, over the whole application."""

import httpx
import pytest

from tongka.web import build_app


@pytest.fixture
async def client(world):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(build_app(world.system)), base_url="http://127.0.0.1"
    ) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["//cardfront/cardReturnConfirm/V1", "/cardfront/cardInfoQuery/V1/", "/cardfront//cardInfoQuery/V1//"]
)
async def test_a_slash_too_many_does_not_lose_a_message(client, path):
    answer = await client.post(f"http://127.0.0.1{path}", content=b"{}")
    assert (answer.status_code, answer.json()["result"]) == (200, "999999")


async def test_what_is_nowhere_stays_nowhere(client):
    assert (await client.post("/cardfront/noSuchThing/V1/", content=b"{}")).status_code == 404
