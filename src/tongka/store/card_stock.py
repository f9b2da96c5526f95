"""Batches of cards: imported, confirmed where riders' cards are taken over, listed. The tables: 0060_card_stock.sql.

A batch comes in by COPY and goes onto the books by one statement, with its opening balances: whole or not at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tongka.errors import Refused, RepeatedWithOtherContents
from tongka.ledger import Account
from tongka.store.cards import COLUMNS, CardRow
from tongka.store.db import Database
from tongka.store.leases import Leased
from tongka.store.stamp import Stamp


@dataclass(frozen=True, slots=True)
class Batch:
    """One row, with how its cards fare."""

    name: str
    cards: int
    deposits_fen: int
    balances_fen: int
    taken_over: bool
    imported_by: str
    imported_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    in_stock: int
    with_riders: int
    ended: int


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch about to come in: its cards with what they hold. `digest` is of what its list says."""

    name: str
    digest: bytes
    cards: Sequence[tuple[CardRow, int]]

    @property
    def taken_over(self) -> bool:
        return any(card.enabled for card, _ in self.cards)

    @property
    def deposits_fen(self) -> int:
        return sum(card.deposit_fen for card, _ in self.cards)

    @property
    def balances_fen(self) -> int:
        return sum(balance_fen for _, balance_fen in self.cards)


class BatchUnknown(Refused):
    """No batch of that name."""

    code = "batch_unknown"


class SecondPersonNeeded(Refused):
    """One person has done their part; the rest is another's."""

    code = "second_person_needed"


class CardOnBooks(Refused):
    """A card of a batch came onto the books otherwise meanwhile."""

    code = "card_on_books"


# What a batch says of a card, in the order in which its digest is made.
LINE = (
    "card_no", "asn", "profile", "key_version", "file15", "status", "enabled", "sold_on", "valid_to", "deposit_fen"
)  # fmt: skip
_LINE = ", ".join(LINE)

_ENTER = """
INSERT INTO card_batch (name, digest, cards, deposits_fen, balances_fen, taken_over, imported_by, imported_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING RETURNING name
"""

_NOTE = "INSERT INTO audit (at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)"

_TAKEN = """
SELECT card_no, batch FROM card WHERE card_no = ANY ($1::text[])
UNION ALL SELECT card_no, batch FROM card_batch_line WHERE card_no = ANY ($1::text[])
"""

# Operators' names are the same in either case.
_CONFIRM = f"""
WITH confirmed AS (
    UPDATE card_batch SET confirmed_by = $2, confirmed_at = $3
    WHERE name = $1 AND confirmed_by IS NULL AND (NOT taken_over OR $8 OR lower(imported_by) <> lower($2))
    RETURNING name, cards, deposits_fen, balances_fen
), lines AS (
    DELETE FROM card_batch_line l USING confirmed c WHERE l.batch = c.name RETURNING l.*
), registered AS (
    INSERT INTO card ({_LINE}, batch) SELECT {_LINE}, batch FROM lines
), opening AS (
    INSERT INTO transfer (card_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT card_no, 'single', $5::int, leg.account, leg.amount_fen, 'opening', $3, $4::date
    FROM lines CROSS JOIN LATERAL (VALUES ($6::int, balance_fen), ($7::int, deposit_fen)) AS leg (account, amount_fen)
    WHERE leg.amount_fen > 0
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $3, $2, 'cards on the books', name, format('%s cards, balances %s, deposits %s fen', cards, balances_fen,
        deposits_fen) FROM confirmed
)
SELECT cards FROM confirmed
"""  # noqa: S608 - our own constants

_BATCHES = """
SELECT b.name, b.cards, b.deposits_fen, b.balances_fen, b.taken_over, b.imported_by, b.imported_at, b.confirmed_by,
       b.confirmed_at, count(c.card_no) FILTER (WHERE c.status <> '02' AND NOT c.enabled)::int AS in_stock,
       count(c.card_no) FILTER (WHERE c.status <> '02' AND c.enabled)::int AS with_riders,
       count(c.card_no) FILTER (WHERE c.status = '02')::int AS ended
FROM card_batch b LEFT JOIN card c ON c.batch = b.name AND c.batch <> ''
WHERE $1 IN ('', b.name) GROUP BY b.name ORDER BY b.imported_at, b.name
"""

_DROP = """
WITH dropped AS (
    DELETE FROM card_batch WHERE name = $1 AND confirmed_by IS NULL RETURNING name
), lines AS (
    DELETE FROM card_batch_line l USING dropped d WHERE l.batch = d.name
)
INSERT INTO audit (at, actor, action, subject) SELECT $2, $3, 'card batch withdrawn', name FROM dropped RETURNING id
"""

_OPENING = (Account.OPENING_BALANCES, Account.CARD_FLOAT, Account.DEPOSITS_HELD)


async def taken(database: Database, numbers: Sequence[str]) -> dict[str, str]:
    """Those that are on the books or about to be, with their batches; empty for a card that came otherwise."""
    rows = await database.read(_TAKEN, list(numbers))
    return {row["card_no"]: row["batch"] for row in rows}


async def digest_of(database: Database, name: str) -> bytes | None:
    """Of the batch's list, if there is one of that name."""
    digest: bytes | None = await database.read_value("SELECT digest FROM card_batch WHERE name = $1", name)
    return digest


async def import_batch(database: Database, batch: NewBatch, stamp: Stamp) -> bool:
    """Bring a batch in; False if this very one is there. Stock is on the books with it, riders' cards wait.

    Raises:
        RepeatedWithOtherContents: another list has that name.
        CardOnBooks: one of its cards is there meanwhile.

    """
    try:
        async with database.transaction(unhurried=True) as connection:
            if not await _enter(connection, batch, stamp):
                return False
            if not batch.taken_over:
                await _put_on_books(connection, batch.name, stamp, alone=True)
    except asyncpg.UniqueViolationError as error:
        raise CardOnBooks(f"a card of batch {batch.name} is on the books meanwhile; import it again") from error
    return True


async def _enter(connection: Leased, batch: NewBatch, stamp: Stamp) -> bool:
    sums = (len(batch.cards), batch.deposits_fen, batch.balances_fen, batch.taken_over)
    if await connection.fetchval(_ENTER, batch.name, batch.digest, *sums, stamp.actor, stamp.at) is None:
        known = await connection.fetchval("SELECT digest FROM card_batch WHERE name = $1", batch.name)
        if known != batch.digest:
            raise RepeatedWithOtherContents(f"batch {batch.name} came in with another list; name another")
        return False
    columns = ("batch", *LINE, "balance_fen")
    await connection.copy_records_to_table("card_batch_line", records=_records(batch), columns=columns)
    told = f"{sums[0]} cards, balances {batch.balances_fen}, deposits {batch.deposits_fen} fen"
    await connection.execute(_NOTE, stamp.at, stamp.actor, "import card batch", batch.name, told)
    return True


def _records(batch: NewBatch) -> Iterator[tuple[object, ...]]:
    for card, balance_fen in batch.cards:
        yield (batch.name, *(getattr(card, name) for name in LINE), balance_fen)


async def confirm(database: Database, name: str, stamp: Stamp, *, alone: bool = False) -> int:
    """Another person than who imported it puts a batch with riders' cards on the books; how many cards it has.

    Again changes nothing. `alone`: where there is one person for everything, as in a sandbox.

    Raises:
        BatchUnknown: none of that name.
        SecondPersonNeeded: it is the one who imported it.
        CardOnBooks: one of its cards is there meanwhile.

    """
    try:
        async with database.transaction(unhurried=True) as connection:
            cards = await _put_on_books(connection, name, stamp, alone=alone)
    except asyncpg.UniqueViolationError as error:
        raise CardOnBooks(f"a card of batch {name} is on the books meanwhile; withdraw it, and look") from error
    if cards is not None:
        return cards
    found = await batches(database, name)
    if not found:
        raise BatchUnknown(f"there is no batch {name}")
    if found[0].confirmed_by is None:
        raise SecondPersonNeeded(f"{found[0].imported_by} has imported batch {name}; another operator confirms it")
    return found[0].cards


async def _put_on_books(connection: Leased, name: str, stamp: Stamp, *, alone: bool) -> int | None:
    cards: int | None = await connection.fetchval(_CONFIRM, name, stamp.actor, stamp.at, stamp.day, *_OPENING, alone)
    return cards


async def withdraw(database: Database, name: str, stamp: Stamp) -> None:
    """Take a batch back that is not confirmed.

    Raises:
        BatchUnknown: none of that name waits.

    """
    if await database.fetchval(_DROP, name, stamp.at, stamp.actor) is None:
        raise BatchUnknown(f"no batch {name} waits for its confirmation")


async def batches(database: Database, name: str = "") -> list[Batch]:
    """The batches, or one, in the order that they came in."""
    return [Batch(*row) for row in await database.read(_BATCHES, name)]


async def page(database: Database, name: str, after: str = "", size: int = 1000) -> list[CardRow]:
    """A batch's cards on the books, in the order of their numbers, from beyond `after`."""
    sql = f"SELECT {', '.join(COLUMNS)} FROM card WHERE batch = $1 AND card_no > $2 ORDER BY card_no LIMIT $3"  # noqa: S608 - names
    return [CardRow(*row) for row in await database.read(sql, name, after, size)]


async def batch_of(database: Database, card_no: str) -> str:
    """The batch that a card came in with; empty if it came otherwise."""
    return str(await database.read_value("SELECT batch FROM card WHERE card_no = $1", card_no) or "")
