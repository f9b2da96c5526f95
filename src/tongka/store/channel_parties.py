"""Departments, terminals, operators and devices of a domain of the OneCard API. The table: 0014_channel_parties.sql."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tongka.errors import UnknownParty
from tongka.store.db import Database


class ChannelRole(StrEnum):
    """What a message names: DeptNo, TermNo, OperNo, DeviceNo."""

    DEPARTMENT = "department"
    TERMINAL = "terminal"
    OPERATOR = "operator"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class ChannelParty:
    """One row."""

    domain: str
    role: ChannelRole
    id: str
    name: str = ""
    active: bool = True


_SAVE = """
INSERT INTO linkage_party AS p (domain, role, id, name, active) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (domain, role, id) DO UPDATE SET
    name = CASE excluded.name WHEN '' THEN p.name ELSE excluded.name END, active = excluded.active
"""

_UNKNOWN = """
SELECT named.role, named.id FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS named (role, id, place)
WHERE NOT EXISTS (
    SELECT FROM linkage_party p WHERE p.domain = $1 AND p.role = named.role AND p.id = named.id AND p.active
) ORDER BY place LIMIT 1
"""


async def require_known(database: Database, domain: str, named: Sequence[tuple[str, str]]) -> None:
    """Refuse the first of these (role and id) that is not on the domain's books, or not active.

    Raises:
        UnknownParty: names it.

    """
    roles, ids = [role for role, _ in named], [identity for _, identity in named]
    row = await database.read_row(_UNKNOWN, domain, roles, ids)
    if row:
        raise UnknownParty(row["role"], row["id"])


async def save(database: Database, party: ChannelParty) -> None:
    """Add a party, or change it; the same again is harmless. An empty name keeps the one that it has."""
    await database.execute(_SAVE, party.domain, party.role.value, party.id, party.name, party.active)


async def every(database: Database, domain: str = "") -> list[ChannelParty]:
    """A domain's parties, or everybody's, by domain, role and id."""
    rows = await database.read(
        "SELECT domain, role, id, name, active FROM linkage_party WHERE $1 IN ('', domain) ORDER BY domain, role, id",
        domain,
    )
    return [ChannelParty(**dict(row) | {"role": ChannelRole(row["role"])}) for row in rows]
