"""Who may speak to us. The table is small and read on each message, so every process keeps it in memory."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from typing import Self

from tongka.errors import Failed, UnknownParty
from tongka.store.db import Database

REFRESH_S = 3
"""How long a change made by another process may stay unseen."""


class Role(StrEnum):
    """What a party is towards us; the names are those of the envelope's fields (Huzhou 2.4)."""

    INSTITUTION = "institution"
    PARTNER = "partner"
    MERCHANT = "merchant"
    TERMINAL = "terminal"
    NETWORK = "network"
    OPERATOR = "operator"
    AREA = "area"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Party:
    """One row of the table.

    Attributes:
        parent: the institution or merchant that it belongs to; empty where it belongs to nobody.
        public_key: of an institution: a compressed SM2 point, 66 hex digits.
        sign_mode: what stands in the place of `sign` while signing: `empty` or `omit`.
        next_public_key: it verifies too, while the institution changes over to it.

    """

    role: Role
    id: str
    name: str = ""
    parent: str = ""
    active: bool = True
    public_key: str = ""
    sign_mode: str = "empty"
    next_public_key: str = ""


_NAMES = ", ".join(field.name for field in fields(Party))
_SELECT = f"SELECT {_NAMES} FROM party ORDER BY role, id"  # noqa: S608 - our own constants

_SAVE = f"""
INSERT INTO party ({_NAMES})
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::text[],
                     $8::text[])
ON CONFLICT (role, id) DO UPDATE SET
    name = excluded.name, parent = excluded.parent, active = excluded.active,
    public_key = excluded.public_key, sign_mode = excluded.sign_mode, next_public_key = excluded.next_public_key
"""  # noqa: S608 - our own constants


class Parties:
    """All parties as they were a moment ago; `find` does no I/O."""

    def __init__(self, database: Database, rows: Iterable[Party]) -> None:
        self._database = database
        self._rows = _by_key(rows)

    @classmethod
    async def load(cls, database: Database) -> Self:
        return cls(database, await every(database))

    def find(self, role: str, identity: str) -> Party | None:
        """A party, active or not; None if it is not on our books."""
        return self._rows.get((role, identity))

    async def refresh(self) -> None:
        """Read the table anew."""
        self._rows = _by_key(await every(self._database))

    async def keep_fresh(self) -> None:
        """Read the table anew every few seconds, until cancelled; while the database is away, the last rows serve."""
        while True:
            await asyncio.sleep(REFRESH_S)
            with suppress(Failed):
                await self.refresh()


def _by_key(rows: Iterable[Party]) -> dict[tuple[str, str], Party]:
    return {(row.role, row.id): row for row in rows}


async def every(database: Database) -> list[Party]:
    """All parties, by role and id."""
    return [Party(Role(row["role"]), *list(row)[1:]) for row in await database.read(_SELECT)]


async def save(database: Database, *parties: Party) -> None:
    """Add parties, or replace those with the same role and id; all or none."""
    columns = map(list, zip(*map(astuple, parties), strict=True))
    await database.execute(_SAVE, *columns)


async def set_active(database: Database, role: Role, identity: str, *, active: bool) -> None:
    """Let a party in, or keep it out.

    Raises:
        UnknownParty: it is not on our books.

    """
    tag = await database.execute("UPDATE party SET active = $3 WHERE role = $1 AND id = $2", role, identity, active)
    if tag == "UPDATE 0":
        raise UnknownParty(role, identity)


_PROMOTE = """
UPDATE party SET public_key = next_public_key, next_public_key = ''
WHERE role = 'institution' AND id = $1 AND next_public_key <> '' RETURNING id
"""


async def promote(database: Database, identity: str) -> None:
    """The institution's next key is its only one from now on.

    Raises:
        UnknownParty: no such institution, or it has no next key.

    """
    if await database.fetchval(_PROMOTE, identity) is None:
        raise UnknownParty("institution with a next key", identity)
