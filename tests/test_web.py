"""What the web application does when something of ours breaks."""

import asyncio
import http.client

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tongka.serving import bind, serving
from tongka.settings import Web
from tongka.web import Unbroken


async def broken(_):
    raise RuntimeError("ours")


async def whole(_):
    return PlainTextResponse("whole")


def statuses(port: int, *paths: str) -> list[int]:
    """Of one request after the other over one connection."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    line.connect()
    line.auto_open = False
    found = []
    for path in paths:
        line.request("GET", path)
        with line.getresponse() as answer:
            answer.read()
            found.append(answer.status)
    line.close()
    return found


async def test_an_error_of_ours_is_500_and_the_next_request_on_the_connection_is_served():
    app = Unbroken(Starlette(routes=[Route("/broken", broken), Route("/whole", whole)]))
    listening = bind("127.0.0.1", 0)
    async with serving(app, listening, Web()):
        port = listening.getsockname()[1]
        assert await asyncio.to_thread(statuses, port, "/whole", "/broken", "/whole") == [200, 500, 200]
