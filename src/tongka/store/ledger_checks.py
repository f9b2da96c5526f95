"""The proof of the books from scratch: queries that answer offending rows, and nothing when all is well.

They read one snapshot and use no figure that anybody keeps but to compare it. Findings are values: one bad row never
hides another. Those of days, orders, cards, payouts, rides and prepaid cards against transfers stand beside this in
files of their own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tongka.store.card_checks import CARD_CHECKS
from tongka.store.check import Check
from tongka.store.day_checks import DAY_CHECKS
from tongka.store.db import Database
from tongka.store.ledger import LAST_ADDED_UP, LEGS
from tongka.store.order_checks import ORDER_CHECKS
from tongka.store.payout_checks import PAYOUT_CHECKS
from tongka.store.prepaid_checks import PREPAID_CHECKS
from tongka.store.remittance_checks import REMITTANCE_CHECKS
from tongka.store.ride_checks import RIDE_CHECKS

FINDINGS_MAX = 100
"""Of one check; a broken rule seldom breaks once, and people read the first few."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One offending row, as `column=value` pairs."""

    check: str
    sentence: str
    row: str


_GUARDED_DELTAS = """
    SELECT leg.account, sum(leg.delta) AS delta
    FROM transfer t CROSS JOIN LATERAL (VALUES
        (t.debit, CASE WHEN t.kind IN ('single', 'pending') THEN -t.amount_fen
                       WHEN t.kind = 'void' THEN t.amount_fen END),
        (t.credit, CASE WHEN t.kind IN ('single', 'post') THEN t.amount_fen END)
    ) AS leg (account, delta)
    WHERE leg.account >= 1000000 GROUP BY leg.account
"""

LEDGER_CHECKS = (
    Check(
        "guards_in_place",
        "every trigger and constraint that keeps the books is there and enabled",
        """
        SELECT expected.name FROM (VALUES
            ('transfer_resolves'), ('transfer_guarded'), ('transfer_append_only'), ('transfer_pkey'),
            ('pending_already_resolved'), ('kind_unknown'), ('pending_id_belongs_to_post_and_void'),
            ('accounts_must_be_different'), ('amount_out_of_range'), ('reason_must_not_be_empty'),
            ('account_not_found'), ('balance_would_be_negative'), ('only_guarded_accounts_keep_a_balance')
        ) AS expected (name)
        WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = expected.name AND tgenabled IN ('O', 'A')
                          AND tgrelid = 'transfer'::regclass)
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = expected.name AND convalidated
                          AND conrelid IN ('transfer'::regclass, 'account'::regclass))
          AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                          WHERE c.relname = expected.name AND i.indisunique AND i.indisvalid
                          AND i.indrelid = 'transfer'::regclass)
        """,
    ),
    Check(
        "well_formed",
        "every transfer moves an amount in range between two different accounts, for a reason",
        """
        SELECT card_no, id, kind, debit, credit, amount_fen FROM transfer
        WHERE debit = credit OR amount_fen NOT BETWEEN 1 AND 4294967295 OR reason = ''
           OR kind NOT IN ('single', 'pending', 'post', 'void')
           OR (kind IN ('post', 'void')) <> (pending_id IS NOT NULL)
        """,
    ),
    Check(
        "accounts_exist",
        "every transfer is between accounts of the books",
        """
        SELECT t.card_no, t.id, t.debit, t.credit FROM transfer t
        WHERE NOT EXISTS (SELECT FROM account WHERE id = t.debit)
           OR NOT EXISTS (SELECT FROM account WHERE id = t.credit)
        """,
    ),
    Check(
        "resolved_once",
        "a pending transfer is posted or voided at most once",
        """
        SELECT card_no, pending_id, count(*) AS times FROM transfer
        WHERE pending_id IS NOT NULL GROUP BY card_no, pending_id HAVING count(*) > 1
        """,
    ),
    Check(
        "resolved_alike",
        "a post or void has the accounts, amount and order of a pending transfer of the same card",
        """
        SELECT r.card_no, r.id, r.kind, r.pending_id FROM transfer r
        LEFT JOIN transfer p ON p.card_no = r.card_no AND p.id = r.pending_id AND p.kind = 'pending'
        WHERE r.pending_id IS NOT NULL AND (p.id IS NULL
            OR (p.debit, p.credit, p.amount_fen, p.order_no) <> (r.debit, r.credit, r.amount_fen, r.order_no))
        """,
    ),
    Check(
        "guarded_balances",
        "the balance of a guarded account is the sum of its transfers, and not below zero",
        f"""
        SELECT a.id AS account, a.balance_fen, coalesce(d.delta, 0) AS transfers_fen FROM account a
        LEFT JOIN ({_GUARDED_DELTAS}) AS d ON d.account = a.id
        WHERE a.balance_fen <> coalesce(d.delta, 0) OR a.balance_fen < 0
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "orders_covered",
        "no order loads or refunds more than was paid for it",
        """
        SELECT card_no, order_no, sum(delta) AS in_hand_fen FROM (
            SELECT card_no, order_no, CASE
                WHEN credit = 2 AND kind IN ('single', 'post') THEN amount_fen
                WHEN debit = 2 AND kind IN ('single', 'pending') THEN -amount_fen
                WHEN debit = 2 AND kind = 'void' THEN amount_fen END AS delta
            FROM transfer WHERE 2 IN (debit, credit) AND order_no <> ''
        ) AS moves GROUP BY card_no, order_no HAVING sum(delta) < 0
        """,
    ),
    Check(
        "roll_ups",
        "the roll-ups of closed days are the sums of their transfers",
        f"""
        SELECT coalesce(r.account, s.account) AS account, coalesce(r.business_date, s.business_date) AS business_date,
               r.debit_fen, s.debit_fen AS transfers_debit_fen, r.credit_fen, s.credit_fen AS transfers_credit_fen
        FROM (SELECT * FROM account_rollup WHERE business_date <= {LAST_ADDED_UP}) AS r
        FULL JOIN (SELECT account, business_date, sum(debit_fen) AS debit_fen, sum(credit_fen) AS credit_fen
                   FROM ({LEGS} AND t.business_date <= {LAST_ADDED_UP}) AS legs GROUP BY account, business_date) AS s
            ON (s.account, s.business_date) = (r.account, r.business_date)
        WHERE (r.debit_fen, r.credit_fen) IS DISTINCT FROM (s.debit_fen, s.credit_fen)
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "balanced",
        "the balances of all accounts of the books together are zero",
        f"""
        SELECT sum(delta) AS total_fen FROM (
            SELECT debit_fen - credit_fen AS delta FROM account_rollup WHERE business_date <= {LAST_ADDED_UP}
            UNION ALL
            SELECT debit_fen - credit_fen FROM ({LEGS} AND t.business_date > {LAST_ADDED_UP}) AS legs
            JOIN account ON account.id = legs.account
        ) AS deltas HAVING sum(delta) <> 0
        """,  # noqa: S608 - our own constants
    ),
)
"""Of the books alone, in an order in which the first finding is the nearest to the cause."""

CHECKS = (
    *LEDGER_CHECKS,
    *DAY_CHECKS,
    *REMITTANCE_CHECKS,
    *ORDER_CHECKS,
    *CARD_CHECKS,
    *PAYOUT_CHECKS,
    *RIDE_CHECKS,
    *PREPAID_CHECKS,
)


async def check(
    database: Database, checks: Sequence[Check] = CHECKS, on_check: Callable[[Check], None] = lambda _: None
) -> list[Finding]:
    """Run checks over one snapshot; `on_check` is told each one before it runs. No findings: the books are right."""
    findings = []
    async with database.transaction(unhurried=True, snapshot=True) as connection:
        for one in checks:
            on_check(one)
            rows = await connection.fetch(f"{one.sql} LIMIT {FINDINGS_MAX}")
            findings += [
                Finding(one.name, one.sentence, ", ".join(f"{name}={value}" for name, value in row.items()))
                for row in rows
            ]
    return findings
