"""Who speaks: the channel of a domain whose key made the token, and from where it may call."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from tongka.errors import BadSignature, Refused
from tongka.partners.linkage import codec
from tongka.partners.linkage.codec import Fields
from tongka.store import channels as store
from tongka.store.channels import ChannelRow
from tongka.system import System

REFRESH = timedelta(seconds=3)
"""How long a change made by another process may stay unseen."""

KEY_MIN = 32
"""Hexadecimal digits of a key of 128 bits; production asks for that many characters at least."""
NOBODY = "0" * KEY_MIN

log = structlog.get_logger()

Networks = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel with its key unsealed."""

    row: ChannelRow
    key: str = field(repr=False)
    networks: Networks

    def admits(self, address: str) -> bool:
        return not self.networks or any(ipaddress.ip_address(address) in network for network in self.networks)


def key_context(domain: str, channel: str) -> bytes:
    """What a sealed key is bound to."""
    return f"linkage channel {domain} {channel}".encode()


class Channels:
    """All active channels as they were a moment ago."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._by_domain: dict[str, list[Channel]] = {}
        self._read_at: datetime | None = None

    async def who(self, fields: Fields, named: str, address: str) -> Channel:
        """The channel that sent a message.

        All keys of the domain are tried, whichever fits; an unknown domain costs as much as one with a single key.

        Raises:
            BadSignature: no active channel of the domain made this token, or it is not the channel that the message
                names, or it may not call from there. Which of these is not told.

        """
        await self._refresh()
        known = self._by_domain.get(fields.get("OrigionDomain", ""), [])
        fitting = [channel for channel in known if _fits(fields, channel.key)]
        if not known:
            _fits(fields, NOBODY)
        for channel in fitting:
            if named in {"", channel.row.channel} and channel.admits(address):
                return channel
        raise BadSignature("the message is not authentic")

    async def _refresh(self) -> None:
        now = self._system.clock()
        if self._read_at is not None and now - self._read_at < REFRESH:
            return
        by_domain: dict[str, list[Channel]] = {}
        for row in await store.every(self._system.database):
            for sealed in (row.sealed_key, row.next_sealed_key) if row.active else ():
                if sealed and (channel := await self._opened(row, sealed)):
                    by_domain.setdefault(row.domain, []).append(channel)
        self._by_domain, self._read_at = by_domain, now

    async def _opened(self, row: ChannelRow, sealed: bytes) -> Channel | None:
        try:
            key = await self._system.hsm.unseal(sealed, key_context(row.domain, row.channel))
        except Refused as error:
            log.error("channel refused: its key can't be unsealed", channel=row.channel, error=str(error))  # noqa: TRY400
            return None
        if self._system.settings.mode == "production" and len(key) < KEY_MIN:
            log.error("channel refused: its key has less than 128 bits", domain=row.domain, channel=row.channel)
            return None
        return Channel(row, key.decode(), [ipaddress.ip_network(each) for each in row.addresses])


def _fits(fields: Fields, key: str) -> bool:
    try:
        codec.verify(fields, key)
    except BadSignature:
        return False
    return True
