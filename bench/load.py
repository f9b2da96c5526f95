"""A light card front client, so that the bench itself leaves the server its cores.

It says what `CardFront` says: real messages, really signed, and a software card's answers. But it speaks HTTP by
itself, and takes answers unverified, since a bench that verifies measures its own SM2.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tongka.card.apdu import CardChannel, Command, send
from tongka.cli.card_front import IDENTITY
from tongka.crypto import sm2
from tongka.partners.huzhou import codec, messages
from tongka.partners.huzhou.client import CardFront, Identity, Order, _charge, _script
from tongka.partners.huzhou.fields import commands_of

HEAD_END = b"\r\n\r\n"


class Lines:
    """Connections to one server: kept ones are used again, short ones are closed after their answer."""

    def __init__(self, base_url: str, *, keep_alive: bool) -> None:
        address = urlsplit(base_url)
        self._address = address.hostname, address.port
        self._keep_alive = keep_alive
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        headers = {"Host": address.netloc, "Content-Type": "application/json"}
        headers |= {} if keep_alive else {"Connection": "close"}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def post(self, path: str, body: bytes) -> bytes:
        """The body of the answer, which must be 200."""
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection(*self._address)
        head = f"POST {path} HTTP/1.1\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer_head = (await reader.readuntil(HEAD_END)).lower()
        assert answer_head.startswith(b"http/1.1 200"), answer_head
        length = int(answer_head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        answer = await reader.readexactly(length)
        if self._keep_alive:
            self._free.append((reader, writer))
        else:
            writer.close()
        return answer

    def close(self) -> None:
        """Let the kept connections go; the server would, after a few idle seconds."""
        while self._free:
            self._free.pop()[1].close()


class LightFront(CardFront):
    """The card front of a section `huzhou` of sandbox.json."""

    def __init__(self, section: Mapping[str, Any], *, keep_alive: bool) -> None:
        super().__init__(
            section["base_url"],
            Identity(**{ours: section[theirs] for ours, theirs in IDENTITY.items()}),
            sm2.PrivateKey(bytes.fromhex(section["partner_private_key"])),
            sm2.PublicKey(bytes.fromhex(section["platform_public_key"])),
        )
        self._lines = Lines(section["base_url"], keep_alive=keep_alive)

    async def close(self) -> None:
        await super().close()
        self.hang_up()

    def hang_up(self) -> None:
        self._lines.close()

    async def _exchange(self, url: str, body: bytes) -> codec.ParsedAnswer:
        return codec.parse_answer(await self._lines.post(urlsplit(url).path, body))

    async def _load(self, card: CardChannel, order: Order, init: tuple[Command, ...]) -> None:
        """As there, with the card in this thread."""
        ran = _script(init, [send(card, each) for each in init])
        given = await self.card_charge_request(_charge(messages.CardChargeRequest, order, **ran))
        authorised = commands_of(given.commands)
        ran = _script(authorised, [send(card, each) for each in authorised])
        await self.card_charge_confirm(_charge(messages.CardChargeConfirm, order, **ran))
