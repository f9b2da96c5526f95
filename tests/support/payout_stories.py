"""What the tests of payouts share: cards with payments and rides, workers that die, a till that refuses."""

import secrets
from datetime import timedelta

from seram_agent import Agent
from tongka.card.purse import Moment
from tongka.journeys.app import payout
from tongka.ledger import Account
from tongka.payments import Answer
from tongka.sandbox.card.terminal import Terminal
from tongka.store import ledger, payouts
from tongka.store.db import Database

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


async def migrated(shop, old: Agent, new: Agent, card_no: str) -> str:
    """The card's number in the new phone."""
    order = await shop.order("MIGRATE", card_no=card_no, to_device_id=new.device_id)
    assert await old.run(order["session_id"]) == "done"
    await shop.work(2)
    order = await shop.follow(order)
    assert await new.run(order["session_id"]) == "done"
    await shop.work(2)
    return order["card_no"]


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


async def bought(shop, phone: Agent, business: str, **wish: object) -> dict:
    """An order that is paid at last, whatever the till leaves unanswered."""
    order = await shop.order(business, **wish)
    for _ in range(40):
        await shop.ask("POST", f"/orders/{order['order_no']}/pay", {"acquirer": "sandbox"})
        await shop.work()
        if (await shop.follow(order))["session_id"]:
            break
    order = await shop.follow(order)
    assert await phone.run(order["session_id"]) == "done"
    return await shop.follow(order)


class Died(Exception):  # noqa: N818 - it is no error
    """The process is gone."""


class Deadly:
    """Turns of a worker, of which the nth write kills it: before it is sent, or after it was committed."""

    def __init__(self, monkeypatch, nth: int, *, committed: bool) -> None:
        self._monkeypatch, self._left, self._committed = monkeypatch, nth, committed
        self.died = False

    async def turn(self, shop) -> None:
        with self._monkeypatch.context() as patched:
            for name in ("execute", "fetch", "fetchval", "fetchrow", "fetch_joined"):
                patched.setattr(Database, name, self._armed(getattr(Database, name)))
            try:
                await payout.pay_out(shop.system)
            except Died:
                self.died = True
        shop.now[0] += timedelta(seconds=61)

    def _armed(self, write):
        async def run(database, sql, *arguments):
            self._left -= 1
            if self._left == 0 and not self._committed:
                raise Died
            answer = await write(database, sql, *arguments)
            if self._left == 0:
                raise Died
            return answer

        return run


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


class Refusing:
    """A till that takes no refund of some payments."""

    def __init__(self, till, payments: set[str]) -> None:
        self._till, self._payments = till, payments

    def __getattr__(self, name: str):
        return getattr(self._till, name)

    async def refund(self, ask):
        return Answer.NO if ask.payment_no in self._payments else await self._till.refund(ask)
