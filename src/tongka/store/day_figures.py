"""What a closed day came to: accounts, partners, and the orders that went on to the next day."""

from dataclasses import dataclass
from datetime import date

from tongka.ledger import FIRST_OPENED, Account, AccountKind
from tongka.store.db import Database


@dataclass(frozen=True, slots=True)
class AccountDay:
    """An account's day, in its own sense: what it held, what was posted, what it holds.

    Attributes:
        account: FIRST_OPENED stands for all accounts that people opened, together.

    """

    account: int
    name: str
    kind: AccountKind
    opening_fen: int
    debit_fen: int
    credit_fen: int

    @property
    def closing_fen(self) -> int:
        return self.opening_fen + self.kind.sign * (self.debit_fen - self.credit_fen)


@dataclass(frozen=True, slots=True)
class Figure:
    """Lines of one kind with one partner; above zero they owe us the amount."""

    role: str
    party: str
    channel: str
    kind: str
    account: int
    lines: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What was posted for one reason within the house: loads, rides, fees."""

    reason: str
    debit: int
    credit: int
    transfers: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Carried:
    """Orders that were not at their end, by what they were: paid and not loaded, or on their way back."""

    kind: str
    orders: int
    in_hand_fen: int
    payable_fen: int


_ACCOUNTS = f"""
SELECT least(a.id, {FIRST_OPENED}) AS account, min(CASE WHEN a.id < {FIRST_OPENED} THEN a.name ELSE '' END) AS name,
    min(a.kind) AS kind,
    sum(CASE WHEN r.business_date = $1 THEN r.opening_fen ELSE r.opening_fen + r.debit_fen - r.credit_fen END)::bigint
        AS opening_fen,
    coalesce(sum(r.debit_fen) FILTER (WHERE r.business_date = $1), 0)::bigint AS debit_fen,
    coalesce(sum(r.credit_fen) FILTER (WHERE r.business_date = $1), 0)::bigint AS credit_fen
FROM account a CROSS JOIN LATERAL (
    SELECT * FROM account_rollup r WHERE r.account = a.id AND r.business_date <= $1
    ORDER BY r.business_date DESC LIMIT 1
) AS r GROUP BY least(a.id, {FIRST_OPENED}), CASE WHEN a.id >= {FIRST_OPENED} THEN a.kind END ORDER BY 1, 3
"""  # noqa: S608 - our own constants

_FIGURES = """
SELECT role, party, channel, kind, account, lines, amount_fen FROM day_figure WHERE business_date = $1
ORDER BY role, party, channel, kind, account
"""

_MOVED = """
SELECT split_part(reason, ' ', 1), debit, credit, count(*), sum(amount_fen)::bigint FROM (
    SELECT reason, least(debit, $2) AS debit, least(credit, $2) AS credit, amount_fen FROM transfer
    WHERE business_date = $1 AND kind IN ('single', 'post')
) AS posted GROUP BY 1, debit, credit ORDER BY 1, debit, credit
"""

_CARRIED = """
SELECT coalesce(o.kind, ''), count(*), sum(c.in_hand_fen)::bigint, sum(c.payable_fen)::bigint
FROM day_carried c LEFT JOIN orders o USING (card_no, order_no) WHERE c.business_date = $1 GROUP BY 1 ORDER BY 1
"""


async def accounts(database: Database, day: date) -> list[AccountDay]:
    """The accounts of a closed day that ever moved; those that people opened together, by kind."""
    rows = await database.read(_ACCOUNTS, day)
    return [_account(**dict(row)) for row in rows]


def _account(account: int, name: str, kind: str, opening_fen: int, **moved_fen: int) -> AccountDay:
    sense = AccountKind(kind)
    return AccountDay(account, name or "opened", sense, sense.sign * opening_fen, **moved_fen)


async def figures(database: Database, day: date) -> list[Figure]:
    """By partner, channel and kind."""
    return [Figure(*row) for row in await database.read(_FIGURES, day)]


async def moved(database: Database, day: date) -> list[Moved]:
    """By reason, and the accounts from which and to which."""
    return [Moved(*row) for row in await database.read(_MOVED, day, FIRST_OPENED)]


async def carried(database: Database, day: date) -> list[Carried]:
    """By what was ordered."""
    return [Carried(*row) for row in await database.read(_CARRIED, day)]


async def carried_orders(database: Database, day: date, limit: int) -> list[dict[str, object]]:
    """Those orders one by one, with the state in which they stand now."""
    rows = await database.read(
        "SELECT c.order_no, c.card_no, coalesce(o.kind, '') AS kind, coalesce(o.state, '') AS state_now,"
        " c.in_hand_fen, c.payable_fen FROM day_carried c LEFT JOIN orders o USING (card_no, order_no)"
        " WHERE c.business_date = $1 ORDER BY c.order_no LIMIT $2",
        day, limit,
    )  # fmt: skip
    return [dict(row) for row in rows]


PARTNERS_ACCOUNTS = (
    Account.MERCHANTS_PAYABLE,
    *(account for account in Account if Account.RECEIVABLE_CASH <= account <= Account.RECEIVABLE_OTHER),
)
"""Whose sums the lists are: what partners owe us, and what we owe merchants."""
