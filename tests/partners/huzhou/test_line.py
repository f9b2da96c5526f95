"""The client over a real socket: short connections as the document asks, or one that is kept."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from tongka.crypto import sm2
from tongka.errors import Failed
from tongka.partners.huzhou import codec, messages
from tongka.partners.huzhou.calls import Calls, Identity, Line

CLIENT_KEY, PLATFORM_KEY = sm2.generate(), sm2.generate()
WHO = Identity(
    institution="1", partner="1", merchant="1", network="1", terminal="1", operator="1", batch="1", channel="10"
)
CANCEL = messages.ChargeOrderCancel(card_no="3104880600000012345")


@asynccontextmanager
async def listening(connections: list[int]):
    """An HTTP server that answers 000000, signed; `connections` gets the number of requests of each connection."""
    answer = codec.seal(codec.answer_text("000000", "成功"), lambda text: sm2.sign(PLATFORM_KEY, text))
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = len(connections)
        connections.append(0)
        closing = False
        while not closing and (received := await headers(reader)):
            length = next(line for line in received.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            codec.parse_request(await reader.readexactly(int(length.split(b":")[1])))
            connections[mine] += 1
            writer.write(head + answer)
            closing = b"connection: close" in received.lower()
        writer.close()

    async def headers(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/cardfront"


@pytest.mark.parametrize(("keep_alive", "expected"), [(False, [1, 1, 1]), (True, [3])])
async def test_connections_are_short_unless_asked(monkeypatch, keep_alive, expected):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    connections: list[int] = []
    async with listening(connections) as url:
        line = Line(keep_alive=keep_alive, timeout_s=5)
        async with Calls(url, WHO, CLIENT_KEY, PLATFORM_KEY.public_key, line=line) as calls:
            for _ in range(3):
                await calls.charge_order_cancel(CANCEL)
    assert connections == expected


async def test_where_nobody_listens_is_a_failure(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with listening([]) as url:
        pass
    line = Line(attempts=2, pause_s=0, timeout_s=5)
    async with Calls(url, WHO, CLIENT_KEY, PLATFORM_KEY.public_key, line=line) as calls:
        with pytest.raises(Failed, match="cannot be reached"):
            await calls.charge_order_cancel(CANCEL)
