"""The cards on our books: which there are, how their keys are found, whether they may be topped up."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date

from tongka.errors import Refused
from tongka.store.db import Database


@dataclass(frozen=True, slots=True)
class CardRow:
    """One row of the table.

    Attributes:
        file15: as personalised, 30 bytes; it holds the factors of the card's keys.
        status: of the Huzhou card front: 00 normal, 01 blacklisted, 02 returned, 03 lost, 04 expired.
        customer: sealed personal data of a real-name card.

    """

    card_no: str
    asn: str
    profile: str
    key_version: int
    file15: bytes
    status: str = "00"
    enabled: bool = False
    sold_on: date | None = None
    valid_to: date | None = None
    deposit_fen: int = 0
    customer: bytes | None = None


class CardNotRegistered(Refused):
    """The card is not on our books; `tongka sandbox` or the import of a batch puts it there."""

    code = "card_not_registered"


_NAMES = ", ".join(field.name for field in fields(CardRow))
_FIND = f"SELECT {_NAMES} FROM card WHERE card_no = $1"  # noqa: S608 - our own constants
_PAGE = f"SELECT {_NAMES} FROM card WHERE card_no > $1 ORDER BY card_no LIMIT $2"  # noqa: S608 - our own constants

_REGISTER = f"""
INSERT INTO card ({_NAMES})
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bytea[], $6::text[], $7::boolean[],
                     $8::date[], $9::date[], $10::bigint[], $11::bytea[])
ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own constants


async def register(database: Database, rows: Sequence[CardRow]) -> int:
    """Put cards on our books, all or none; those that are there already stay as they are. How many were new."""
    if not rows:
        return 0
    tag = await database.execute(_REGISTER, *map(list, zip(*map(astuple, rows), strict=True)))
    return int(tag.rpartition(" ")[2])


async def find(database: Database, card_no: str) -> CardRow | None:
    row = await database.read_row(_FIND, card_no)
    return CardRow(*row) if row else None


async def page(database: Database, after: str = "", size: int = 100) -> list[CardRow]:
    """Cards in the order of their numbers, from beyond `after`."""
    return [CardRow(*row) for row in await database.read(_PAGE, after, size)]


async def set_status(database: Database, card_no: str, status: str) -> None:
    """Blacklist a card, for instance.

    Raises:
        CardNotRegistered: it is not on our books.

    """
    if await database.execute("UPDATE card SET status = $2 WHERE card_no = $1", card_no, status) == "UPDATE 0":
        raise CardNotRegistered(f"card {card_no} is not on our books")
