"""Payouts pay once, whoever dies, is silent, or does the same at the same time; and whatever a migration comes to."""

import asyncio
import random
from datetime import timedelta

import pytest

from payout_stories import (
    DEPOSIT,
    Deadly,
    Died,
    Interrupted,
    Refusing,
    bought,
    deleted,
    held,
    paid_back,
    settled,
    spend,
    the_payout,
    topped,
)
from tongka.journeys import refund
from tongka.journeys.app import ordering, payout
from tongka.ledger import Account
from tongka.store.payouts import PayoutState

ISSUER = "90000001"


@pytest.mark.parametrize("notices", [0, 3])
async def test_with_30_percent_unknown_answers_and_lost_or_repeated_notices_each_card_is_paid_out_once(shop, notices):
    await shop.temper(unknown_percent=30, notices=notices)
    total, orders = 0, []
    for number in range(3):
        phone = await shop.phone(number)
        opened = await bought(shop, phone, "OPEN", issuer_id=ISSUER, device_id=phone.device_id, amount_fen=1_000)
        await bought(shop, phone, "TOPUP", card_no=opened["card_no"], amount_fen=700 + number)
        total += 1_000 + 700 + number + DEPOSIT
        orders.append(await deleted(shop, phone, opened["card_no"]))
    for order in orders:
        assert (await settled(shop, order))["payout"]["state"] == "done"
    await shop.work(5)
    assert await paid_back(shop) == total
    assert await held(shop, Account.REFUNDS_PAYABLE) == 0
    await shop.books()


async def test_two_workers_at_once_pay_once(shop):
    phone = await shop.phone()
    card_no = (await shop.opened(phone, 1_000))["card_no"]
    await topped(shop, phone, card_no, 700)
    order = await deleted(shop, phone, card_no)
    for _ in range(4):
        await asyncio.gather(*(payout.pay_out(shop.system) for _ in range(4)))
    assert (await shop.follow(order))["payout"]["state"] == "done"
    assert await paid_back(shop) == 3_500
    await shop.books()


@pytest.mark.parametrize("committed", [False, True])
async def test_death_at_every_write_of_a_payout_pays_once(shop, monkeypatch, committed):
    total = nth = 0
    died = True
    while died:
        nth += 1
        phone = await shop.phone(nth % 4)
        card_no = (await shop.opened(phone, 1_000))["card_no"]
        await topped(shop, phone, card_no, 700)
        order = await deleted(shop, phone, card_no)
        total += 3_500
        worker = Deadly(monkeypatch, nth, committed=committed)
        for _ in range(3):
            await worker.turn(shop)
        died = worker.died
        assert (await settled(shop, order))["payout"] == {"state": "done", "done_fen": 3_500, "owed_fen": 0}
        assert await paid_back(shop) == total
    assert nth > 6
    await shop.books()


@pytest.mark.parametrize("committed", [False, True])
async def test_death_at_every_write_while_a_migration_comes_to_nothing_pays_once(shop, monkeypatch, committed):
    total = nth = 0
    died = True
    while died:
        nth += 1
        old, new = await shop.phone(nth % 2 * 2), await shop.phone(nth % 2 * 2 + 1)
        card_no = (await shop.opened(old, 1_000))["card_no"]
        moved = await shop.order("MIGRATE", card_no=card_no, to_device_id=new.device_id)
        assert await old.run(moved["session_id"]) == "done"
        worker = Deadly(monkeypatch, nth, committed=committed)
        await worker.turn(shop)
        assert await ordering.submit_due(shop.system) == 1
        await worker.turn(shop)
        assert (await shop.ask("POST", f"/orders/{moved['order_no']}/refund")).status_code == 200
        await refund.ask_again(shop.system)
        for _ in range(3):
            await worker.turn(shop)
        died = worker.died
        await shop.work(2)
        total += 2_800
        assert (await shop.follow(moved))["payout"] == {"state": "done", "done_fen": 2_800, "owed_fen": 0}
        assert (await paid_back(shop), await held(shop, Account.REFUNDS_PAYABLE)) == (total, 0)
    assert nth > 6
    await shop.books()


@pytest.mark.parametrize("acted", [False, True])
async def test_death_while_the_till_is_asked_pays_once(shop, acted):
    phone = await shop.phone()
    card_no = (await shop.opened(phone, 1_000))["card_no"]
    order = await deleted(shop, phone, card_no)
    till = shop.system.acquirers["sandbox"]
    shop.system.acquirers["sandbox"] = Interrupted(till, acted=acted)
    with pytest.raises(Died):
        await payout.pay_out(shop.system)
    assert await payout.pay_out(shop.system) == 0  # it was asked a moment ago
    shop.system.acquirers["sandbox"] = till
    shop.now[0] += timedelta(seconds=61)
    assert (await settled(shop, order))["payout"]["state"] == "done"
    assert await paid_back(shop) == 2_800
    await shop.books()


async def test_an_institution_that_is_not_connected_any_more_is_waited_for(shop):
    phone = await shop.phone()
    card_no = (await shop.opened(phone, 1_000))["card_no"]
    order = await deleted(shop, phone, card_no)
    await shop.temper(unknown_percent=100)
    await payout.pay_out(shop.system)
    till = shop.system.acquirers.pop("sandbox")
    shop.now[0] += timedelta(days=1)
    await payout.pay_out(shop.system)
    shop.system.acquirers["sandbox"] = till
    await shop.login()
    assert (await shop.follow(order))["payout"]["state"] == "sending"
    await shop.temper()
    assert (await settled(shop, order))["payout"]["state"] == "done"
    assert await paid_back(shop) == 2_800


async def test_a_migration_carries_the_money_and_pays_nothing_out(shop):
    old, new = await shop.phone(), await shop.phone(1)
    card_no = (await shop.opened(old, 1_000))["card_no"]
    moved = await shop.order("MIGRATE", card_no=card_no, to_device_id=new.device_id)
    assert await old.run(moved["session_id"]) == "done"
    await payout.pay_out(shop.system)
    assert (await the_payout(shop, card_no)).state is PayoutState.WAITING
    (card,) = (await shop.ask("GET", "/cards")).json()
    assert (card["payout"], (await shop.follow(moved))["payout"]) == (None, None)
    await shop.work(2)
    assert (await the_payout(shop, card_no)).state is PayoutState.CARRIED
    await shop.books()
    moved = await shop.follow(moved)
    assert await new.run(moved["session_id"]) == "done"
    await shop.work(2)
    moved = await shop.follow(moved)
    assert (moved["state"], moved["payout"], await paid_back(shop)) == ("done", None, 0)
    assert (await the_payout(shop, card_no)).state is PayoutState.DONE
    order = await settled(shop, await deleted(shop, new, moved["card_no"]))
    assert order["payout"] == {"state": "done", "done_fen": 2_800, "owed_fen": 0}  # by the first card's payment
    assert await paid_back(shop) == 2_800
    await shop.books()


async def test_a_migration_that_comes_to_nothing_pays_out_what_it_took(shop):
    old, new = await shop.phone(), await shop.phone(1)
    card_no = (await shop.opened(old, 1_000))["card_no"]
    moved = await shop.order("MIGRATE", card_no=card_no, to_device_id=new.device_id)
    assert await old.run(moved["session_id"]) == "done"
    await shop.work(2)
    assert (await shop.ask("POST", f"/orders/{moved['order_no']}/refund")).status_code == 200
    await refund.ask_again(shop.system)
    assert (await shop.follow(moved))["state"] == "refunding"  # its payout does not tell what came back yet
    await shop.work(4)
    told = await shop.follow(moved)
    assert told["state"] == "refunded"
    assert told["payout"] == {"state": "done", "done_fen": 2_800, "owed_fen": 0}
    assert (await paid_back(shop), await held(shop, Account.REFUNDS_PAYABLE)) == (2_800, 0)
    await shop.books()


@pytest.mark.parametrize("seed", range(3))
async def test_any_mix_of_payments_rides_refusals_and_silence_agrees_to_the_fen(shop, seed):
    drawn = random.Random(seed)
    phone = await shop.phone()
    opened = await shop.opened(phone, drawn.randrange(1, 2_000))
    card_no, balance, payments = opened["card_no"], opened["amount_fen"], [opened["order_no"]]
    for _ in range(5):
        amount = drawn.randrange(1, 2_000)
        payments.append((await topped(shop, phone, card_no, amount))["order_no"])
        spent = drawn.randrange(1, balance + amount)
        spend(shop, phone, spent)
        balance += amount - spent
    refused = set(drawn.sample(payments, 2))
    till = shop.system.acquirers["sandbox"]
    shop.system.acquirers["sandbox"] = Refusing(till, refused)
    order = await deleted(shop, phone, card_no)
    await shop.temper(unknown_percent=40)
    told = (await settled(shop, order))["payout"]
    assert told["done_fen"] + told["owed_fen"] == balance + DEPOSIT
    assert told["done_fen"] == await paid_back(shop)
    assert told["owed_fen"] == await held(shop, Account.REFUNDS_PAYABLE)
    await shop.books()
