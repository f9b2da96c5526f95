"""Lost phones: blocked at once whatever is undecided, paid out once, and in use again if they are found in time."""

from datetime import timedelta

import pytest

from seram_agent import Cut
from tongka.journeys import decide, sweep
from tongka.journeys.app import losing
from tongka.journeys.app.refusals import AppCardUnknown
from tongka.journeys.lost_card import CardStateWrong
from tongka.journeys.wallet import session
from tongka.ledger import Account
from tongka.orders import MoveForbidden
from tongka.store import cards, ledger, orders
from tongka.store.stamp import Stamp

ISSUER = "90000001"
AID = bytes.fromhex("A000000632010105")


def purse(phone):
    instance = phone.element.image.instances.get(AID)
    return instance.purse if instance else None


async def held(shop, account: Account) -> int:
    one = await ledger.balance(shop.system.database, account)
    return abs(one.credit_fen - one.debit_fen)


async def cut_top_up(shop, phone, number: str, *, credited: bool) -> dict:
    """A top-up of 500 fen whose CREDIT FOR LOAD has left; the phone is gone before or after the card has run it."""

    def cut(step: str) -> None:
        if credited and step == "after" and phone.apdus[-1].startswith("8052"):
            raise Cut
        if not credited and step == "order" and b'"8052' in phone.orders[-1]:
            raise Cut

    topped = await shop.paid(await shop.order("TOPUP", card_no=number, amount_fen=500))
    phone.cut = cut
    with pytest.raises(Cut):
        await phone.run(topped["session_id"])
    phone.cut = lambda _: None
    return topped


async def cut_deletion(shop, phone, number: str) -> dict:
    """A deletion whose debit has left, and was not executed."""
    deleted = await shop.order("DELETE", card_no=number)

    def cut(step: str) -> None:
        if step == "order" and b'"8054' in phone.orders[-1]:
            raise Cut

    phone.cut = cut
    with pytest.raises(Cut):
        await phone.run(deleted["session_id"])
    phone.cut = lambda _: None
    return deleted


async def report(shop, number: str) -> dict:
    answer = await shop.ask("POST", f"/cards/{number}/lost")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def status_of(shop, number: str) -> str:
    return (await cards.find(shop.system.database, number)).status


async def order_of(shop, business: str) -> dict:
    return next(one for one in (await shop.ask("GET", "/orders")).json() if one["business"] == business)


@pytest.mark.parametrize("credited", [True, False])
async def test_an_undecided_top_up_puts_off_the_payout_and_not_the_block(shop, credited):
    phone = await shop.phone()
    number = (await shop.opened(phone))["card_no"]
    topped = await cut_top_up(shop, phone, number, credited=credited)
    told = await report(shop, number)
    assert (told, await status_of(shop, number)) == (await report(shop, number), "03")
    shop.now[0] += timedelta(days=8)
    assert await losing.pay_out(shop.system) == 0  # nobody knows yet what is on the card
    await shop.login()
    await shop.ask("POST", f"/orders/{topped['order_no']}/resume")
    await phone.run(topped["session_id"])  # the thief's phone tells; nothing more is loaded
    assert purse(phone).balance_fen == 1_000 + 500 * credited
    assert await losing.pay_out(shop.system) == 1
    assert await held(shop, Account.CARD_FLOAT) == await held(shop, Account.DEPOSITS_HELD) == 0
    refund = await shop.ask("POST", f"/orders/{topped['order_no']}/refund")
    assert refund.status_code == (409 if credited else 200)
    await shop.work(4)
    await shop.books()


async def test_a_found_card_is_in_use_again_and_its_lock_is_given_up_or_lifted(shop):
    phone = await shop.phone()
    number = (await shop.opened(phone))["card_no"]
    await report(shop, number)
    for wish in ({"business": "DELETE"}, {"business": "UNLOCK"}, {"business": "TOPUP", "amount_fen": 100}):
        refused = await shop.ask("POST", "/orders", wish | {"card_no": number}, key="k")
        assert (refused.status_code, refused.json()["error"]) == (422, "card_state_wrong")
    for _ in range(2):
        found = await shop.ask("POST", f"/cards/{number}/found")
        assert (found.status_code, found.json()["status"], found.json()["place"]) == (200, "00", "live")
    assert (await shop.follow(await order_of(shop, "LOCK")))["parts"][0]["state"] == "cancelled"
    shop.now[0] += timedelta(seconds=1)
    await report(shop, number)  # and lost again: locked this time
    lock = await order_of(shop, "LOCK")
    assert await phone.run(lock["session_id"]) == "done"
    assert (await losing.take_back_for(shop.system, number)).status == "00"
    assert await phone.run((await order_of(shop, "UNLOCK"))["session_id"]) == "done"
    topped = await shop.paid(await shop.order("TOPUP", card_no=number, amount_fen=500))
    assert await phone.run(topped["session_id"]) == "done"
    assert purse(phone).balance_fen == 1_500
    shop.now[0] += timedelta(days=30)
    assert await losing.pay_out(shop.system) == 0
    await shop.books()


@pytest.mark.parametrize("locked", [True, False])
async def test_what_was_paid_out_is_deleted_without_paying_again_and_makes_room(shop, locked):
    phone = await shop.phone()
    number = (await shop.opened(phone))["card_no"]
    await report(shop, number)
    if locked:
        assert await phone.run((await order_of(shop, "LOCK"))["session_id"]) == "done"
    shop.now[0] += timedelta(days=8)
    assert await losing.pay_out(shop.system) == 1
    await shop.login()
    late = await shop.ask("POST", f"/cards/{number}/found")
    assert (late.status_code, late.json()["error"]) == (422, "card_state_wrong")
    wish = {"business": "MIGRATE", "card_no": number, "to_device_id": (await shop.phone(1)).device_id}
    assert (await shop.ask("POST", "/orders", wish, key="m")).json()["error"] == "card_state_wrong"
    deleted = await shop.order("DELETE", card_no=number)
    assert await phone.run(deleted["session_id"]) == "done"
    told = await shop.follow(deleted)
    assert (told["state"], told["paid_back_fen"], purse(phone)) == ("done", 0, None)
    assert await held(shop, Account.CARD_FLOAT) == await held(shop, Account.DEPOSITS_HELD) == 0
    assert (await shop.opened(phone))["state"] == "done"
    assert purse(phone).balance_fen == 1_000
    await shop.books()


async def test_a_deletion_that_broke_off_is_blocked_too_and_pays_by_itself(shop):
    phone = await shop.phone()
    number = (await shop.opened(phone))["card_no"]
    deleted = await cut_deletion(shop, phone, number)
    await report(shop, number)
    assert await status_of(shop, number) == "03"
    assert (await shop.ask("POST", f"/cards/{number}/found")).json()["status"] == "00"
    assert await phone.run(deleted["session_id"]) == "done"
    assert (await shop.follow(deleted))["paid_back_fen"] == 1_000 + 1_800
    await shop.books()


async def test_a_card_is_locked_anew_each_time_it_is_lost_though_one_return_of_it_is_under_way(shop):
    phone = await shop.phone()
    number = (await shop.opened(phone))["card_no"]
    await cut_deletion(shop, phone, number)
    sessions = []
    for _ in range(3):
        shop.now[0] += timedelta(seconds=1)
        await report(shop, number)
        await report(shop, number)
        sessions.append((await order_of(shop, "LOCK"))["session_id"])
        assert (await shop.ask("POST", f"/cards/{number}/found")).json()["status"] == "00"
    assert len(set(sessions)) == 3
    shop.now[0] += timedelta(seconds=1)
    await report(shop, number)
    assert [await phone.run(one) for one in sessions] == ["cancelled/withdrawn"] * 3
    assert await phone.run((await order_of(shop, "LOCK"))["session_id"]) == "done"
    assert phone.element.image.instances[AID].locked
    await shop.books()


async def test_nobody_elses_card_is_found(shop):
    phone = await shop.phone()
    number = (await shop.opened(phone))["card_no"]
    await report(shop, number)
    assert (await shop.ask("POST", f"/cards/{number}/found", name="bob")).status_code == 404
    with pytest.raises(AppCardUnknown):
        await losing.take_back_for(shop.system, "3104880600000000999")
    await cards.set_status(shop.system.database, number, "01")
    with pytest.raises(CardStateWrong):
        await losing.take_back_for(shop.system, number)


# --- phones that stay away --------------------------------------------------------------------------------------------

LI, WANG = "Li", "Wang"


async def say(shop, order_no: str, who: str, *, credited: bool) -> None:
    stamp = Stamp(shop.now[0], shop.now[0].date(), who)
    await decide.decide(shop.system.database, order_no, credited=credited, reason="the gate's record", stamp=stamp)


async def stays_away(shop, *, credited: bool):
    """A lost phone with a top-up that nobody knows about, at the time when it is for people."""
    phone = await shop.phone()
    number = (await shop.opened(phone))["card_no"]
    topped = await cut_top_up(shop, phone, number, credited=credited)
    shop.now[0] += timedelta(minutes=10)
    await sweep.sweep(shop.system)
    await report(shop, number)
    load = await orders.open_of_card(shop.system.database, number)
    shop.now[0] += timedelta(days=20)
    assert await losing.pay_out(shop.system) == 0
    assert await state_of(shop, load) == "4"  # the phone may still come
    shop.now[0] += timedelta(days=1)
    assert await losing.pay_out(shop.system) == 0
    assert await state_of(shop, load) == "9"
    await shop.login()
    return phone, number, topped, load


async def state_of(shop, order) -> str:
    return (await orders.by_number(shop.system.database, order.order_no)).state.value


async def resumed(shop, topped: dict) -> str:
    await shop.ask("POST", f"/orders/{topped['order_no']}/resume")
    return topped["session_id"]


@pytest.mark.parametrize("on_card", [True, False])
@pytest.mark.parametrize("decided", [True, False])
async def test_people_decide_what_a_phone_that_stays_away_cannot_tell_and_the_claim_pays_it(shop, decided, on_card):
    phone, number, topped, load = await stays_away(shop, credited=on_card)
    await say(shop, load.order_no, LI, credited=decided)
    assert await losing.pay_out(shop.system) == 0  # one is not enough
    await say(shop, load.order_no, WANG, credited=decided)
    assert await losing.pay_out(shop.system) == 1
    assert await losing.pay_out(shop.system) == 0
    assert await held(shop, Account.CARD_FLOAT) == await held(shop, Account.DEPOSITS_HELD) == 0
    await session.give_up_silent(shop.system)
    assert (await shop.follow(topped))["parts"][0]["state"] == ("done" if decided else "unknown")
    refund = await shop.ask("POST", f"/orders/{topped['order_no']}/refund")
    assert refund.status_code == (409 if decided else 200)
    await shop.work(4)
    await shop.books()
    session_id = await resumed(shop, topped)  # and it comes back after all: its session has ended
    assert (await phone.handshake(session_id)).status_code == 404
    assert purse(phone).balance_fen == 1_000 + 500 * on_card
    assert await status_of(shop, number) == "02"
    deleted = await shop.order("DELETE", card_no=number)
    assert await phone.run(deleted["session_id"]) == "done"
    assert purse(phone) is None
    await shop.books()


@pytest.mark.parametrize("credited", [True, False])
@pytest.mark.parametrize("proposed", [True, False])
@pytest.mark.parametrize("business", ["TOPUP", "LOCK"])
async def test_a_phone_that_comes_back_before_people_have_decided_tells_itself(shop, credited, proposed, business):
    phone, _, topped, load = await stays_away(shop, credited=credited)
    if proposed:
        await say(shop, load.order_no, LI, credited=not credited)
    back = await order_of(shop, business)
    await phone.run(await resumed(shop, back))
    assert await state_of(shop, load) == ("8" if credited else "3")
    with pytest.raises(MoveForbidden):
        await say(shop, load.order_no, WANG, credited=not credited)
    assert await losing.pay_out(shop.system) == 1
    assert await held(shop, Account.CARD_FLOAT) == 0
    refund = await shop.ask("POST", f"/orders/{topped['order_no']}/refund")
    assert refund.status_code == (409 if credited else 200)
    await shop.work(4)
    await shop.books()


async def test_a_card_that_is_found_is_not_for_people_any_more(shop):
    phone, number, _, load = await stays_away(shop, credited=True)
    assert (await shop.ask("POST", f"/cards/{number}/found")).json()["status"] == "00"
    topped = await shop.paid(await shop.order("TOPUP", card_no=number, amount_fen=100))
    assert await phone.run(topped["session_id"]) == "done"
    assert await state_of(shop, load) == "8"
    assert purse(phone).balance_fen == 1_600
    shop.now[0] += timedelta(days=90)
    assert await losing.pay_out(shop.system) == 0
    await shop.books()


async def test_an_undecided_top_up_of_a_card_that_is_not_lost_waits_for_its_phone(shop):
    phone = await shop.phone()
    number = (await shop.opened(phone))["card_no"]
    topped = await cut_top_up(shop, phone, number, credited=True)
    shop.now[0] += timedelta(minutes=10)
    await sweep.sweep(shop.system)
    load = await orders.open_of_card(shop.system.database, number)
    shop.now[0] += timedelta(days=365)
    await losing.pay_out(shop.system)
    assert await state_of(shop, load) == "4"
    await shop.login()
    await report(shop, number)
    await losing.pay_out(shop.system)
    assert await state_of(shop, load) == "4"  # the claim's own time counts
    assert await phone.run(await resumed(shop, topped)) == "done"
    await shop.books()


@pytest.mark.parametrize("debited", [True, False])
async def test_a_deletion_whose_phone_stays_away_is_decided_by_people_too(shop, debited):
    phone = await shop.phone()
    number = (await shop.opened(phone))["card_no"]
    await cut_deletion(shop, phone, number)
    shop.now[0] += timedelta(minutes=10)
    await sweep.sweep(shop.system)
    await report(shop, number)
    begun = await orders.open_of_card(shop.system.database, number)
    shop.now[0] += timedelta(days=21)
    assert await losing.pay_out(shop.system) == 0
    for who in (LI, WANG):
        await say(shop, begun.order_no, who, credited=debited)
    if not debited:  # then the books pay, as for any lost card
        assert await losing.pay_out(shop.system) == 0
        shop.now[0] += timedelta(days=7)
        assert await losing.pay_out(shop.system) == 1
    assert await held(shop, Account.CARD_FLOAT) == await held(shop, Account.DEPOSITS_HELD) == 0
    assert await status_of(shop, number) == "02"
    await shop.books()
