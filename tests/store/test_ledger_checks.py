"""The proof of the books finds each kind of damage: every check is shown a database in which it must speak."""

from datetime import datetime, timedelta

import pytest

from tongka.days import ZONE
from tongka.ledger import Account, AccountKind, Posting, TransferKind
from tongka.store.days import add_up, shut
from tongka.store.ledger import open_account, post
from tongka.store.ledger_checks import FINDINGS_MAX, LEDGER_CHECKS, check
from tongka.store.stamp import Stamp

NOON = datetime(2025, 6, 2, 12, 0, tzinfo=ZONE)
DAY = NOON.date()
CARD = "3104870012345678901"
PREPAID = 1_000_001

DROP_RULES = "".join(
    f"ALTER TABLE transfer DROP CONSTRAINT {name};"
    for name in ("amount_out_of_range", "accounts_must_be_different", "kind_unknown", "reason_must_not_be_empty")
)
ROW = """INSERT INTO transfer
(card_no, order_no, kind, pending_id, debit, credit, amount_fen, reason, posted_at, business_date)"""
VOID_TOO = f"""DROP INDEX pending_already_resolved; {ROW}
SELECT card_no, order_no, 'void', pending_id, debit, credit, amount_fen, reason, posted_at, business_date
FROM transfer WHERE kind = 'post'"""
REFUND_TOO = f"""{ROW} SELECT card_no, order_no, 'single', NULL, 2, 4, 1, 'refund', posted_at, business_date
FROM transfer WHERE kind = 'post'"""

DAMAGE = {
    "guards_in_place": [
        "ALTER TABLE transfer DISABLE TRIGGER transfer_append_only",
        "ALTER TABLE transfer DROP CONSTRAINT amount_out_of_range",
        "ALTER TABLE account DROP CONSTRAINT balance_would_be_negative",
        "DROP INDEX pending_already_resolved",
    ],
    "well_formed": [
        f"{DROP_RULES} UPDATE transfer SET amount_fen = 0 WHERE kind = 'single'",
        f"{DROP_RULES} UPDATE transfer SET debit = credit WHERE kind = 'single'",
        f"{DROP_RULES} UPDATE transfer SET kind = 'other' WHERE kind = 'single'",
        f"{DROP_RULES} UPDATE transfer SET reason = '' WHERE kind = 'single'",
    ],
    "accounts_exist": ["UPDATE transfer SET credit = 5000 WHERE kind = 'single'"],
    "resolved_once": [VOID_TOO],
    "resolved_alike": [
        "UPDATE transfer SET amount_fen = 999 WHERE kind = 'post'",
        "UPDATE transfer SET credit = 5 WHERE kind = 'post'",
        "UPDATE transfer SET order_no = 'o9' WHERE kind = 'pending'",
        "DELETE FROM transfer WHERE kind = 'pending'",
        "UPDATE transfer SET kind = 'single' WHERE kind = 'pending'",
    ],
    "guarded_balances": [
        "UPDATE account SET balance_fen = balance_fen + 1 WHERE id = 1000001",
        "UPDATE transfer SET amount_fen = amount_fen - 1 WHERE credit = 1000001",
        "DELETE FROM transfer WHERE credit = 1000001",
    ],
    "orders_covered": [
        "DELETE FROM transfer WHERE order_no = 'o1' AND credit = 2",
        REFUND_TOO,
    ],
    "roll_ups": [
        "UPDATE account_rollup SET debit_fen = debit_fen + 1 WHERE account = 9",
        "DELETE FROM account_rollup WHERE account = 2",
        "INSERT INTO account_rollup VALUES (5, '2025-06-01', 1, 1, 1, 0)",
        "DELETE FROM transfer WHERE order_no = 'o1' AND credit = 2",
    ],
    "balanced": [
        "UPDATE account_rollup SET debit_fen = debit_fen + 1 WHERE account = 9",
        "DELETE FROM account WHERE id = 9",
    ],
}


@pytest.fixture
async def books(database):
    """A day with a paid, authorised and confirmed order and a prepaid account, rolled up; and the start of the next."""
    await open_account(database, PREPAID, "prepaid shop 1", AccountKind.LIABILITY)
    order = {"card_no": CARD, "order_no": "o1"}
    paid = Posting(Account.RECEIVABLE_ALIPAY, Account.ORDERS_IN_HAND, 1000, "create", **order)
    charged = Posting(Account.ORDERS_IN_HAND, Account.CARD_FLOAT, 1000, "charge", TransferKind.PENDING, **order)
    bought = Posting(Account.BANK, PREPAID, 5000, "supply")
    _, number, _ = await post(database, [paid, charged, bought], NOON, DAY)
    confirmed = Posting(
        Account.ORDERS_IN_HAND, Account.CARD_FLOAT, 1000, "confirm", TransferKind.POST, pending_id=number, **order
    )
    await post(database, [confirmed], NOON, DAY)
    await shut(database, DAY, Stamp(NOON, DAY, "test"))
    await add_up(database, DAY, Stamp(NOON, DAY, "test"))
    await post(database, [bought], NOON, DAY + timedelta(days=1))
    return database


async def damage(database, sql):
    """Do it as somebody would who owns the database: with triggers asleep."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(sql)


async def test_sound_books_have_no_findings(books):
    assert await check(books, LEDGER_CHECKS) == []


def test_every_check_is_shown_its_damage():
    assert set(DAMAGE) == {one.name for one in LEDGER_CHECKS}


@pytest.mark.parametrize(("name", "sql"), [(name, sql) for name, many in DAMAGE.items() for sql in many])
async def test_damage_is_found(books, name, sql):
    await damage(books, sql)
    assert name in {finding.check for finding in await check(books, LEDGER_CHECKS)}


async def test_a_balance_changed_together_with_its_guard_is_found(books):
    await damage(books, "ALTER TABLE account DROP CONSTRAINT balance_would_be_negative")
    await damage(books, "UPDATE account SET balance_fen = -1 WHERE id = 1000001")
    assert {finding.check for finding in await check(books, LEDGER_CHECKS)} == {"guards_in_place", "guarded_balances"}


async def test_findings_name_the_row_and_are_bounded(books):
    await damage(books, "ALTER TABLE transfer DROP CONSTRAINT reason_must_not_be_empty")
    rows = FINDINGS_MAX + 20
    await damage(
        books, f"{ROW} SELECT '', '', 'single', NULL, 1, 2, 1, '', now(), '2025-06-03' FROM generate_series(1, {rows})"
    )
    found = [finding for finding in await check(books, LEDGER_CHECKS) if finding.check == "well_formed"]
    assert len(found) == FINDINGS_MAX
    assert "debit=1, credit=2, amount_fen=1" in found[0].row


async def test_each_check_is_announced_before_it_runs(books):
    told = []
    await check(books, LEDGER_CHECKS, on_check=lambda one: told.append(one.name))
    assert told == [one.name for one in LEDGER_CHECKS]
