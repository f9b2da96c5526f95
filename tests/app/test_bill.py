"""The day's bill against the books: payments, refunds, what went back by itself; each way of not agreeing is told."""

from datetime import date, timedelta

import bill_files
from tongka.errors import Failed
from tongka.journeys.app.bill import Difference, compare
from tongka.payments.bills import read_bill

ISSUER = "90000001"
DAY = date(2026, 3, 2)


async def differences(shop, day: date = DAY, acquirer: str = "sandbox", bill: bytes | None = None):
    async def fetch(wanted: date):
        if bill is not None and wanted != day:
            raise Failed("only one bill is to be had")
        return read_bill(acquirer, await shop.system.acquirers["sandbox"].bill(wanted) if bill is None else bill)

    return await compare(shop.system.database, acquirer, day, fetch)


async def opening(shop, number: int = 0) -> dict:
    phone = await shop.phone(number)
    return await shop.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id, amount_fen=1_000)


async def refunded(shop, order: dict) -> None:
    assert (await shop.ask("POST", f"/orders/{order['order_no']}/refund")).status_code == 200
    await shop.work(3)


async def test_payments_and_both_parts_of_a_refund_agree_with_the_tills_bill(shop):
    first, second = await opening(shop), await opening(shop, 1)
    await shop.paid(first)
    await shop.paid(second)
    await refunded(shop, second)
    lines = read_bill("sandbox", await shop.system.acquirers["sandbox"].bill(DAY))
    assert sorted((one.kind, one.amount_fen) for one in lines) == [
        ("payment", 3_000), ("payment", 3_000), ("refund", 1_000), ("refund", 2_000),
    ]  # fmt: skip
    assert await differences(shop) == []
    assert await differences(shop, DAY + timedelta(days=1)) == []


async def test_what_went_back_by_itself_agrees_too(shop):
    order = await opening(shop)
    await shop.temper(delay_ms=30_000)
    await shop.ask("POST", f"/orders/{order['order_no']}/pay", {"acquirer": "sandbox"})
    await shop.ask("POST", f"/orders/{order['order_no']}/refund")
    await shop.work(4)
    lines = read_bill("sandbox", await shop.system.acquirers["sandbox"].bill(DAY))
    assert [one.kind for one in lines] == ["payment", "refund"]
    assert await differences(shop) == []


async def test_the_refunds_of_a_payout_agree_too_and_one_that_is_not_known_yet_is_no_difference(shop):
    phone = await shop.phone()
    opened = await shop.opened(phone, 1_000)
    for _ in range(2):
        top = await shop.paid(await shop.order("TOPUP", card_no=opened["card_no"], amount_fen=500))
        assert await phone.run(top["session_id"]) == "done"
    deleted = await shop.order("DELETE", card_no=opened["card_no"])
    assert await phone.run(deleted["session_id"]) == "done"
    await shop.temper(unknown_percent=100)
    await shop.work(3)  # some are carried out, and nobody has heard of it
    assert await differences(shop) == []
    await shop.temper()
    await shop.work(2)
    bill = await shop.system.acquirers["sandbox"].bill(DAY)
    back = [one for one in read_bill("sandbox", bill) if one.kind == "refund"]
    assert sum(one.amount_fen for one in back) == 1_000 + 500 + 500 + 1_800
    assert len(back) == 3
    assert await differences(shop) == []
    less = bill.replace(f"refund,{back[0].number},".encode(), b"refund,X,")
    told = {(one.why, one.number) for one in await differences(shop, bill=less)}
    assert told == {("missing_here", "X"), ("missing_there", back[0].number)}


async def test_every_way_of_not_agreeing_is_told(shop):
    order = await opening(shop)
    number = order["order_no"]
    header = "kind,number,payment_no,trade_no,amount_fen\n"
    await shop.ask("POST", f"/orders/{number}/pay", {"acquirer": "sandbox"})
    paid = f"payment,{number},{number},T,3000\n"
    here = Difference("missing_here", "payment", number, 3_000, 0)
    assert await differences(shop, bill=(header + paid).encode()) == [here]  # begun, and not paid as far as we know
    await shop.work()
    assert await differences(shop, bill=(header + paid).encode()) == []
    assert await differences(shop, bill=b"") == [Difference("missing_there", "payment", number, 0, 3_000)]
    for other in (paid.replace("3000", "2999"), paid + paid):
        [told] = await differences(shop, bill=(header + other).encode())
        assert (told.why, told.books_fen) == ("other_amount", 3_000)
    refund = f"refund,R1,{number},T,500\n"
    strange = "payment,X,X,T,7\n"
    assert await differences(shop, bill=(header + paid + refund + strange).encode()) == [
        Difference("missing_here", "refund", "R1", 500, 0),
        Difference("missing_here", "payment", "X", 7, 0),
    ]


async def test_what_is_decided_after_midnight_stands_in_the_bill_of_the_day_before(shop):
    shop.now[0] = shop.now[0].replace(hour=23, minute=58)
    order = await opening(shop)
    await shop.paid(order)
    await refunded(shop, order)  # decided on the third
    assert shop.now[0].date() == DAY + timedelta(days=1)
    assert await differences(shop) == []
    assert await differences(shop, DAY + timedelta(days=1)) == []
    late = await differences(shop, DAY + timedelta(days=1), bill=b"")
    assert {(one.why, one.kind) for one in late} >= {("missing_there", "payment")}


async def test_bills_of_alipay_and_wechat_pay_are_compared_with_their_own_payments(shop):
    for acquirer, file in (("alipay", bill_files.alipay), ("wechat", bill_files.wechat)):
        order = await opening(shop)
        await shop.paid(order)
        await refunded(shop, order)
        await shop.system.database.execute(
            "UPDATE payment SET acquirer = $2 WHERE order_no = $1", order["order_no"], acquirer
        )
        rows = [(order["order_no"], "30.00", "")]
        missing = await differences(shop, acquirer=acquirer, bill=file(*rows))
        assert {(one.why, one.kind, one.books_fen) for one in missing} == {
            ("missing_there", "refund", 1_000), ("missing_there", "refund", 2_000),
        }  # fmt: skip
        rows += [(order["order_no"], f"{one.books_fen // 100}.00", one.number) for one in missing]
        assert await differences(shop, acquirer=acquirer, bill=file(*rows)) == []
