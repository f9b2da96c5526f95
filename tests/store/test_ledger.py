"""The books in PostgreSQL: what they refuse, what they add up to, and who wins a race."""

import asyncio
from datetime import date, datetime, timedelta

import asyncpg
import pytest

from tongka.days import ZONE
from tongka.errors import LedgerRefused
from tongka.ledger import CHART, REFUSALS, Account, AccountKind, Posting, TransferKind
from tongka.store.day_checks import DAY_CHECKS
from tongka.store.days import add_up, shut
from tongka.store.ledger import balance, balances, card_balance, open_account, post, statement
from tongka.store.ledger_checks import LEDGER_CHECKS, check
from tongka.store.stamp import Stamp

NOON = datetime(2025, 6, 2, 12, 0, tzinfo=ZONE)
DAY = NOON.date()
CARD = "3104870012345678901"
PREPAID = 1_000_001
IN_HAND, FLOAT, PAID = Account.ORDERS_IN_HAND, Account.CARD_FLOAT, Account.RECEIVABLE_ALIPAY


async def put(database, debit, credit, amount, kind=TransferKind.SINGLE, pending_id=None, day=DAY, **more):
    posting = Posting(debit, credit, amount, "test", kind, pending_id=pending_id, **more)
    (number,) = await post(database, [posting], NOON, day)
    return number


async def reserve(database, amount=1000, debit=IN_HAND, credit=FLOAT):
    return await put(database, debit, credit, amount, TransferKind.PENDING, card_no=CARD, order_no="o1")


async def resolve(database, number, kind, amount=1000, debit=IN_HAND, credit=FLOAT, **other):
    contents = {"card_no": CARD, "order_no": "o1"} | other
    return await put(database, debit, credit, amount, kind, number, **contents)


@pytest.fixture
async def prepaid(database):
    """A prepaid account that holds 1,000 fen."""
    await open_account(database, PREPAID, "prepaid shop 1", AccountKind.LIABILITY)
    await put(database, Account.BANK, PREPAID, 1000)
    return database


async def test_the_chart_and_the_database_agree(database):
    rows = await database.read("SELECT id, name, kind, note FROM account")
    assert {tuple(row) for row in rows} == {
        (number.value, number.name.lower(), kind.value, note) for number, (kind, note) in CHART.items()
    }


@pytest.mark.parametrize("account", [0, 14, 100, 107, 999, -1])
async def test_the_database_knows_the_numbers_of_the_chart(database, account):
    assert account not in CHART
    with pytest.raises(LedgerRefused, match="account_not_found"):
        await insert(database, credit=account)


async def test_every_refusal_is_a_rule_of_the_database(database):
    constraints = await database.read(
        "SELECT conname AS name FROM pg_constraint UNION SELECT relname FROM pg_class WHERE relkind = 'i'"
    )
    functions = await database.read_value(
        "SELECT string_agg(prosrc, ' ') FROM pg_proc WHERE proname LIKE 'transfer_%' OR proname = 'closed_day_stays'"
    )
    names = {row["name"] for row in constraints}
    assert [name for name in REFUSALS if name not in names and f"'{name}'" not in functions] == []


async def insert(database, **changed):
    """Insert a row past all rules but the database's own."""
    row = {
        "card_no": CARD, "order_no": "", "kind": "single", "pending_id": None, "debit": 1, "credit": 2,
        "amount_fen": 5, "reason": "test", "posted_at": NOON, "business_date": DAY,
    } | changed  # fmt: skip
    places = ", ".join(f"${number + 1}" for number in range(len(row)))
    await database.execute(f"INSERT INTO transfer ({', '.join(row)}) VALUES ({places})", *row.values())


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("accounts_must_be_different", {"credit": 1}),
        ("amount_out_of_range", {"amount_fen": 0}),
        ("amount_out_of_range", {"amount_fen": -5}),
        ("amount_out_of_range", {"amount_fen": 1 << 32}),
        ("reason_must_not_be_empty", {"reason": ""}),
        ("kind_unknown", {"kind": "maybe"}),
        ("pending_id_belongs_to_post_and_void", {"kind": "post"}),
        ("pending_id_belongs_to_post_and_void", {"kind": "void"}),
        ("pending_not_found", {"kind": "post", "pending_id": 77}),
        ("account_not_found", {"credit": 1_999_999}),
    ],
)
async def test_the_database_itself_refuses_a_malformed_row(database, reason, changed):
    with pytest.raises(LedgerRefused) as caught:
        await insert(database, **changed)
    assert caught.value.reason == reason
    assert await database.read_value("SELECT count(*) FROM transfer") == 0


@pytest.mark.parametrize("missing", ["amount_fen", "debit", "credit", "posted_at", "business_date", "card_no"])
async def test_no_column_may_be_missing(database, missing):
    with pytest.raises(asyncpg.NotNullViolationError):
        await insert(database, **{missing: None})


async def test_a_pending_transfer_moves_nothing_until_it_is_posted(database):
    number = await reserve(database)
    assert (await card_balance(database, CARD), (await balance(database, FLOAT)).balance_fen) == (0, 0)
    await resolve(database, number, TransferKind.POST)
    assert (await card_balance(database, CARD), (await balance(database, FLOAT)).balance_fen) == (1000, 1000)


async def test_a_voided_transfer_moves_nothing(database):
    await resolve(database, await reserve(database), TransferKind.VOID)
    assert all(account.balance_fen == 0 for account in await balances(database))


@pytest.mark.parametrize("first", [TransferKind.POST, TransferKind.VOID])
@pytest.mark.parametrize("second", [TransferKind.POST, TransferKind.VOID])
async def test_a_pending_transfer_is_resolved_once(database, first, second):
    number = await reserve(database)
    await resolve(database, number, first)
    with pytest.raises(LedgerRefused, match="pending_already_resolved"):
        await resolve(database, number, second)


@pytest.mark.parametrize(
    "other", [{"amount": 999}, {"debit": Account.SUSPENSE}, {"credit": Account.SUSPENSE}, {"order_no": "o2"}]
)
async def test_a_post_has_the_contents_of_its_pending_transfer(database, other):
    number = await reserve(database)
    with pytest.raises(LedgerRefused, match="pending_has_other_contents"):
        await resolve(database, number, TransferKind.POST, **other)


async def test_a_post_resolves_pending_transfers_of_its_own_card_only(database):
    number = await reserve(database)
    with pytest.raises(LedgerRefused, match="pending_not_found"):
        await resolve(database, number, TransferKind.POST, card_no="3104870099999999999")
    single = await put(database, IN_HAND, FLOAT, 1000, card_no=CARD, order_no="o1")
    with pytest.raises(LedgerRefused, match="pending_not_found"):
        await resolve(database, single, TransferKind.POST)


@pytest.mark.parametrize("sql", ["UPDATE transfer SET amount_fen = 1", "DELETE FROM transfer", "TRUNCATE transfer"])
async def test_the_ledger_is_append_only(database, sql):
    await put(database, PAID, IN_HAND, 1000)
    with pytest.raises(LedgerRefused, match="transfers_are_append_only"):
        await database.execute(sql)


async def test_transfers_of_unguarded_accounts_fire_no_row_trigger(database):
    plan = await database.read(
        "EXPLAIN (ANALYZE, FORMAT TEXT) INSERT INTO transfer (kind, debit, credit, amount_fen, reason, posted_at,"
        " business_date) VALUES ('pending', 2, 1, 5, 'test', now(), current_date)"
    )
    assert "Trigger" not in "\n".join(row[0] for row in plan)


async def test_postings_are_all_or_none(database):
    good = Posting(PAID, IN_HAND, 1000, "test")
    bad = Posting(IN_HAND, 1_999_999, 1000, "test")
    with pytest.raises(LedgerRefused, match="account_not_found"):
        await post(database, [good, bad], NOON, DAY)
    assert await database.read_value("SELECT count(*) FROM transfer") == 0


# --- guarded accounts -------------------------------------------------------------------------------------------------


async def available(database, account=PREPAID):
    return (await balance(database, account)).available_fen


async def test_a_reservation_lowers_what_is_available_at_once(prepaid):
    number = await reserve(prepaid, 400, PREPAID, IN_HAND)
    assert (await available(prepaid), (await balance(prepaid, PREPAID)).balance_fen) == (600, 1000)
    await resolve(prepaid, number, TransferKind.POST, 400, PREPAID, IN_HAND)
    assert (await available(prepaid), (await balance(prepaid, PREPAID)).balance_fen) == (600, 600)


async def test_a_voided_reservation_is_available_again(prepaid):
    number = await reserve(prepaid, 400, PREPAID, IN_HAND)
    await resolve(prepaid, number, TransferKind.VOID, 400, PREPAID, IN_HAND)
    assert await available(prepaid) == 1000


async def test_a_pending_credit_is_not_yet_available(prepaid):
    number = await reserve(prepaid, 400, Account.BANK, PREPAID)
    assert await available(prepaid) == 1000
    await resolve(prepaid, number, TransferKind.POST, 400, Account.BANK, PREPAID)
    assert await available(prepaid) == 1400


@pytest.mark.parametrize("kind", [TransferKind.SINGLE, TransferKind.PENDING])
async def test_a_guarded_account_never_goes_below_zero(prepaid, kind):
    with pytest.raises(LedgerRefused, match="balance_would_be_negative"):
        await put(prepaid, PREPAID, IN_HAND, 1001, kind)
    assert await available(prepaid) == 1000


async def test_value_moves_between_guarded_accounts(prepaid):
    await open_account(prepaid, PREPAID + 1, "prepaid shop 2", AccountKind.LIABILITY)
    await put(prepaid, PREPAID, PREPAID + 1, 300)
    await put(prepaid, PREPAID + 1, PREPAID, 100)
    assert (await available(prepaid), await available(prepaid, PREPAID + 1)) == (800, 200)


async def test_of_twenty_draws_of_the_last_fen_one_wins(prepaid):
    await put(prepaid, PREPAID, IN_HAND, 999)
    draws = (put(prepaid, PREPAID, IN_HAND, 1) for _ in range(20))
    outcomes = await asyncio.gather(*draws, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, LedgerRefused)]
    assert {one.reason for one in refused} == {"balance_would_be_negative"}
    assert (len(refused), await available(prepaid)) == (19, 0)


async def test_of_twenty_resolutions_of_one_pending_transfer_one_wins(database):
    await put(database, PAID, IN_HAND, 1000, card_no=CARD, order_no="o1")
    number = await reserve(database)
    kinds = [TransferKind.POST, TransferKind.VOID] * 10
    outcomes = await asyncio.gather(*(resolve(database, number, kind) for kind in kinds), return_exceptions=True)
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert await check(database, LEDGER_CHECKS) == []


async def test_opposite_transfers_at_once_do_not_deadlock(prepaid):
    await open_account(prepaid, PREPAID + 1, "prepaid shop 2", AccountKind.LIABILITY)
    await put(prepaid, Account.BANK, PREPAID + 1, 1000)
    pairs = [(PREPAID, PREPAID + 1), (PREPAID + 1, PREPAID)] * 20
    await asyncio.gather(*(put(prepaid, debit, credit, 10) for debit, credit in pairs))
    assert (await available(prepaid), await available(prepaid, PREPAID + 1)) == (1000, 1000)


@pytest.mark.parametrize(
    ("number", "kind"), [(5, AccountKind.ASSET), (999, AccountKind.LIABILITY), (PREPAID, AccountKind.ASSET)]
)
async def test_accounts_outside_their_ranges_are_not_opened(database, number, kind):
    with pytest.raises(LedgerRefused, match="cannot be opened"):
        await open_account(database, number, "x", kind)


async def test_opening_an_account_again_is_harmless_and_another_one_is_refused(prepaid):
    await open_account(prepaid, PREPAID, "prepaid shop 1", AccountKind.LIABILITY)
    with pytest.raises(LedgerRefused, match="another account"):
        await open_account(prepaid, PREPAID, "prepaid shop 2", AccountKind.LIABILITY)
    with pytest.raises(LedgerRefused, match="another account"):
        await open_account(prepaid, PREPAID + 1, "prepaid shop 1", AccountKind.LIABILITY)


# --- days -------------------------------------------------------------------------------------------------------------


async def three_days(database):
    for offset in range(3):
        await put(database, PAID, IN_HAND, 100 * (offset + 1), day=DAY + timedelta(days=offset))


async def close(database, day):
    await shut(database, day, Stamp(NOON, day, "test"))
    await add_up(database, day, Stamp(NOON, day, "test"))


async def test_balances_are_the_same_whatever_is_closed(database):
    await three_days(database)
    before = await balances(database)
    for offset in (0, 0, 1, 0, 2):
        await close(database, DAY + timedelta(days=offset))
        assert await balances(database) == before
    assert (await balance(database, PAID)).balance_fen == 600
    assert await check(database, (*LEDGER_CHECKS, *DAY_CHECKS)) == []


async def test_balances_are_right_while_a_day_is_shut_and_not_added_up(database):
    await three_days(database)
    before = await balances(database)
    await shut(database, DAY, Stamp(NOON, DAY, "test"))
    assert await balances(database) == before
    assert await check(database, (*LEDGER_CHECKS, *DAY_CHECKS)) == []


async def test_a_statement_shows_the_days_asked_for_from_this_account_s_side(database):
    await three_days(database)
    lines = await statement(database, IN_HAND, DAY + timedelta(days=1), DAY + timedelta(days=2))
    assert [(line.other, line.debit_fen, line.credit_fen) for line in lines] == [(PAID, 0, 200), (PAID, 0, 300)]
    assert await statement(database, IN_HAND, date(2024, 1, 1), date(2024, 12, 31)) == []
