"""The credentials that ride codes are made of, one for each rider, card and format (0023_ride_credentials.sql)."""

from dataclasses import dataclass
from datetime import datetime

from tongka.code.layout import Format
from tongka.store.db import Database


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose credential it is; `card_no` is empty for plain bus payment."""

    user_id: str
    card_type: str
    card_no: str
    format: Format


@dataclass(frozen=True, slots=True)
class KeptCredential:
    """What a phone keeps: the code without generation time and user's signature, and which key of the rider signs."""

    key_serial: int
    unsigned: bytes


_TAKE = """
UPDATE ride_credential SET last_generated = $6
WHERE user_id = $1 AND card_type = $2 AND card_no = $3 AND format = $4
  AND states = $5 AND last_generated < $6 AND renew_at > to_timestamp($6)
RETURNING key_serial, unsigned
"""

_KEEP = """
INSERT INTO ride_credential AS known
    (user_id, card_type, card_no, format, states, last_generated, key_serial, unsigned, renew_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (user_id, card_type, card_no, format) DO UPDATE SET
    states = excluded.states, last_generated = excluded.last_generated, key_serial = excluded.key_serial,
    unsigned = excluded.unsigned, renew_at = excluded.renew_at
WHERE known.states <> excluded.states OR known.renew_at <= to_timestamp(excluded.last_generated)
"""


async def take(database: Database, holder: Holder, states: bytes, generated: int) -> KeptCredential | None:
    """The current credential, for one code of that second; nobody else gets it for the same or an earlier one.

    None if there is none that says `states`, it is to be renewed, or it made a code of that second already.
    """
    row = await database.fetchrow(_TAKE, *_key(holder), states, generated)
    return KeptCredential(*row) if row else None


async def new_key_serial(database: Database) -> int:
    serial: int = await database.fetchval("SELECT nextval('ride_user_key_seq')")
    return serial


async def keep(
    database: Database, holder: Holder, states: bytes, generated: int, made: KeptCredential, *, renew_at: datetime
) -> None:
    """Keep a new credential as the current one, unless the current one is still good: then it makes one code only."""
    await database.execute(_KEEP, *_key(holder), states, generated, made.key_serial, made.unsigned, renew_at)


def _key(holder: Holder) -> tuple[str, str, str, str]:
    return (holder.user_id, holder.card_type, holder.card_no, holder.format.value)
