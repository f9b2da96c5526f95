"""What closed days leave owed, on its way over the bank: by two people, once, never more than is owed."""

import asyncio
from datetime import date, timedelta

import asyncpg
import pytest

from raw_front import CREATE, Front, an_order
from tongka.errors import Malformed
from tongka.journeys import day as closing
from tongka.journeys import remittance as journey
from tongka.journeys.reconcile import compare_list, resolve
from tongka.journeys.remittance import RemittanceRefused
from tongka.ledger import Account, Posting
from tongka.reconcile import Line, to_csv, total_fen
from tongka.store import day_figures, ledger, remittances, settlement_lists
from tongka.store.days import DayRefused
from tongka.store.ledger_checks import check
from tongka.store.stamp import Stamp

FIRST = date(2026, 3, 2)
INSTITUTION = ("institution", "90000001")
SELLER = ("merchant", "transit@huzhou.example")


def by(world, name):
    return Stamp(world.now[0], world.system.day(world.now[0]), name)


async def ride(world, number, amount_fen):
    """A settled ride, as the open gateway's statement leaves it."""
    database = world.database
    await database.execute(
        "INSERT INTO ride_trade (app_id, out_trade_no, trade_no, digest, state, user_id, amount_fen, debt_fen,"
        " ordered_at, subject, context, seller, first_at, moved_at)"
        " VALUES ('app1', $1, 'T' || $1, '', 'settled', '2088000000000001', $2, $2, $3, '', '', $4, $3, $3)",
        number, amount_fen, world.now[0], SELLER[1],
    )  # fmt: skip
    posting = Posting(
        Account.RIDERS_DEBT, Account.MERCHANTS_PAYABLE, amount_fen, "ride", card_no="2088000000000001",
        order_no=f"T{number}",
    )  # fmt: skip
    await ledger.post(database, [posting], world.now[0], world.system.day(world.now[0]))


@pytest.fixture
async def closed(world):
    """A day with a top-up of 10 yuan and two rides of 4 and 5 yuan, closed."""
    card = await world.card()
    answer = await Front(world).ask(CREATE, an_order(card))
    assert answer["result"] == "000000"
    await ride(world, "n1", 400)
    await ride(world, "n2", 500)
    world.pass_time(days=1)
    assert await closing.close_due(world.system) == [FIRST]
    return world


async def books(world):
    """What concerns days and remittances; the rides here have no riders behind them."""
    names = ("day", "figures", "lists", "balance", "carried", "remittances", "roll_ups", "resolved", "guards")
    assert [one for one in await check(world.database) if one.check.startswith(names)] == []


async def proposed(world, name="li", **more):
    await journey.save_account(world.database, *SELLER, "ICBC 6222", by(world, "li"), fee_bp=60)
    found = await journey.propose(world.database, FIRST, by(world, name), **more)
    return {one.party: one for one in found.made}


async def balance(world, account):
    return (await ledger.balance(world.database, account)).balance_fen


async def test_the_whole_way_of_a_payout_and_of_money_that_comes_in(closed):
    made = await proposed(closed)
    out, back = made[SELLER[1]], made[INSTITUTION[1]]
    assert (out.direction, out.amount_fen, out.fee_fen, out.pay_to) == ("pay", 900, 5, "ICBC 6222")
    assert (back.direction, back.amount_fen, back.fee_fen) == ("receive", 1_000, 0)
    for one, reference in ((out, "BANK-1"), (back, "BANK-2")):
        await journey.approve(closed.database, one.number, by(closed, "wang"))
        await books(closed)
        await journey.paid(closed.database, one.number, reference, by(closed, "li"))
        await books(closed)
    assert await balance(closed, Account.MERCHANTS_PAYABLE) == 0
    assert await balance(closed, Account.RECEIVABLE_UNIONPAY) == 0
    assert await balance(closed, Account.BANK) == 1_000 - 895
    assert await balance(closed, Account.SETTLEMENT_FEE_INCOME) == 5
    assert await remittances.owed(closed.database, FIRST) == []
    closed.pass_time(days=1)
    await closing.close_due(closed.system)
    told = [(one.kind, one.amount_fen) for one in await day_figures.figures(closed.database, FIRST + timedelta(days=1))]
    assert told == [("remitted", -1_000), ("remitted", 900)]
    assert await remittances.owed(closed.database, FIRST + timedelta(days=1)) == []
    await books(closed)


async def test_each_step_again_changes_nothing(closed):
    out = (await proposed(closed))[SELLER[1]]
    again = await journey.propose(closed.database, FIRST, by(closed, "zhao"))
    assert (again.made, len(again.left)) == ([], 2)
    for _ in range(2):
        await journey.approve(closed.database, out.number, by(closed, "wang"))
    for _ in range(2):
        done = await journey.paid(closed.database, out.number, "BANK-1", by(closed, "li"))
    assert done.state == "paid"
    assert await closed.database.read_value("SELECT count(*) FROM transfer WHERE reason = 'remitted'") == 4
    await books(closed)


async def test_who_proposed_does_not_approve_and_nothing_is_paid_unapproved(closed):
    out = (await proposed(closed))[SELLER[1]]
    for name in ("li", "LI"):
        with pytest.raises(RemittanceRefused, match="another person"):
            await journey.approve(closed.database, out.number, by(closed, name))
        assert await remittances.approve(closed.database, out.number, by(closed, name)) is None
    with pytest.raises(RemittanceRefused, match="is proposed"):
        await journey.paid(closed.database, out.number, "BANK-1", by(closed, "wang"))
    with pytest.raises(asyncpg.CheckViolationError):
        await closed.database.execute("UPDATE remittance SET approved_by = 'Li'")
    assert await balance(closed, Account.MERCHANTS_PAYABLE) == 900


async def test_a_reference_of_the_bank_ends_one_remittance(closed):
    out, back = (await proposed(closed)).values()
    for one in (out, back):
        await journey.approve(closed.database, one.number, by(closed, "wang"))
    await journey.paid(closed.database, out.number, "BANK-1", by(closed, "li"))
    with pytest.raises(RemittanceRefused, match="reference is another"):
        await journey.paid(closed.database, back.number, "BANK-1", by(closed, "li"))
    with pytest.raises(RemittanceRefused, match="is paid"):
        await journey.paid(closed.database, out.number, "BANK-3", by(closed, "li"))
    with pytest.raises(RemittanceRefused, match="is paid"):
        await journey.withdraw(closed.database, out.number, by(closed, "li"))
    with pytest.raises(Malformed):
        await journey.paid(closed.database, back.number, "", by(closed, "li"))


async def test_what_is_withdrawn_is_owed_again(closed):
    out = (await proposed(closed))[SELLER[1]]
    await journey.approve(closed.database, out.number, by(closed, "wang"))
    for _ in range(2):
        await journey.withdraw(closed.database, out.number, by(closed, "wang"))
    await books(closed)
    again = await journey.propose(closed.database, FIRST, by(closed, "wang"), party=SELLER[1])
    assert [one.amount_fen for one in again.made] == [900]


async def test_in_parts_never_more_than_is_owed(closed):
    left = 900
    while left:
        [out] = (await proposed(closed, party=SELLER[1], most_fen=400)).values()
        assert out.amount_fen == min(400, left)
        await journey.approve(closed.database, out.number, by(closed, "wang"))
        await journey.paid(closed.database, out.number, f"BANK-{left}", by(closed, "li"))
        left -= out.amount_fen
    with pytest.raises(RemittanceRefused, match="nothing is open"):
        await proposed(closed, party=SELLER[1])
    await books(closed)


async def test_many_at_once_do_each_step_once(closed):
    await journey.save_account(closed.database, *SELLER, "ICBC 6222", by(closed, "li"))
    found = await asyncio.gather(*(journey.propose(closed.database, FIRST, by(closed, "li")) for _ in range(6)))
    made = [one for each in found for one in each.made]
    assert sorted(one.amount_fen for one in made) == [900, 1_000]
    out = next(one for one in made if one.direction == "pay")
    steps = (
        lambda: journey.approve(closed.database, out.number, by(closed, "wang")),
        lambda: journey.paid(closed.database, out.number, "BANK-1", by(closed, "li")),
    )
    for step in steps:
        await asyncio.gather(*(step() for _ in range(6)))
    assert await balance(closed, Account.MERCHANTS_PAYABLE) == 0
    await books(closed)


async def test_without_a_bank_account_or_a_closed_day_nothing_is_proposed(closed):
    found = await journey.propose(closed.database, FIRST, by(closed, "li"))
    assert [one.party for one in found.made] == [INSTITUTION[1]]
    assert [(one.party, "bank account" in why) for one, why in found.left] == [(SELLER[1], True)]
    with pytest.raises(DayRefused):
        await journey.propose(closed.database, FIRST + timedelta(days=1), by(closed, "li"))
    with pytest.raises(RemittanceRefused, match="role"):
        await journey.save_account(closed.database, "bank", "x", "y", by(closed, "li"))


@pytest.mark.parametrize("name", ["_PROPOSE", "_APPROVE", "_PAID", "_WITHDRAW"])
async def test_a_statement_that_breaks_leaves_nothing_behind(closed, monkeypatch, name):
    """Its last part divides by zero: what the parts before it did is undone."""
    out = (await proposed(closed))[SELLER[1]]
    if name in {"_PAID", "_WITHDRAW"}:
        await journey.approve(closed.database, out.number, by(closed, "wang"))
    if name == "_PROPOSE":
        await journey.withdraw(closed.database, out.number, by(closed, "wang"))
    before = await closed.database.read("SELECT * FROM remittance ORDER BY number")
    steps = {
        "_PROPOSE": lambda: journey.propose(closed.database, FIRST, by(closed, "li")),
        "_APPROVE": lambda: journey.approve(closed.database, out.number, by(closed, "wang")),
        "_PAID": lambda: journey.paid(closed.database, out.number, "BANK-1", by(closed, "li")),
        "_WITHDRAW": lambda: journey.withdraw(closed.database, out.number, by(closed, "li")),
    }
    whole = getattr(remittances, name)
    with monkeypatch.context() as patch:
        patch.setattr(remittances, name, whole.rstrip() + " WHERE 1 / (amount_fen - amount_fen) > 0")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await steps[name]()
    assert await closed.database.read("SELECT * FROM remittance ORDER BY number") == before
    await books(closed)
    await steps[name]()
    await books(closed)


# --- lists ------------------------------------------------------------------------------------------------------------


async def test_a_list_holds_what_its_partner_was_told_and_comes_to_his_accounts(closed):
    ours = await settlement_lists.lines(closed.database, FIRST, *INSTITUTION)
    [line] = ours
    assert (line.kind, line.their_no, line.amount_fen, line.account) == ("topup", "pay-r", 1_000, 102)
    rides = await settlement_lists.lines(closed.database, FIRST, *SELLER)
    assert [(one.order_no, one.their_no, one.amount_fen) for one in rides] == [("Tn1", "n1", -400), ("Tn2", "n2", -500)]
    told = {(one.role, one.party): (one.lines, one.amount_fen) for one in
            await settlement_lists.partners(closed.database, FIRST)}  # fmt: skip
    assert told == {INSTITUTION: (1, 1_000), SELLER: (2, total_fen(rides))}
    closed.pass_time(days=5)
    await closing.close_due(closed.system)
    assert to_csv(await settlement_lists.lines(closed.database, FIRST, *INSTITUTION)) == to_csv(ours)


async def test_a_partner_s_list_is_compared_and_its_differences_are_kept(closed):
    ours: list[Line] = await settlement_lists.lines(closed.database, FIRST, *SELLER)
    stamp = by(closed, "li")
    assert (await compare_list(closed.database, to_csv(ours), stamp)).open == []
    short = to_csv(ours[:1])
    for _ in range(2):
        [missing] = (await compare_list(closed.database, short, stamp)).open
    assert (missing.what, missing.number, missing.ours_fen) == ("missing there", "Tn2", -500)
    await resolve(closed.database, missing.id, "they book it tomorrow", stamp)
    found = await compare_list(closed.database, short, stamp)
    assert (found.open, found.resolved) == ([], 1)
    with pytest.raises(Exception, match="no open difference"):
        await resolve(closed.database, missing.id, "again", stamp)


async def test_a_list_that_agrees_later_resolves_what_was_open(closed):
    ours = await settlement_lists.lines(closed.database, FIRST, *SELLER)
    await compare_list(closed.database, to_csv(ours[:1]), by(closed, "li"))
    await compare_list(closed.database, to_csv(ours), by(closed, "li"))
    [one] = await settlement_lists.differences(closed.database, every=True, limit=10)
    assert (one.resolved_by, one.note) == ("li", "a later list agrees")


async def test_the_list_of_an_open_day_is_not_compared(closed):
    ours = await settlement_lists.lines(closed.database, FIRST, *SELLER)
    later = to_csv(ours).replace(b"2026-03-02", b"2026-03-03")
    with pytest.raises(DayRefused, match="not closed"):
        await compare_list(closed.database, later, by(closed, "li"))
