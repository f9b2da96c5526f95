"""Paying at a till that does not answer, repeats, delays and loses: no double charge, none stuck."""

from datetime import timedelta

import pytest

from tongka.journeys.app import paying
from tongka.payments.till import NAME, notice_of, sign
from tongka.store import ledger, till
from tongka.store.till import TillPayment

ISSUER = "90000001"
ORDERS = 12


async def opening(shop, phone, amount_fen: int = 100) -> dict:
    return await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id, amount_fen=amount_fen)


async def states(shop) -> list[str]:
    return [one["state"] for one in (await shop.ask("GET", "/orders?limit=100")).json()]


@pytest.mark.parametrize("temper", [{"notices": 3}, {"notices": 0}, {"notices": 2, "delay_ms": 90_000}])
async def test_with_30_percent_unknown_answers_every_order_is_paid_once(shop, temper):
    await shop.temper(unknown_percent=30, **temper)
    phone = await shop.phone()
    for _ in range(ORDERS):
        order = await opening(shop, phone)
        ticket = ""
        while not ticket:  # not known whether it began: ask again
            answer = await shop.ask("POST", f"/orders/{order['order_no']}/pay", {"acquirer": "sandbox"})
            ticket = answer.json().get("data")
            if answer.status_code == 409:
                break  # paid meanwhile
    await shop.work(12)
    assert set(await states(shop)) == {"submitted"}
    for order in (await shop.ask("GET", "/orders?limit=100")).json():
        assert (await shop.ask("POST", f"/orders/{order['order_no']}/refund")).status_code == 200
    await shop.work(25)
    assert set(await states(shop)) == {"refunded"}
    kept = [one for one in await ledger.balances(shop.system.database) if one.account > 100]
    assert {one.account: one.debit_fen - one.credit_fen for one in kept} == {one.account: 0 for one in kept}
    refunded = await shop.system.database.read_value("SELECT sum(amount_fen) FROM simulated_refund WHERE paid")
    assert refunded == ORDERS * 2_100
    await shop.books()


async def test_a_payment_that_comes_after_the_cancellation_goes_back(shop):
    phone = await shop.phone()
    await shop.temper(delay_ms=120_000)
    order = await opening(shop, phone)
    await shop.ask("POST", f"/orders/{order['order_no']}/pay", {"acquirer": "sandbox"})
    assert (await shop.ask("POST", f"/orders/{order['order_no']}/refund")).json()["state"] == "cancelled"
    await shop.work(8)
    assert (await shop.follow(order))["state"] == "cancelled"
    paid = await shop.system.database.read_value("SELECT state FROM payment")
    assert paid == "returned"
    await shop.books()


async def test_a_payment_that_is_never_made_is_closed(shop):
    phone = await shop.phone()
    await shop.temper(pays=False)
    order = await opening(shop, phone)
    await shop.ask("POST", f"/orders/{order['order_no']}/pay", {"acquirer": "sandbox"})
    await shop.work(2)
    assert (await shop.follow(order))["state"] == "paying"
    shop.now[0] += timedelta(seconds=paying.EXPIRES_S + paying.GRACE_S)
    await shop.work(1)
    assert (await shop.follow(order))["state"] == "cancelled"
    await shop.books()


async def test_a_forged_notice_and_one_of_another_amount_pay_nothing(shop):
    phone = await shop.phone()
    await shop.temper(pays=False)
    order = await opening(shop, phone)
    await shop.ask("POST", f"/orders/{order['order_no']}/pay", {"acquirer": "sandbox"})
    row = await till.find(shop.system.database, order["order_no"])
    headers, body = notice_of(row)
    for bad_headers, bad_body in (({}, body), (headers, body.replace(b"2100", b"2101")), ({}, b""), (headers, b"{}")):
        answer = await shop.http.post("/app/v1/notices/sandbox", content=bad_body, headers=bad_headers)
        assert answer.status_code == 401
    assert (await shop.http.post("/app/v1/notices/nobody", content=body, headers=headers)).status_code == 409
    other = TillPayment(row.payment_no, row.amount_fen - 1, row.pays_at, row.pays)
    await paying.take_notice(shop.system, NAME, *notice_of(other))
    await shop.work(2)
    assert (await shop.follow(order))["state"] == "paying"
    assert await shop.system.database.read_value("SELECT state FROM payment") == "differs"
    assert sign(b"a") != sign(b"b")
    await shop.books()
