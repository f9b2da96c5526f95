"""Secrets of the platform's own, sealed by the HSM: made once, by whoever needs one first."""

from tongka.store.db import Database

_KEEP = "INSERT INTO platform_secret (name, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_FIND = "SELECT sealed FROM platform_secret WHERE name = $1"


async def find(database: Database, name: str) -> bytes | None:
    sealed: bytes | None = await database.read_value(_FIND, name)
    return sealed


async def keep(database: Database, name: str, sealed: bytes) -> None:
    """Keep a new secret, unless there is one of that name."""
    await database.execute(_KEEP, name, sealed)
