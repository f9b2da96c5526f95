"""The channels of the Linkage interface: who may speak for a domain, with which key, from where, how often."""

from dataclasses import astuple, dataclass, field, fields

from tongka.errors import UnknownParty
from tongka.store.db import Database


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One row of the table.

    Attributes:
        sealed_key: the token key, sealed by the HSM.
        next_sealed_key: it makes tokens too, while the channel changes over to it.
        addresses: networks (CIDR) that may call; empty: any.
        per_minute: most requests of the channel in a minute.
        terminal_per_minute: the same for each of its terminals.
        known_parties_only: whether departments, terminals, operators and devices must be on the domain's books.

    """

    domain: str
    channel: str
    name: str
    sealed_key: bytes = field(repr=False)
    addresses: tuple[str, ...]
    per_minute: int
    terminal_per_minute: int
    active: bool = True
    known_parties_only: bool = False
    next_sealed_key: bytes | None = field(default=None, repr=False)


_NAMES = ", ".join(each.name for each in fields(ChannelRow))
_VALUES = ", ".join(f"${n}" for n, _ in enumerate(fields(ChannelRow), 1))
_SELECT = f"SELECT {_NAMES} FROM linkage_channel ORDER BY domain, channel"  # noqa: S608 - our own constants
_ADD = f"INSERT INTO linkage_channel ({_NAMES}) VALUES ({_VALUES}) ON CONFLICT DO NOTHING"  # noqa: S608 - the same
_SAVE = f"""
INSERT INTO linkage_channel ({_NAMES}) VALUES ({_VALUES})
ON CONFLICT (domain, channel) DO UPDATE SET
    name = excluded.name, sealed_key = excluded.sealed_key, addresses = excluded.addresses, active = excluded.active,
    per_minute = excluded.per_minute, terminal_per_minute = excluded.terminal_per_minute,
    known_parties_only = excluded.known_parties_only, next_sealed_key = excluded.next_sealed_key
"""  # noqa: S608 - our own constants


async def every(database: Database) -> list[ChannelRow]:
    """All channels, by domain and channel."""
    rows = await database.read(_SELECT)
    return [ChannelRow(**dict(row) | {"addresses": tuple(row["addresses"])}) for row in rows]


async def save(database: Database, row: ChannelRow) -> None:
    """Add a channel, or replace it."""
    await database.execute(_SAVE, *astuple(row))


async def add(database: Database, row: ChannelRow) -> None:
    """Add a channel, unless it is there."""
    await database.execute(_ADD, *astuple(row))


async def set_active(database: Database, domain: str, channel: str, *, active: bool) -> None:
    """Let a channel in, or keep it out.

    Raises:
        UnknownParty: there is no such channel.

    """
    tag = await database.execute(
        "UPDATE linkage_channel SET active = $3 WHERE domain = $1 AND channel = $2", domain, channel, active
    )
    if tag == "UPDATE 0":
        raise UnknownParty("channel", f"{domain} {channel}")


_PROMOTE = """
UPDATE linkage_channel SET sealed_key = next_sealed_key, next_sealed_key = NULL
WHERE domain = $1 AND channel = $2 AND next_sealed_key IS NOT NULL RETURNING channel
"""


async def set_next_key(database: Database, domain: str, channel: str, sealed: bytes) -> None:
    """A key beside the present one.

    Raises:
        UnknownParty: there is no such channel.

    """
    sql = "UPDATE linkage_channel SET next_sealed_key = $3 WHERE domain = $1 AND channel = $2 RETURNING channel"
    if await database.fetchval(sql, domain, channel, sealed) is None:
        raise UnknownParty("channel", f"{domain} {channel}")


async def promote(database: Database, domain: str, channel: str) -> None:
    """The channel's next key is its only one from now on.

    Raises:
        UnknownParty: no such channel, or it has no next key.

    """
    if await database.fetchval(_PROMOTE, domain, channel) is None:
        raise UnknownParty("channel with a next key", f"{domain} {channel}")
