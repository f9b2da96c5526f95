"""The money of a deleted card comes back from the till it was paid at: once, to the fen, whatever dies or is silent."""

import asyncio
import random
import secrets
from datetime import timedelta

import pytest

from seram_agent import Agent
from tongka.card.purse import Moment
from tongka.errors import Malformed
from tongka.journeys.app import losing, payout
from tongka.journeys.refusals import OrderNotFound
from tongka.ledger import Account
from tongka.orders import MoveForbidden
from tongka.payments import Answer
from tongka.sandbox.card.terminal import Terminal
from tongka.store import ledger, payouts
from tongka.store.db import Database
from tongka.store.payouts import PayoutState
from tongka.store.stamp import Stamp

ISSUER = "90000001"
DEPOSIT = 1_800
AID = bytes.fromhex("A000000632010105")
GATE = bytes.fromhex("000033600777")


async def paid_back(shop) -> int:
    """What the till itself says that it has paid back."""
    return await shop.system.database.read_value("SELECT sum(amount_fen)::bigint FROM simulated_refund WHERE paid") or 0


async def held(shop, account: Account) -> int:
    one = await ledger.balance(shop.system.database, account)
    return one.credit_fen - one.debit_fen


async def topped(shop, phone: Agent, card_no: str, amount_fen: int) -> dict:
    order = await shop.paid(await shop.order("TOPUP", card_no=card_no, amount_fen=amount_fen))
    assert await phone.run(order["session_id"]) == "done"
    return order


async def deleted(shop, phone: Agent, card_no: str) -> dict:
    order = await shop.order("DELETE", card_no=card_no)
    assert await phone.run(order["session_id"]) == "done"
    return await shop.follow(order)


def spend(shop, phone: Agent, amount_fen: int) -> None:
    """A ride: a gate debits the purse, and the books have not heard of it yet."""
    purse = phone.element.image.instances[AID].purse
    gate = Terminal(phone.element, purse.suite, purse.keys, GATE)
    gate.select()
    gate.purchase(amount_fen, secrets.token_bytes(4), Moment.of(shop.now[0]))


async def the_payout(shop, card_no: str):
    found = await payouts.of_card(shop.system.database, card_no)
    assert found
    return found


async def settled(shop, order: dict) -> dict:
    """Worked on until nothing is under way."""
    for _ in range(60):
        await shop.login()
        told = await shop.follow(order)
        if told["payout"]["state"] != "sending":
            return told
        await shop.work()
    raise AssertionError(told)


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


@pytest.mark.parametrize("temper", [{"notices": 3}, {"notices": 0}])
async def test_with_30_percent_unknown_answers_each_card_is_paid_out_once(shop, temper):
    total = 0
    orders = []
    for number in range(3):
        phone = await shop.phone(number)
        card_no = (await shop.opened(phone, 1_000))["card_no"]
        await topped(shop, phone, card_no, 700 + number)
        total += 1_000 + 700 + number + DEPOSIT
        orders.append(await deleted(shop, phone, card_no))
    await shop.temper(unknown_percent=30, **temper)
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


class Died(Exception):  # noqa: N818 - it is no error
    """The process is gone."""


def deadly(monkeypatch, nth: int, *, committed: bool) -> list[int]:
    """The nth write from now on kills the worker, before it is sent or after it was committed."""
    left = [nth]

    def arm(name: str) -> None:
        write = getattr(Database, name)

        async def run(self, sql, *arguments):
            left[0] -= 1
            if left[0] == 0 and not committed:
                raise Died
            answer = await write(self, sql, *arguments)
            if left[0] == 0:
                raise Died
            return answer

        monkeypatch.setattr(Database, name, run)

    for name in ("execute", "fetch", "fetchval", "fetchrow", "fetch_joined"):
        arm(name)
    return left


class Interrupted:
    """A till that is asked, and the worker dies before the answer is there: before the till acted, or after."""

    def __init__(self, till, *, acted: bool) -> None:
        self._till, self._acted, self.deaths = till, acted, 1

    def __getattr__(self, name: str):
        return getattr(self._till, name)

    async def refund(self, ask):
        answer = await self._till.refund(ask) if self._acted or not self.deaths else Answer.UNKNOWN
        if self.deaths:
            self.deaths -= 1
            raise Died
        return answer


@pytest.mark.parametrize("committed", [False, True])
async def test_death_at_every_write_of_a_payout_pays_once(shop, monkeypatch, committed):
    total, nth, died = 0, 0, True
    while died:
        nth += 1
        phone = await shop.phone(nth % 4)
        card_no = (await shop.opened(phone, 1_000))["card_no"]
        await topped(shop, phone, card_no, 700)
        order = await deleted(shop, phone, card_no)
        total += 3_500
        with monkeypatch.context() as patched:
            deadly(patched, nth, committed=committed)
            try:
                for _ in range(3):
                    await payout.pay_out(shop.system)
                died = False
            except Died:
                pass
        shop.now[0] += timedelta(seconds=61)
        assert (await settled(shop, order))["payout"] == {"state": "done", "done_fen": 3_500, "owed_fen": 0}
        assert await paid_back(shop) == total
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


class Refusing:
    """A till that takes no refund of some payments."""

    def __init__(self, till, payments: set[str]) -> None:
        self._till, self._payments = till, payments

    def __getattr__(self, name: str):
        return getattr(self._till, name)

    async def refund(self, ask):
        return Answer.NO if ask.payment_no in self._payments else await self._till.refund(ask)


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
    assert order["payout"] == {"state": "owed", "done_fen": 0, "owed_fen": 2_800}  # no payment was made for this card
    await shop.books()


async def test_a_migration_that_comes_to_nothing_pays_out_what_it_took(shop):
    old, new = await shop.phone(), await shop.phone(1)
    card_no = (await shop.opened(old, 1_000))["card_no"]
    moved = await shop.order("MIGRATE", card_no=card_no, to_device_id=new.device_id)
    assert await old.run(moved["session_id"]) == "done"
    await shop.work(2)
    assert (await shop.ask("POST", f"/orders/{moved['order_no']}/refund")).status_code == 200
    await shop.work(4)
    told = await shop.follow(moved)
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
