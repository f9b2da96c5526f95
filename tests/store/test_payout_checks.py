"""The proof of payouts: silent over every way that one can go, and it speaks at each kind of damage."""

from datetime import timedelta

import pytest

from damage import missed
from tongka.ledger import Account
from tongka.orders import Event, Kind
from tongka.payments import OURS
from tongka.store import carrying, pay, payouts
from tongka.store.carrying import Carrying
from tongka.store.ledger_checks import check
from tongka.store.pay import PaymentRow
from tongka.store.payout_checks import PAYOUT_CHECKS
from tongka.store.payouts import PayoutRefund, PayoutState, RefundState
from tongka.store.stamp import Stamp
from zoo import AMOUNT, NOON, order

STAMP = Stamp(NOON, NOON.date(), "zoo")
TRANSFER = """INSERT INTO transfer
(card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)"""


def transfer(number: str, debit: int, credit: int, reason: str, fen: int = 1) -> str:
    row = f"'card-{number}', '{number}', 'single', {debit}, {credit}, {fen}, '{reason}', now(), '2026-03-02'"
    return f"{TRANSFER} VALUES ({row})"


def changed(number: str, what: str, table: str = "payout") -> str:
    return f"UPDATE {table} SET {what} WHERE order_no = '{number}'"


DAMAGE: dict[str, list[str]] = {
    "payouts_posted": [
        changed("done", "amount_fen = amount_fen + 1", "payout_refund"),
        changed("sending", "state = 'done'", "payout_refund"),
        changed("done", "account = 103", "payout_refund"),
        changed("hand", "by_hand_fen = by_hand_fen - 1"),
        changed("hand", "by_hand_from = 8"),
        changed("carried", "carried_fen = 0, state = 'waiting'"),
        changed("back", "back_fen = 1"),
        "DELETE FROM transfer WHERE reason = 'payout done-1'",
        "DELETE FROM payout_refund WHERE order_no = 'done'",
        transfer("done", 4, 106, "payout done-1", 400),
        transfer("carried", 4, 106, "payout carried", AMOUNT),
        transfer("owed", 4, 9, "payout by hand"),
    ],
    "payouts_whole": [
        changed("waiting", "amount_fen = amount_fen - 1"),
        changed("waiting", "state = '3'", "orders"),
        changed("waiting", "order_no = 'other'"),
        transfer("waiting", 3, 4, "deposit"),
    ],
    "payouts_ended": [
        changed("owed", "state = 'done'"),
        changed("done", "state = 'owed'"),
        changed("sending", "state = 'owed'"),
        changed("done", "amount_fen = 399"),
        changed("done", "state = 'due', decided_at = NULL", "payout_refund"),
    ],
    "refunds_within_payments": [
        "UPDATE payment SET amount_fen = 999 WHERE payment_no = 'p-done'",
        changed("sending", "payment_no = 'p-done', nth = 2", "payout_refund"),
        "UPDATE orders SET institution = 'app', payment_order = 'p-done/open' WHERE order_no = 'refunded'",
    ],
}


async def payment(database, number: str) -> None:
    row = PaymentRow(number, number, "sandbox", AMOUNT, "created", "", NOON, NOON + timedelta(minutes=15))
    await pay.begin(database, row)
    await pay.settle(database, number, "paid", "T", NOON)


async def begun(database, number: str):
    await order(database, number, Kind.RETURN, Event.WAITED, institution=OURS)
    return await payouts.by_number(database, number)


async def refunding(database, number: str, fen: int = AMOUNT) -> PayoutRefund:
    """With one refund that is due."""
    await payment(database, f"p-{number}")
    refund = PayoutRefund(f"{number}-1", f"p-{number}", "sandbox", Account.RECEIVABLE_OTHER, fen)
    found = await begun(database, number)
    assert await payouts.proceed(database, found, PayoutState.SENDING, [refund], NOON)
    return refund


@pytest.fixture
async def zoo(database):
    """A payout in every state, and one for each way to its end; and a refunded top-up."""
    await order(database, "refunded", Kind.TOPUP, Event.REFUND, Event.REFUND_YES, payment_order="p-refunded")
    await begun(database, "waiting")
    await refunding(database, "sending")
    await payouts.decide(database, await refunding(database, "done"), RefundState.DONE, STAMP)
    await payouts.proceed(database, await payouts.by_number(database, "done"), PayoutState.DONE, [], NOON)
    for number in ("owed", "hand"):
        await payouts.decide(database, await refunding(database, number, 400), RefundState.DONE, STAMP)
        await payouts.proceed(database, await payouts.by_number(database, number), PayoutState.OWED, [], NOON)
    hand = await payouts.by_number(database, "hand")
    assert await payouts.paid_by_hand(database, hand, Account.BANK, "4711", STAMP)
    for number, back_fen in (("carried", 0), ("back", 700), ("kept", 0)):
        await begun(database, number)
        one = Carrying(f"card-{number}", number, carried=False, migrates=True, refunded_fen=back_fen)
        assert await carrying.carry(database, one, STAMP)
        assert number == "carried" or await carrying.come_back(database, one, STAMP)
    return database


async def test_payouts_in_every_state_have_no_findings(zoo):
    assert await check(zoo) == []
    states = await zoo.read("SELECT DISTINCT state FROM payout")
    assert {row["state"] for row in states} == set(PayoutState)


def test_every_check_is_shown_its_damage():
    assert set(DAMAGE) == {one.name for one in PAYOUT_CHECKS}


async def test_damage_is_found(zoo):
    assert await missed(zoo, PAYOUT_CHECKS, DAMAGE) == []
    assert await check(zoo) == []


async def test_each_step_is_taken_once(zoo):
    """What another worker has read before does not move anything."""
    sending = await payouts.by_number(zoo, "sending")
    (due,) = await payouts.due(zoo, ["sandbox"], NOON, 10)
    assert await payouts.decide(zoo, due, RefundState.DONE, STAMP)
    assert not await payouts.decide(zoo, due, RefundState.DONE, STAMP)
    assert not await payouts.decide(zoo, due, RefundState.REFUSED, STAMP)
    now = await payouts.by_number(zoo, "sending")
    assert await payouts.proceed(zoo, now, PayoutState.DONE, [], NOON)
    assert not await payouts.proceed(zoo, sending, PayoutState.OWED, [], NOON)
    hand = await payouts.by_number(zoo, "hand")
    assert not await payouts.paid_by_hand(zoo, hand, Account.BANK, "4712", STAMP)
    assert await check(zoo) == []
