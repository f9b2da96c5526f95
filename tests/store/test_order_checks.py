"""The proof that orders and books agree: it is silent over orders in every state, and speaks at each kind of damage."""

import pytest

from damage import missed
from tongka.orders import Event, Kind, State
from tongka.store.ledger_checks import check
from tongka.store.order_checks import ORDER_CHECKS
from zoo import WAYS, fill, order, step

IN_HAND, FLOAT, DEPOSITS, PAYABLE = 2, 1, 3, 4
ROW = """INSERT INTO transfer
(card_no, order_no, kind, pending_id, debit, credit, amount_fen, reason, posted_at, business_date)"""


def extra(number: str, debit: int, credit: int, kind: str = "single", fen: int = 1) -> str:
    """One transfer too many for an order."""
    row = f"'card-{number}', '{number}', '{kind}', NULL, {debit}, {credit}, {fen}, 'x', now(), '2026-03-02'"
    return f"{ROW} VALUES ({row})"


def in_state(number: str, state: str) -> str:
    return f"UPDATE orders SET state = '{state}' WHERE order_no = '{number}'"


DAMAGE: dict[str, list[str]] = {
    "order_guards_in_place": [
        "DROP INDEX card_has_another_open_order",
        "ALTER TABLE payment_claim DROP CONSTRAINT payment_already_claimed",
        "ALTER TABLE reply DROP CONSTRAINT request_already_answered",
        "ALTER TABLE orders DROP CONSTRAINT orders_pkey",
    ],
    "one_open_order": [
        "DROP INDEX card_has_another_open_order; UPDATE orders SET card_no = 'one' WHERE order_no ~ '^topup-[24]$'",
    ],
    "order_balances": [
        # a state that the books do not know
        *(in_state(f"topup-{a}", b) for a, b in (("1", "5"), ("1", "A"), ("5", "3"), ("3", "8"), ("A", "B"), ("B", "C"),
                                                 ("C", "D"), ("2", "5"), ("8", "1"))),
        *(in_state(f"sale-{a}", b) for a, b in (("1", "5"), ("5", "2"))),
        *(in_state(f"return-{a}", b) for a, b in (("2", "5"), ("5", "3"), ("5-bad", "1"))),
        in_state("unload-5", "3"),
        # an amount that was not posted, or not that much
        "UPDATE orders SET amount_fen = amount_fen - 1 WHERE order_no = 'topup-5'",
        "UPDATE orders SET paid = false WHERE order_no = 'topup-1'",
        "UPDATE transfer SET amount_fen = 999 WHERE order_no = 'topup-1'",
        "DELETE FROM transfer WHERE order_no = 'topup-1'",
        "DELETE FROM transfer WHERE order_no = 'topup-B' AND debit = 4",
        "UPDATE transfer SET order_no = 'topup-1' WHERE order_no = 'topup-5' AND kind = 'post'",
        # transfers too many: credited twice, refunded and credited, a deposit given
        extra("topup-5", IN_HAND, FLOAT),
        extra("topup-5", IN_HAND, PAYABLE),
        extra("topup-3", FLOAT, IN_HAND),
        extra("topup-5", DEPOSITS, 103),
        extra("sale-5", DEPOSITS, 103),
        extra("return-5", 103, DEPOSITS),
        extra("return-3", DEPOSITS, PAYABLE),
    ],
    "order_reservations": [
        in_state("topup-6", "2"),
        in_state("topup-4", "6"),
        "DELETE FROM transfer WHERE order_no = 'topup-2' AND kind = 'pending'",
        "UPDATE orders SET pending_id = NULL WHERE order_no = 'topup-9'",
        "UPDATE orders SET pending_id = pending_id + 1 WHERE order_no = 'sale-2'",
        "UPDATE transfer SET amount_fen = 1 WHERE order_no = 'return-2' AND kind = 'pending'",
        extra("topup-7", IN_HAND, FLOAT, "pending", 1_000),
        extra("topup-1", IN_HAND, FLOAT, "pending", 1_000),
        extra("topup-8", IN_HAND, FLOAT, "pending", 1_000),
        "DELETE FROM transfer WHERE order_no = 'topup-3' AND kind = 'void'",
    ],
    "order_sources": [
        "UPDATE orders SET payment_method = '04' WHERE order_no = 'topup-B'",
        "UPDATE orders SET funded_from = 1000001 WHERE order_no = 'topup-1'",
        "UPDATE transfer SET credit = 101 WHERE order_no = 'topup-B' AND credit = 103",
    ],
    "in_hand_has_an_order": [
        "DELETE FROM orders WHERE order_no = 'topup-1'",
        "UPDATE transfer SET order_no = '' WHERE order_no = 'topup-1'",
        "UPDATE orders SET card_no = 'card-other' WHERE order_no = 'topup-1'",
    ],
    "claims_have_orders": [
        "UPDATE payment_claim SET payment_order = 'other' WHERE order_no = 'topup-1'",
        "UPDATE orders SET payment_order = 'other' WHERE order_no = 'topup-1'",
        "DELETE FROM orders WHERE order_no = 'topup-B'",
    ],
}  # fmt: skip


@pytest.fixture
async def zoo(database):
    await fill(database)
    return database


async def damage(database, sql):
    """Do it as somebody would who owns the database: with triggers asleep."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(sql)


async def found(database):
    return {finding.check for finding in await check(database, ORDER_CHECKS)}


async def test_orders_in_every_state_have_no_findings(zoo):
    assert await check(zoo) == []
    states = await zoo.fetch("SELECT DISTINCT state FROM orders")
    assert {row["state"] for row in states} == set(State) - {State.CLOSED}


def test_every_check_is_shown_its_damage():
    assert set(DAMAGE) == {one.name for one in ORDER_CHECKS}


async def test_damage_is_found(zoo):
    assert await missed(zoo, ORDER_CHECKS, DAMAGE) == []
    assert await found(zoo) == set()


async def test_findings_name_the_order_and_both_figures(zoo):
    await damage(zoo, in_state("topup-5", "3"))
    (finding,) = [each for each in await check(zoo) if each.check == "order_balances"]
    assert "order_no=topup-5" in finding.row
    assert "in_hand_due=1000, in_hand=0, float_due=0, float=1000" in finding.row


async def test_an_unpaid_order_that_was_cancelled_has_no_money(database):
    unpaid = await order(database, "u1", Kind.TOPUP, amount_fen=500, paid=False)
    closed = await step(database, unpaid, Event.CANCEL_UNPAID)
    assert closed.state is State.CLOSED
    assert await check(database) == []
    await damage(database, extra("u1", 103, IN_HAND))
    assert "order_balances" in await found(database)


async def test_orders_of_nothing_reserve_nothing(database):
    """A card without a deposit is sold; an empty card is returned."""
    for kind, ways in ((Kind.SALE, WAYS[Kind.SALE]), (Kind.RETURN, WAYS[Kind.RETURN])):
        for name, events in ways.items():
            if kind is Kind.SALE or name == "2":
                await order(database, f"{kind}-{name}", kind, *events, amount_fen=0)
    assert await check(database) == []
