"""A card that was migrated is paid out by the payments of the cards before it too: once, to the fen."""

import asyncio
import random
from dataclasses import replace

import pytest

from payout_stories import DEPOSIT, Refusing, deleted, held, migrated, paid_back, settled, spend, the_payout, topped
from tongka.journeys.app.payout import _refund
from tongka.ledger import Account
from tongka.payments import CARRIED_OUT, OPENING, OURS
from tongka.payouts import plan
from tongka.store import payouts
from tongka.store.payouts import PayoutState, RefundState
from tongka.store.stamp import Stamp


async def test_a_deletion_after_two_migrations_is_paid_back_by_the_payments_of_all_three_cards(shop):
    phones = [await shop.phone(number) for number in range(3)]
    opened = await shop.opened(phones[0], 1_000)
    first = await topped(shop, phones[0], opened["card_no"], 500)
    second_card = await migrated(shop, phones[0], phones[1], opened["card_no"])
    second = await topped(shop, phones[1], second_card, 300)
    third_card = await migrated(shop, phones[1], phones[2], second_card)
    third = await topped(shop, phones[2], third_card, 100)
    order = await settled(shop, await deleted(shop, phones[2], third_card))
    assert order["paid_back_fen"] == 3_700
    assert order["payout"] == {"state": "done", "done_fen": 3_700, "owed_fen": 0}
    rows = await shop.system.database.read("SELECT payment_no, amount_fen FROM payout_refund ORDER BY refund_no")
    assert [tuple(row) for row in rows] == [
        (third["order_no"], 100), (second["order_no"], 300), (first["order_no"], 500), (opened["order_no"], 2_800),
    ]  # fmt: skip
    assert (await paid_back(shop), await held(shop, Account.REFUNDS_PAYABLE)) == (3_700, 0)
    await shop.books()


async def test_another_riders_payments_are_left_alone(shop):
    phones = [await shop.phone(number) for number in range(2)]
    card_no = await migrated(shop, phones[0], phones[1], (await shop.opened(phones[0], 1_000))["card_no"])
    await deleted(shop, phones[1], card_no)
    await shop.system.database.execute("UPDATE app_order SET user_id = 'bob' WHERE business = 'MIGRATE'")
    payout = await the_payout(shop, card_no)
    assert await payouts.refundable(shop.system.database, payout, OURS, OPENING, CARRIED_OUT) == []


async def test_a_plan_that_another_cards_payout_has_overtaken_is_made_anew(shop):
    phones = [await shop.phone(number) for number in range(2)]
    opened = await shop.opened(phones[0], 1_000)
    card_no = await migrated(shop, phones[0], phones[1], opened["card_no"])
    order = await deleted(shop, phones[1], card_no)
    database, payout = shop.system.database, await the_payout(shop, card_no)
    found = await payouts.refundable(database, payout, OURS, OPENING, CARRIED_OUT)
    windows = {"sandbox": shop.now[0] - shop.now[0].replace(year=2025)}
    (planned,) = plan(payout.left_fen, found, windows, shop.now[0])
    earlier = await the_payout(shop, opened["card_no"])
    await database.execute(
        "INSERT INTO payout_refund"
        " (refund_no, card_no, order_no, payment_no, acquirer, account, amount_fen, nth, state)"
        " VALUES ('P-1', $1, $2, $3, 'sandbox', 1, 300, 1, 'due')",
        earlier.card_no,
        earlier.order_no,
        planned.payment_no,
    )
    refunds = [_refund(payout, 1, planned)]
    assert not await payouts.proceed(database, payout, PayoutState.SENDING, refunds, shop.now[0])
    assert (await the_payout(shop, card_no)).plans == payout.plans
    (left,) = await payouts.refundable(database, payout, OURS, OPENING, CARRIED_OUT)
    assert (left.left_fen, left.tried) == (opened["total_fen"] - 300, 1)
    stamp = Stamp(shop.now[0], shop.now[0].date(), "till")
    assert await payouts.decide(database, replace(refunds[0], refund_no="P-1"), RefundState.REFUSED, stamp)
    assert (await settled(shop, order))["payout"] == {"state": "done", "done_fen": 2_800, "owed_fen": 0}
    await shop.books()


@pytest.mark.parametrize("seed", range(3))
async def test_any_mix_over_two_migrations_agrees_to_the_fen(shop, seed):
    drawn = random.Random(seed)
    phones = [await shop.phone(number) for number in range(3)]
    opened = await shop.opened(phones[0], drawn.randrange(1, 2_000))
    card_no, balance, payments = opened["card_no"], opened["amount_fen"], [opened["order_no"]]
    for number, phone in enumerate(phones):
        if number:
            card_no = await migrated(shop, phones[number - 1], phone, card_no)
        amount = drawn.randrange(1, 2_000)
        payments.append((await topped(shop, phone, card_no, amount))["order_no"])
        spent = drawn.randrange(1, balance + amount)
        spend(shop, phone, spent)
        balance += amount - spent
    till = shop.system.acquirers["sandbox"]
    shop.system.acquirers["sandbox"] = Refusing(till, set(drawn.sample(payments, seed)))
    order = await deleted(shop, phones[2], card_no)
    await shop.temper(unknown_percent=40)
    told = (await settled(shop, order))["payout"]
    assert told["done_fen"] + told["owed_fen"] == order["paid_back_fen"] == balance + DEPOSIT
    assert (told["state"] == "done") <= (told["owed_fen"] == 0)
    assert told["done_fen"] == await paid_back(shop)
    assert told["owed_fen"] == await held(shop, Account.REFUNDS_PAYABLE)
    assert seed or told["state"] == "done"
    await asyncio.gather(*(shop.work() for _ in range(2)))
    assert told["done_fen"] == await paid_back(shop)
    await shop.books()
