"""Remittances: what closed days left owed, on its way to or from a partner's bank account.

A proposal takes what is owed in the same statement that compares it; the approval reserves it in the books (pending),
the bank's word posts it. Each step is one statement, and is done once.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import asyncpg

from tongka.ledger import Account
from tongka.money import MAX_FEN
from tongka.store.db import Database
from tongka.store.stamp import Stamp


class RemittanceState(StrEnum):
    """Proposed by one person, approved by another, paid once the bank says so; or withdrawn before."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    PAID = "paid"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Owed:
    """What closed days left between us and a partner on one account: above zero they owe us.

    Attributes:
        pay_to: their bank account; empty where it is not on the books.
        fee_bp: our part of what we pay out, in hundredths of a per cent.
        under_way: number of a remittance that is not at its end.

    """

    role: str
    party: str
    account: int
    net_fen: int
    pay_to: str
    fee_bp: int
    under_way: str


@dataclass(frozen=True, slots=True)
class Remittance:
    """One row; the columns' meaning stands beside them in 0070_days.sql."""

    number: str
    role: str
    party: str
    account: int
    direction: str
    through: date
    amount_fen: int
    fee_fen: int
    pay_to: str
    state: RemittanceState
    proposed_by: str
    approved_by: str
    bank_reference: str
    moved_at: datetime

    @property
    def transferred_fen(self) -> int:
        """What goes over the bank."""
        return self.amount_fen - self.fee_fen


_COLUMNS = (
    "number, role, party, account, direction, through, amount_fen, fee_fen, pay_to, state, proposed_by, approved_by,"
    " bank_reference, moved_at"
)

_NET = """
SELECT role, party, account, sum(fen)::bigint AS net_fen FROM (
    SELECT role, party, account, amount_fen AS fen FROM day_figure
    WHERE business_date <= $1 AND kind <> 'remitted' AND role <> ''
    UNION ALL
    SELECT role, party, account, CASE direction WHEN 'pay' THEN amount_fen ELSE -amount_fen END FROM remittance
    WHERE state <> 'withdrawn'
) AS moves GROUP BY role, party, account
"""

_OWED = f"""
SELECT n.role, n.party, n.account, n.net_fen, coalesce(s.pay_to, ''), coalesce(s.fee_bp, 0), coalesce(r.number, '')
FROM ({_NET}) AS n LEFT JOIN settlement_account s USING (role, party)
LEFT JOIN remittance r ON (r.role, r.party, r.account) = (n.role, n.party, n.account)
    AND r.state IN ('proposed', 'approved')
WHERE n.net_fen <> 0 OR r.number IS NOT NULL ORDER BY n.role, n.party, n.account
"""  # noqa: S608 - our own text

_PROPOSE = f"""
WITH owed AS (
    SELECT n.*, s.pay_to, least(abs(n.net_fen), $5, {MAX_FEN}) AS amount_fen,
        CASE WHEN n.net_fen < 0 THEN coalesce(s.fee_bp, 0) ELSE 0 END AS fee_bp
    FROM ({_NET}) AS n LEFT JOIN settlement_account s USING (role, party)
    WHERE (n.role, n.party, n.account) = ($2, $3, $4) AND (n.net_fen > 0 OR (n.net_fen < 0 AND s.pay_to IS NOT NULL))
), proposed AS (
    INSERT INTO remittance (number, role, party, account, direction, through, amount_fen, fee_fen, pay_to, state,
                            proposed_by, proposed_at, moved_at)
    SELECT 'F' || to_char($1::date, 'YYYYMMDD') || lpad(nextval('remittance_seq')::text, 6, '0'), role, party, account,
        CASE WHEN net_fen < 0 THEN 'pay' ELSE 'receive' END, $1, amount_fen, amount_fen * fee_bp / 10000,
        CASE WHEN net_fen < 0 THEN pay_to ELSE '' END, 'proposed', $7, $6, $6
    FROM owed RETURNING {_COLUMNS}
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $6, $7, 'propose remittance', number, concat_ws(' ', direction, role, party, account, amount_fen, fee_fen)
    FROM proposed
)
SELECT * FROM proposed
"""  # noqa: S608 - our own text

_LEGS = f"""
    SELECT moved.number, leg.* FROM moved CROSS JOIN LATERAL (VALUES
        (CASE direction WHEN 'pay' THEN account ELSE {Account.BANK:d} END,
         CASE direction WHEN 'pay' THEN {Account.BANK:d} ELSE account END, amount_fen - fee_fen, pending_id),
        (account, {Account.SETTLEMENT_FEE_INCOME:d}, fee_fen, fee_pending_id)
    ) AS leg (debit, credit, fen, pending_id) WHERE leg.fen > 0
"""  # noqa: S608 - our own text

_APPROVE = f"""
WITH moved AS (
    UPDATE remittance SET state = 'approved', approved_by = $3, moved_at = $2,
        pending_id = nextval('transfer_id_seq'),
        fee_pending_id = CASE WHEN fee_fen > 0 THEN nextval('transfer_id_seq') END
    WHERE number = $1 AND state = 'proposed' AND lower(proposed_by) <> lower($3) RETURNING *
), reserved AS (
    INSERT INTO transfer (id, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    OVERRIDING SYSTEM VALUE SELECT pending_id, number, 'pending', debit, credit, fen, 'remitted', $2, $4
    FROM ({_LEGS}) AS legs
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $2, $3, 'approve remittance', number, 'proposed by ' || proposed_by FROM moved
)
SELECT {_COLUMNS} FROM moved
"""  # noqa: S608 - our own text

_RESOLVE = f"""
WITH moved AS (
    UPDATE remittance SET {{sets}}, moved_at = $2 WHERE number = $1 AND state IN ({{states}}) RETURNING *
), resolved AS (
    INSERT INTO transfer (order_no, kind, pending_id, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT number, '{{kind}}', pending_id, debit, credit, fen, 'remitted', $2, $4 FROM ({_LEGS}) AS legs
    WHERE pending_id IS NOT NULL
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $2, $3, '{{action}}', number, bank_reference FROM moved
)
SELECT {_COLUMNS} FROM moved
"""  # noqa: S608 - our own text

_PAID = _RESOLVE.format(sets="state = 'paid', bank_reference = $5", states="'approved'", kind="post", action="remitted")
_WITHDRAW = _RESOLVE.format(
    sets="state = 'withdrawn'", states="'proposed', 'approved'", kind="void", action="withdraw remittance"
)


def _remittance(row: asyncpg.Record | None) -> Remittance | None:
    return Remittance(**dict(row) | {"state": RemittanceState(row["state"])}) if row else None


# --- looking ----------------------------------------------------------------------------------------------------------


async def owed(database: Database, through: date) -> list[Owed]:
    """What the days up to `through` left, less what was remitted or is on its way."""
    return [Owed(*row) for row in await database.read(_OWED, through)]


async def find(database: Database, number: str) -> Remittance | None:
    return _remittance(await database.read_row(f"SELECT {_COLUMNS} FROM remittance WHERE number = $1", number))  # noqa: S608


async def listed(database: Database, state: str, limit: int) -> list[Remittance]:
    """Those of a state, or all; the latest first."""
    rows = await database.read(
        f"SELECT {_COLUMNS} FROM remittance WHERE $1 IN ('', state) ORDER BY moved_at DESC, number DESC LIMIT $2",  # noqa: S608
        state,
        limit,
    )
    return [one for row in rows if (one := _remittance(row))]


# --- moving -----------------------------------------------------------------------------------------------------------


async def save_account(
    database: Database, role: str, party: str, pay_to: str, stamp: Stamp, *, fee_bp: int
) -> None:  # fmt: skip
    """Where a partner's money goes, from the next proposal on."""
    await database.execute(
        "WITH saved AS (INSERT INTO settlement_account (role, party, pay_to, fee_bp) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (role, party) DO UPDATE SET pay_to = excluded.pay_to, fee_bp = excluded.fee_bp)"
        " INSERT INTO audit (at, actor, action, subject, detail)"
        " VALUES ($5, $6, 'save settlement account', $1 || ' ' || $2, $3 || ' ' || $4::int)",
        role, party, pay_to, fee_bp, stamp.at, stamp.actor,
    )  # fmt: skip


async def propose(database: Database, one: Owed, through: date, most_fen: int, stamp: Stamp) -> Remittance | None:
    """A remittance of what is owed, at most `most_fen`; None where nothing is, or one is under way."""
    try:
        row = await database.fetchrow(
            _PROPOSE, through, one.role, one.party, one.account, most_fen, stamp.at, stamp.actor
        )
    except asyncpg.UniqueViolationError:
        return None
    return _remittance(row)


async def approve(database: Database, number: str, stamp: Stamp) -> Remittance | None:
    """Reserve it; None where it is not proposed, or by this very person."""
    return _remittance(await database.fetchrow(_APPROVE, number, stamp.at, stamp.actor, stamp.day))


async def paid(database: Database, number: str, bank_reference: str, stamp: Stamp) -> Remittance | None:
    """Post it; None where it is not approved, or the reference is another one's."""
    try:
        row = await database.fetchrow(_PAID, number, stamp.at, stamp.actor, stamp.day, bank_reference)
    except asyncpg.UniqueViolationError:
        return None
    return _remittance(row)


async def withdraw(database: Database, number: str, stamp: Stamp) -> Remittance | None:
    """Give up what was reserved; None where it is at its end."""
    return _remittance(await database.fetchrow(_WITHDRAW, number, stamp.at, stamp.actor, stamp.day))
