"""The books in PostgreSQL: reading balances, posting by hand. `store.days` closes days.

State moves of orders insert into `transfer` inside their own statement; nothing here stands on their way. Balances are
*posted* sums (kinds `single` and `post`) and read in the account's own sense: an asset grows by debits, a liability by
credits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from tongka.errors import LedgerRefused
from tongka.ledger import FIRST_GUARDED, FIRST_OPENED, REFUSALS, Account, AccountKind, Posting
from tongka.store.db import Database

STATEMENT_MAX = 10_000
"""Most lines of one statement; ask for fewer days instead."""

LEGS = """
    SELECT leg.account, t.business_date, leg.debit_fen, leg.credit_fen
    FROM transfer t
    CROSS JOIN LATERAL (VALUES (t.debit, t.amount_fen, 0::bigint), (t.credit, 0::bigint, t.amount_fen))
        AS leg (account, debit_fen, credit_fen)
    WHERE t.kind IN ('single', 'post')
"""
"""Each posted transfer as its two legs."""

LAST_ADDED_UP = "coalesce((SELECT max(business_date) FROM closed_day WHERE figures_at IS NOT NULL), '-infinity'::date)"
"""The last closed day whose sums are in `account_rollup`; so are those of all days before."""

_BALANCES = f"""
WITH moved AS (
    SELECT account, debit_fen, credit_fen FROM account_rollup WHERE business_date <= {LAST_ADDED_UP}
    UNION ALL
    SELECT account, debit_fen, credit_fen FROM ({LEGS} AND t.business_date > {LAST_ADDED_UP}) AS today
), summed AS (
    SELECT account, sum(debit_fen)::bigint AS debit_fen, sum(credit_fen)::bigint AS credit_fen
    FROM moved GROUP BY account
)
SELECT a.id, a.name, a.kind, a.balance_fen AS available_fen,
       coalesce(s.debit_fen, 0) AS debit_fen, coalesce(s.credit_fen, 0) AS credit_fen
FROM account a LEFT JOIN summed s ON s.account = a.id
WHERE $1::int IS NULL OR a.id = $1
ORDER BY a.id
"""  # noqa: S608 - our own constants

_CARD_BALANCE = """
SELECT coalesce(sum(CASE WHEN credit = $2 THEN amount_fen ELSE -amount_fen END), 0)::bigint
FROM transfer WHERE card_no = $1 AND kind IN ('single', 'post') AND $2 IN (debit, credit)
"""

_STATEMENT = """
SELECT id, posted_at, business_date, kind, reason, card_no, order_no, pending_id,
       CASE WHEN debit = $1 THEN credit ELSE debit END AS other,
       CASE WHEN debit = $1 THEN amount_fen ELSE 0 END AS debit_fen,
       CASE WHEN credit = $1 THEN amount_fen ELSE 0 END AS credit_fen
FROM transfer
WHERE business_date BETWEEN $2 AND $3 AND $1 IN (debit, credit)
ORDER BY id LIMIT $4
"""

_POST = """
INSERT INTO transfer
    (debit, credit, amount_fen, reason, kind, card_no, order_no, pending_id, posted_at, business_date)
SELECT new.*, $9::timestamptz, $10::date
FROM unnest($1::int[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[]) AS new
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's posted sums, in fen; `available_fen` (posted less reserved) is kept for guarded accounts only."""

    account: int
    name: str
    kind: AccountKind
    debit_fen: int
    credit_fen: int
    available_fen: int | None

    @property
    def balance_fen(self) -> int:
        return self.kind.sign * (self.debit_fen - self.credit_fen)


@dataclass(frozen=True, slots=True)
class Line:
    """A transfer as one account's statement shows it; pending and void ones are listed and do not count."""

    id: int
    posted_at: datetime
    business_date: date
    kind: str
    reason: str
    card_no: str
    order_no: str
    pending_id: int | None
    other: int
    debit_fen: int
    credit_fen: int


async def open_account(database: Database, number: int, name: str, kind: AccountKind, note: str = "") -> None:
    """Open an account for a merchant, an institution or (from FIRST_GUARDED on) a stored value. Again is harmless.

    Raises:
        LedgerRefused: the number is the chart's, or number or name belong to another account.

    """
    if number < FIRST_OPENED or (number >= FIRST_GUARDED and kind is not AccountKind.LIABILITY):
        raise LedgerRefused("account_not_found", f"account {number} cannot be opened as {kind}")
    await database.execute(
        "INSERT INTO account (id, name, kind, note) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        number, name, kind.value, note,
    )  # fmt: skip
    row = await database.read_row("SELECT name, kind FROM account WHERE id = $1", number)
    if row is None or (row["name"], row["kind"]) != (name, kind.value):
        raise LedgerRefused("account_not_found", f"number {number} or name {name!r} is another account's")


async def balances(database: Database) -> list[Balance]:
    """Every account, in the order of the numbers."""
    return [_balance(row) for row in await database.read(_BALANCES, None)]


async def balance(database: Database, account: int) -> Balance:
    """One account.

    Raises:
        LedgerRefused: it does not exist.

    """
    row = await database.read_row(_BALANCES, account)
    if row is None:
        raise LedgerRefused("account_not_found", REFUSALS["account_not_found"])
    return _balance(row)


def _balance(row: asyncpg.Record) -> Balance:
    return Balance(
        account=row["id"],
        name=row["name"],
        kind=AccountKind(row["kind"]),
        debit_fen=row["debit_fen"],
        credit_fen=row["credit_fen"],
        available_fen=row["available_fen"] if row["id"] >= FIRST_GUARDED else None,
    )


async def card_balance(database: Database, card_no: str) -> int:
    """What the books say is on a card, in fen."""
    held: int = await database.read_value(_CARD_BALANCE, card_no, Account.CARD_FLOAT)
    return held


async def statement(database: Database, account: int, since: date, until: date) -> list[Line]:
    """An account's transfers of some business days, both included, at most STATEMENT_MAX."""
    rows = await database.read(_STATEMENT, account, since, until, STATEMENT_MAX)
    return [Line(**row) for row in rows]


async def post(database: Database, postings: Sequence[Posting], at: datetime, day: date) -> list[int]:
    """Post transfers, all or none, on an open business day; answers their ids in the same order.

    Raises:
        LedgerRefused: a rule of the books; `reason` says which.

    """
    for posting in postings:
        posting.check()
    columns = zip(*map(_columns, postings), strict=True)
    rows = await database.fetch(_POST, *map(list, columns), at, day)
    return [row["id"] for row in rows]


def _columns(posting: Posting) -> tuple[int | str | None, ...]:
    return (
        posting.debit,
        posting.credit,
        posting.amount_fen,
        posting.reason,
        posting.kind.value,
        posting.card_no,
        posting.order_no,
        posting.pending_id,
    )
