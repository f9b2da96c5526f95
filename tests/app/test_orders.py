"""Riders' orders from end to end: paid at the till, carried out in the phone, followed, refunded."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from seram_agent import Cut
from tongka.journeys.app import losing, paying
from tongka.ledger import Account
from tongka.store import elements, ledger

ISSUER = "90000001"
AID = bytes.fromhex("A000000632010105")


def purse(phone):
    instance = phone.element.image.instances.get(AID)
    return instance.purse if instance else None


async def balance_of(shop, account: Account) -> int:
    one = await ledger.balance(shop.system.database, account)
    return abs(one.credit_fen - one.debit_fen)


async def test_a_card_is_opened_topped_up_updated_and_deleted(shop):
    phone = await shop.phone()
    opened = await shop.opened(phone)
    assert (opened["state"], opened["total_fen"]) == ("done", 3_000)
    card = (await shop.ask("GET", "/cards")).json()
    assert [(one["card_no"], one["place"], one["deposit_fen"]) for one in card] == [(opened["card_no"], "live", 1_800)]
    topped = await shop.paid(await shop.order("TOPUP", card_no=opened["card_no"], amount_fen=500))
    assert await phone.run(topped["session_id"]) == "done"
    assert purse(phone).balance_fen == 1_500
    updated = await shop.order("UPDATE", card_no=opened["card_no"], card_type="02")
    assert await phone.run(updated["session_id"]) == "done"
    deleted = await shop.order("DELETE", card_no=opened["card_no"])
    assert await phone.run(deleted["session_id"]) == "done"
    told = await shop.follow(deleted)
    assert (told["state"], told["paid_back_fen"]) == ("done", 1_500 + 1_800)
    assert purse(phone) is None
    assert await balance_of(shop, Account.CARD_FEE_INCOME) == 200
    assert await balance_of(shop, Account.DEPOSITS_HELD) == 0
    assert await balance_of(shop, Account.ORDERS_IN_HAND) == 0
    await shop.books()


async def test_a_card_moves_to_another_phone_with_its_balance(shop):
    old, new = await shop.phone(0), await shop.phone(1)
    opened = await shop.opened(old)
    moved = await shop.order("MIGRATE", card_no=opened["card_no"], to_device_id=new.device_id)
    assert await old.run(moved["session_id"]) == "done"
    assert (await shop.follow(moved))["state"] == "running"
    await shop.work()
    there = await shop.follow(moved)
    assert [part["business"] for part in there["parts"]] == ["DELETE", "OPEN"]
    assert await new.run(there["session_id"]) == "done"
    assert (purse(old), purse(new).balance_fen) == (None, 1_000)
    assert (await shop.follow(moved))["state"] == "done"
    assert await balance_of(shop, Account.DEPOSITS_HELD) == 1_800
    assert await balance_of(shop, Account.CARD_FLOAT) == 1_000
    await shop.books()


async def test_an_issuer_that_was_closed_gives_out_no_cards_but_ends_what_began(shop):
    old, new, third = await shop.phone(0), await shop.phone(1), await shop.phone(2)
    opened, kept = await shop.opened(old), await shop.opened(third)
    moved = await shop.order("MIGRATE", card_no=opened["card_no"], to_device_id=new.device_id)
    assert await elements.close_range(shop.system.database, ISSUER)
    for wish in (
        {"business": "OPEN", "issuer_id": ISSUER, "device_id": new.device_id},
        {"business": "MIGRATE", "card_no": kept["card_no"], "to_device_id": new.device_id},
    ):
        refused = await shop.ask("POST", "/orders", wish, key=wish["business"])
        assert (refused.status_code, refused.json()["error"]) == (422, "issuer_unknown")
    assert await old.run(moved["session_id"]) == "done"
    await shop.work()
    assert await new.run((await shop.follow(moved))["session_id"]) == "done"
    assert purse(new).balance_fen == 1_000
    topped = await shop.paid(await shop.order("TOPUP", card_no=kept["card_no"], amount_fen=500))
    assert await third.run(topped["session_id"]) == "done"
    await shop.books()


async def test_a_lost_card_is_blocked_locked_and_paid_out_when_its_rides_are_cleared(shop):
    phone = await shop.phone()
    opened = await shop.opened(phone)
    number = opened["card_no"]
    wish = {"business": "TOPUP", "card_no": number, "amount_fen": 100}
    too_late = (await shop.ask("POST", "/orders", wish, key="k")).json()
    lost = (await shop.ask("POST", f"/cards/{number}/lost")).json()
    assert lost["paid_out_from"].startswith("2026-03-09")
    shop.now[0] += timedelta(hours=1)
    assert (await shop.ask("POST", f"/cards/{number}/lost")).json() == lost
    assert (await shop.ask("POST", "/orders", wish, key="l")).json()["error"] == "card_state_wrong"
    topped = await shop.paid(too_late)
    assert (topped["state"], topped["reason"]) == ("failed", "card_state_wrong")
    lock = next(one for one in (await shop.ask("GET", "/orders")).json() if one["business"] == "LOCK")
    shop.now[0] += timedelta(hours=3)
    assert (await phone.handshake(lock["session_id"])).status_code == 404
    await shop.login()
    assert (await shop.ask("POST", f"/orders/{lock['order_no']}/resume")).json()["session_id"] == lock["session_id"]
    assert await phone.run(lock["session_id"]) == "done"
    assert phone.element.image.instances[AID].locked
    assert await losing.pay_out(shop.system) == 0
    shop.now[0] += timedelta(days=8)
    assert await losing.pay_out(shop.system) == 1
    assert await balance_of(shop, Account.CARD_FLOAT) == 0
    assert await balance_of(shop, Account.DEPOSITS_HELD) == 0
    await shop.work(4)
    assert await balance_of(shop, Account.SUSPENSE) == 0
    await shop.books()


async def test_what_cannot_be_carried_out_is_refused_before_it_is_paid(shop):
    phone = await shop.phone()
    opened = await shop.opened(phone)
    card = {"business": "TOPUP", "card_no": opened["card_no"]}
    opening = {"business": "OPEN", "issuer_id": ISSUER, "device_id": phone.device_id}
    for wish, code in (
        (opening | {"device_id": "nobody"}, "device_unknown"),
        (opening | {"issuer_id": "nobody"}, "product_unknown"),
        (opening | {"amount_fen": 100_001}, "over_maximum"),
        (opening | {"card_no": opened["card_no"]}, "malformed"),
        (card | {"amount_fen": 100_001}, "over_maximum"),
        (card | {"amount_fen": "1000"}, "malformed"),
        (card | {"amount_fen": True}, "malformed"),
    ):
        answer = await shop.ask("POST", "/orders", wish, key="k")
        assert answer.json()["error"] == code, wish
    locked = await shop.order("LOCK", card_no=opened["card_no"])
    assert await phone.run(locked["session_id"]) == "done"
    for business in ({"amount_fen": 100}, {"business": "DELETE"}, {"business": "UPDATE"}):
        answer = await shop.ask("POST", "/orders", card | business, key="k")
        assert answer.json()["error"] == "card_state_wrong"


async def test_a_body_that_names_a_key_twice_is_refused(shop):
    await shop.login()
    headers = {"Authorization": f"Bearer {shop.tokens['ann']}", "Idempotency-Key": "k"}
    for body in ('{"business": "OPEN", "business": "LOCK"}', "[]", "{", '{"amount_fen": 1.5}'):
        headers["Content-Type"] = "application/json"
        answer = await shop.http.post("/app/v1/orders", content=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (422, "malformed")


async def test_a_result_is_told_once_unless_it_was_unknown(shop):
    phone = await shop.phone()
    order = await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id, amount_fen=1_000)
    path = f"/orders/{order['order_no']}/result"
    assert (await shop.ask("POST", path, {"code": "1010210301"})).status_code == 409
    paid = await shop.paid(order)
    assert (await shop.ask("POST", path, {"code": "1010210319"})).status_code == 200
    assert await phone.run(paid["session_id"]) == "done"
    for code, status in (("0", 200), ("0", 200), ("1010210301", 409)):
        assert (await shop.ask("POST", path, {"code": code})).status_code == status
    assert (await shop.follow(order))["result_code"] == "0"


async def test_what_is_paid_and_not_yet_submitted_is_refunded_and_a_repeat_is_told_the_same(shop):
    phone = await shop.phone()
    order = await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id, amount_fen=1_000)
    path = f"/orders/{order['order_no']}"
    await shop.ask("POST", f"{path}/pay", {"acquirer": "sandbox"})
    shop.now[0] += timedelta(seconds=61)
    await paying.ask_again(shop.system)
    assert (await shop.follow(order))["state"] == "paid"
    answers = await asyncio.gather(*(shop.ask("POST", f"{path}/refund") for _ in range(4)))
    assert {(one.status_code, one.json()["state"]) for one in answers} == {(200, "refunding")}
    await shop.work(3)
    assert (await shop.ask("POST", f"{path}/refund")).json()["state"] == "refunded"
    await shop.books()


async def test_requests_that_race_for_an_order_find_what_it_has_become(shop):
    phone = await shop.phone()
    order = await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id, amount_fen=1_000)
    path = f"/orders/{order['order_no']}"
    answers = await asyncio.gather(
        *(shop.ask("POST", f"{path}/pay", {"acquirer": "sandbox"}) for _ in range(3)),
        *(shop.ask("POST", f"{path}/refund") for _ in range(3)),
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert (await shop.follow(order))["state"] == "cancelled"
    await shop.work(3)
    await shop.books()


@pytest.mark.parametrize("code", ["1010210301", "1010210302"])
async def test_what_the_wallet_refused_is_refunded(shop, code):
    phone = await shop.phone()
    order = await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id, amount_fen=1_000)
    await shop.paid(order)
    told = (await shop.ask("POST", f"/orders/{order['order_no']}/result", {"code": code})).json()
    assert told["state"] == "refunding"
    await shop.work(3)
    assert (await shop.follow(order))["state"] == "refunded"
    assert await balance_of(shop, Account.RECEIVABLE_OTHER) == 0
    await shop.books()


async def test_a_refused_recharge_is_refunded_but_an_unknown_one_waits_for_the_card(shop):
    phone = await shop.phone()
    opened = await shop.opened(phone)
    wish = {"card_no": opened["card_no"], "amount_fen": 500}
    refused = await shop.paid(await shop.order("TOPUP", **wish))
    await shop.ask("POST", f"/orders/{refused['order_no']}/result", {"code": "1010210403"})
    await shop.work(3)
    assert (await shop.follow(refused))["state"] == "refunded"
    unknown = await shop.paid(await shop.order("TOPUP", **wish))
    phone.cut = At(9)
    with pytest.raises(Cut):
        await phone.run(unknown["session_id"])
    phone.cut = lambda _: None
    told = (await shop.ask("POST", f"/orders/{unknown['order_no']}/result", {"code": "1010210419"})).json()
    assert told["state"] == "running"
    assert (await shop.ask("POST", f"/orders/{unknown['order_no']}/refund")).status_code == 409
    assert await phone.run(unknown["session_id"]) == "done"
    assert purse(phone).balance_fen == 1_500
    await shop.books()


class At:
    """Dies at the nth step."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def __call__(self, _: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise Cut


async def test_a_card_does_not_move_to_where_it_cannot_be_and_comes_back_as_money_from_a_full_chip(shop):
    old, new = await shop.phone(0), await shop.phone(1)
    opened = await shop.opened(old)
    wish = {"business": "MIGRATE", "card_no": opened["card_no"]}
    for key, device, code in (("a", "nobody", "device_unknown"), ("b", old.device_id, "device_taken")):
        answer = await shop.ask("POST", "/orders", wish | {"to_device_id": device}, key=key)
        assert answer.json()["error"] == code
    moved = await shop.order(**wish, to_device_id=new.device_id)
    assert (await shop.ask("POST", f"/orders/{moved['order_no']}/refund")).status_code == 409
    await old.run(moved["session_id"])
    await shop.work()
    new.element.image = replace(new.element.image, room=0)
    assert await new.run((await shop.follow(moved))["session_id"]) == "failed/chip_full"
    await shop.ask("POST", f"/orders/{moved['order_no']}/refund")
    await shop.work(2)
    told = await shop.follow(moved)
    assert (told["state"], told["payout"]) == ("refunded", {"state": "done", "done_fen": 2_800, "owed_fen": 0})
    assert await balance_of(shop, Account.DEPOSITS_HELD) == 0
    assert await balance_of(shop, Account.CARD_FLOAT) == 0
    await shop.books()
