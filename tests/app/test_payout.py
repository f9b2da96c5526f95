"""The money of a deleted card comes back from the till it was paid at: once, to the fen; the rest is owed."""

from datetime import timedelta

import pytest

from payout_stories import DEPOSIT, Refusing, deleted, held, paid_back, settled, spend, the_payout, topped
from seram_agent import Cut
from tongka.errors import Malformed
from tongka.journeys.app import losing, payout
from tongka.journeys.refusals import OrderNotFound
from tongka.ledger import Account
from tongka.orders import MoveForbidden
from tongka.store import payouts
from tongka.store.payouts import PayoutState
from tongka.store.stamp import Stamp

ISSUER = "90000001"


async def test_balance_and_deposit_come_back_from_the_till(shop):
    phone = await shop.phone()
    card_no = (await shop.opened(phone, 1_000))["card_no"]
    before = await held(shop, Account.RECEIVABLE_OTHER)
    order = await deleted(shop, phone, card_no)
    assert (order["paid_back_fen"], order["payout"]) == (2_800, {"state": "sending", "done_fen": 0, "owed_fen": 2_800})
    assert (await held(shop, Account.REFUNDS_PAYABLE), await paid_back(shop)) == (2_800, 0)
    await shop.books()
    order = await settled(shop, order)
    assert order["payout"] == {"state": "done", "done_fen": 2_800, "owed_fen": 0}
    assert (await held(shop, Account.REFUNDS_PAYABLE), await paid_back(shop)) == (0, 2_800)
    assert await held(shop, Account.RECEIVABLE_OTHER) - before == 2_800
    (card,) = (await shop.ask("GET", "/cards")).json()
    assert (card["place"], card["payout"]) == ("gone", order["payout"])
    await shop.work(3)
    assert await paid_back(shop) == 2_800
    await shop.books()


async def test_many_payments_go_back_the_latest_first_and_rides_are_not_paid_back(shop):
    phone = await shop.phone()
    opened = await shop.opened(phone, 301)
    tops = [await topped(shop, phone, opened["card_no"], amount) for amount in (1_001, 507, 13)]
    spend(shop, phone, 222)
    order = await settled(shop, await deleted(shop, phone, opened["card_no"]))
    total = 301 + 1_001 + 507 + 13 - 222 + DEPOSIT
    assert order["payout"] == {"state": "done", "done_fen": total, "owed_fen": 0}
    rows = await shop.system.database.read(
        "SELECT payment_order, amount_fen FROM simulated_refund WHERE paid ORDER BY refund_no"
    )
    assert [tuple(row) for row in rows] == [
        (tops[2]["order_no"], 13), (tops[1]["order_no"], 507), (tops[0]["order_no"], 1_001),
        (opened["order_no"], total - 1_521),
    ]  # fmt: skip
    await shop.books()


async def test_a_lost_cards_claim_is_paid_the_same_way(shop):
    phone = await shop.phone()
    card_no = (await shop.opened(phone, 1_000))["card_no"]
    assert (await shop.ask("POST", f"/cards/{card_no}/lost")).status_code == 200
    shop.now[0] += timedelta(days=8)
    assert await losing.pay_out(shop.system) == 1
    await shop.work(2)
    await shop.login()
    (card,) = (await shop.ask("GET", "/cards")).json()
    assert card["payout"] == {"state": "done", "done_fen": 2_800, "owed_fen": 0}
    assert await paid_back(shop) == 2_800
    await shop.books()


async def test_a_refused_refund_goes_to_the_payment_before_it_and_the_rest_is_owed(shop):
    phone = await shop.phone()
    opened = await shop.opened(phone, 1_000)
    first = await topped(shop, phone, opened["card_no"], 700)
    last = await topped(shop, phone, opened["card_no"], 300)
    spend(shop, phone, 100)
    till = shop.system.acquirers["sandbox"]
    shop.system.acquirers["sandbox"] = Refusing(till, {last["order_no"], opened["order_no"]})
    order = await settled(shop, await deleted(shop, phone, opened["card_no"]))
    total = 1_000 + 700 + 300 - 100 + DEPOSIT
    assert order["payout"] == {"state": "owed", "done_fen": 700, "owed_fen": total - 700}
    assert await paid_back(shop) == 700
    assert await held(shop, Account.REFUNDS_PAYABLE) == total - 700
    rows = await shop.system.database.read("SELECT payment_no, state FROM payout_refund ORDER BY refund_no")
    assert [tuple(row) for row in rows] == [
        (last["order_no"], "refused"), (first["order_no"], "done"), (opened["order_no"], "refused"),
    ]  # fmt: skip
    await shop.books()


async def test_what_was_refunded_of_a_payment_before_is_not_left(shop):
    """An opening whose first top-up was refunded: its payment has only the deposit and the price left."""
    phone = await shop.phone()
    opened = await shop.paid(
        await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id, amount_fen=1_000)
    )  # fmt: skip
    await phone.run(opened["session_id"])
    card_no = (await shop.follow(opened))["card_no"]
    waiting = await shop.paid(await shop.order("TOPUP", card_no=card_no, amount_fen=700))
    assert (await shop.ask("POST", f"/orders/{waiting['order_no']}/refund")).status_code == 200
    never = await shop.paid(await shop.order("TOPUP", card_no=card_no, amount_fen=900))  # paid, not on the card
    order = await settled(shop, await deleted(shop, phone, card_no))
    assert order["payout"] == {"state": "done", "done_fen": 2_800, "owed_fen": 0}
    assert (await shop.ask("POST", f"/orders/{never['order_no']}/refund")).status_code == 200
    await shop.work(3)
    assert (await shop.follow(never))["state"] == "refunded"
    assert await paid_back(shop) == 2_800 + 700 + 900
    await shop.books()


async def owed_one(shop) -> tuple[str, dict]:
    """A card whose payment is too old to be refunded."""
    phone = await shop.phone()
    card_no = (await shop.opened(phone, 1_000))["card_no"]
    shop.now[0] += timedelta(days=366)
    await shop.login()
    return card_no, await settled(shop, await deleted(shop, phone, card_no))


async def test_payments_that_are_too_old_are_owed_and_paid_by_hand_once(shop):
    card_no, order = await owed_one(shop)
    assert (order["payout"], await paid_back(shop)) == ({"state": "owed", "done_fen": 0, "owed_fen": 2_800}, 0)
    found = await the_payout(shop, card_no)
    assert [one.order_no for one in await payouts.unfinished(shop.system.database, 10)] == [found.order_no]
    stamp = Stamp(shop.now[0], shop.now[0].date(), "wang")
    for _ in range(2):
        done = await payout.by_hand(shop.system.database, found.order_no, "bank 4711", "bank", stamp)
        assert (done.state, done.done_fen, done.left_fen) == (PayoutState.DONE, 2_800, 0)
    assert (await shop.follow(order))["payout"] == {"state": "done", "done_fen": 2_800, "owed_fen": 0}
    assert await held(shop, Account.BANK) == 2_800
    for number, reference, source, refusal in (
        (found.order_no, "another", "bank", MoveForbidden),
        ("1", "x", "bank", OrderNotFound),
        (found.order_no, "", "bank", Malformed),
        (found.order_no, "bank 4711", "pocket", Malformed),
    ):
        with pytest.raises(refusal):
            await payout.by_hand(shop.system.database, number, reference, source, stamp)
    assert await payouts.unfinished(shop.system.database, 10) == []
    await shop.books()


async def test_what_is_on_its_way_is_not_paid_by_hand(shop):
    phone = await shop.phone()
    card_no = (await shop.opened(phone, 1_000))["card_no"]
    await deleted(shop, phone, card_no)
    stamp = Stamp(shop.now[0], shop.now[0].date(), "wang")
    with pytest.raises(MoveForbidden):
        await payout.by_hand(shop.system.database, (await the_payout(shop, card_no)).order_no, "r", "bank", stamp)
    await shop.books()


async def test_an_opening_that_is_withdrawn_before_its_first_load_is_done_and_only_the_load_goes_back(shop):
    """The card has proved itself: it is the rider's, with its deposit, until it is deleted."""
    phone = await shop.phone()
    opened = await shop.paid(
        await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id, amount_fen=1_000)
    )  # fmt: skip

    def cut(step: str) -> None:
        if step == "after" and phone.apdus[-1].startswith("805000020B01000003E8"):
            raise Cut

    phone.cut = cut
    with pytest.raises(Cut):
        await phone.run(opened["session_id"])
    phone.cut = lambda _: None
    told = await shop.ask("POST", f"/orders/{opened['order_no']}/result", {"code": "1010210301"})
    assert (told.status_code, told.json()["state"]) == (200, "refunding")
    await shop.work(2)
    opened = await shop.follow(opened)
    assert (opened["state"], opened["reason"], await paid_back(shop)) == ("done", "withdrawn", 1_000)
    assert await phone.run(opened["session_id"]) == "cancelled/withdrawn"
    order = await settled(shop, await deleted(shop, phone, opened["card_no"]))
    assert order["payout"] == {"state": "done", "done_fen": DEPOSIT, "owed_fen": 0}
    assert await paid_back(shop) == 1_000 + DEPOSIT
    await shop.books()


async def test_a_deletion_that_is_withdrawn_is_cancelled_and_has_no_part_in_a_later_ones_payout(shop):
    phone = await shop.phone()
    card_no = (await shop.opened(phone, 1_000))["card_no"]
    given_up = await shop.order("DELETE", card_no=card_no)
    assert (await shop.ask("POST", f"/orders/{given_up['order_no']}/refund")).json()["state"] == "cancelled"
    order = await settled(shop, await deleted(shop, phone, card_no))
    assert order["payout"] == {"state": "done", "done_fen": 2_800, "owed_fen": 0}
    told = await shop.follow(given_up)
    assert (told["state"], told["payout"], told["paid_back_fen"]) == ("cancelled", None, 0)
    await shop.books()
