"""The cards on our books: which there are, how their keys are found, whether they may be topped up."""

from collections.abc import Sequence
from datetime import date, datetime

from msgspec import Struct, structs

from tongka.errors import Refused
from tongka.ledger import Account
from tongka.store.db import Database
from tongka.store.leases import Leased
from tongka.store.stamp import Stamp


class CardRow(Struct, frozen=True):
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
    """The card is not on our books; `tongka card-stock import` puts it there."""

    code = "card_not_registered"


COLUMNS = CardRow.__struct_fields__
_NAMES = ", ".join(COLUMNS)
_FIND = f"SELECT {_NAMES} FROM card WHERE card_no = $1"  # noqa: S608 - our own constants
_PAGE = f"SELECT {_NAMES} FROM card WHERE card_no > $1 ORDER BY card_no LIMIT $2"  # noqa: S608 - our own constants

_INSERT = f"""
INSERT INTO card ({_NAMES})
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bytea[], $6::text[], $7::boolean[],
                     $8::date[], $9::date[], $10::bigint[], $11::bytea[])
ON CONFLICT DO NOTHING
"""  # noqa: S608 - our own constants

_TAKE_OVER = f"""
WITH registered AS ({_INSERT} RETURNING card_no, deposit_fen), opening AS (
    INSERT INTO transfer (card_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT card_no, 'single', $13, leg.account, leg.amount_fen, 'opening', $16::timestamptz, $17::date
    FROM registered JOIN unnest($1::text[], $12::bigint[]) AS held (card_no, balance_fen) USING (card_no)
    CROSS JOIN LATERAL (VALUES ($14::int, held.balance_fen), ($15::int, deposit_fen)) AS leg (account, amount_fen)
    WHERE leg.amount_fen > 0
)
SELECT count(*) FROM registered
"""  # noqa: S608 - our own constants


async def register(database: Database, rows: Sequence[CardRow]) -> None:
    """Put cards that hold nothing on our books, all or none; those there already stay as they are."""
    if rows:
        await database.execute(_INSERT, *_columns(rows))


async def register_on(connection: Leased, rows: Sequence[CardRow]) -> None:
    """As `register`, within a transaction."""
    await connection.execute(_INSERT, *_columns(rows))


async def set_validity(database: Database, card_no: str, valid_to: date) -> None:
    """The last day of a card, as it was written onto it."""
    await database.execute("UPDATE card SET valid_to = $2 WHERE card_no = $1", card_no, valid_to)


async def take_over(
    database: Database, rows: Sequence[CardRow], balances_fen: Sequence[int], at: datetime, day: date
) -> int:
    """Put cards on our books with what they hold, all or none; how many were new.

    Balances and deposits come out of the opening balances, in the same statement: no card without its entries.
    """
    accounts = (Account.OPENING_BALANCES, Account.CARD_FLOAT, Account.DEPOSITS_HELD)
    if not rows:
        return 0
    new: int = await database.fetchval(_TAKE_OVER, *_columns(rows), list(balances_fen), *accounts, at, day)
    return new


def _columns(rows: Sequence[CardRow]) -> list[list[object]]:
    return [list(column) for column in zip(*map(structs.astuple, rows), strict=True)]


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


_TURN_STATUS = """
WITH turned AS (UPDATE card SET status = $3 WHERE card_no = $1 AND status = $2 RETURNING card_no), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $4, $5, 'card status', card_no, concat_ws(': ', $2 || ' ' || $3, nullif($6, '')) FROM turned
)
SELECT count(*) FROM turned
"""


async def turn_status(database: Database, card_no: str, turn: tuple[str, str], stamp: Stamp, reason: str = "") -> bool:
    """From one status to another, with its audit row; False where it is no longer the first."""
    return bool(await database.fetchval(_TURN_STATUS, card_no, *turn, stamp.at, stamp.actor, reason))
