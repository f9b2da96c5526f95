"""trade.settle: one charge for one code, results for each trade by itself, debts and their recovery."""

import asyncio
from unittest.mock import AsyncMock

import pytest

from tongka.code.layout import Format
from tongka.code.record import Tag, build_record_v3
from tongka.errors import Failed, Unknown
from tongka.ledger import Account
from tongka.store import ledger, riders

RICH, POOR, EMPTY = "2088000000000001", "2088000000000002", "2088000000000003"
PREPAID = "GJ330501"


async def payable(gateway) -> int:
    return (await ledger.balance(gateway.database, Account.MERCHANTS_PAYABLE)).balance_fen


@pytest.mark.parametrize("kind", list(Format))
async def test_a_ride_of_any_format_is_charged(gateway, kind):
    trade = gateway.trade(gateway.record(await gateway.code(kind=kind)))
    [result] = await gateway.settle(trade)
    assert result["result"] == "SUCCESS"
    assert result["need_retry"] is False
    assert result["out_trade_no"] == trade["out_trade_no"]
    assert len(result["trade_no"]) == 28
    assert result["trade_no"].isdecimal()
    assert await gateway.balance(RICH) == (999_800, 0)
    assert await payable(gateway) == 200
    await gateway.books()


async def test_entry_and_exit_are_one_charge(gateway):
    records = [gateway.record(await gateway.code(), pos=pos) for pos in ("in", "out")]
    [result] = await gateway.settle(gateway.trade(*records, amount=4))
    assert result["result"] == "SUCCESS"
    assert await gateway.balance(RICH) == (999_600, 0)


async def test_a_repeat_gets_the_same_result_and_other_contents_none(gateway):
    trade = await gateway.ride()
    [first] = await gateway.settle(trade)
    [again] = await gateway.settle(trade | {"amount": 2})
    assert again == first
    [other] = await gateway.settle(trade | {"amount": "3.00"})
    assert (other["result"], other["error_code"], other["need_retry"]) == ("FAIL", "OUT_TRADE_NO_REPEATED", False)
    [still] = await gateway.settle(trade)
    assert still == first
    assert await gateway.balance(RICH) == (999_800, 0)


async def test_copies_of_one_code_at_a_thousand_gates_are_charged_once(gateway):
    code = await gateway.code()
    trades = [gateway.trade(gateway.record(code, pos=f"gate-{n}")) for n in range(1000)]
    calls = [trades[n : n + 50] for n in range(0, 1000, 50)]
    results = [one for part in await asyncio.gather(*(gateway.settle(*call) for call in calls)) for one in part]
    assert [one["result"] for one in results].count("SUCCESS") == 1
    assert {one["error_code"] for one in results if one["result"] == "FAIL"} == {"QRCODE_SETTLED"}
    assert await gateway.balance(RICH) == (999_800, 0)
    await gateway.books()


async def test_one_trade_sent_by_many_at_once_is_charged_once_and_answered_alike(gateway):
    trade = await gateway.ride()
    results = await asyncio.gather(*(gateway.settle(trade) for _ in range(20)))
    assert {one["trade_no"] for [one] in results} == {results[0][0]["trade_no"]}
    assert await gateway.balance(RICH) == (999_800, 0)


async def test_one_number_for_two_riders_at_once_settles_one(gateway):
    rides = [await gateway.ride(user, out_trade_no="SAME") for user in (RICH, POOR)] * 10
    results = [one for [one] in await asyncio.gather(*(gateway.settle(ride) for ride in rides))]
    assert len({one.get("trade_no") for one in results if one["result"] == "SUCCESS"}) == 1
    assert await payable(gateway) == 200
    await gateway.books()


async def test_a_record_id_counts_once_for_a_gate(gateway):
    first, second = [gateway.record(await gateway.code(), record_id="same") for _ in range(2)]
    elsewhere = gateway.record(await gateway.code(), pos="gate-2", record_id="same")
    results = await gateway.settle(*(gateway.trade(record) for record in (first, second, elsewhere)))
    assert [one["result"] for one in results] == ["SUCCESS", "FAIL", "SUCCESS"]
    assert results[1]["error_code"] == "RECORD_SETTLED"


async def test_records_of_version_3_may_come_without_ids(gateway):
    trades = []
    for _ in range(2):
        parts = {Tag.PROTOCOL: b"\x03", Tag.CODE: await gateway.code(), Tag.CONSUMPTION_TYPE: b"1"}
        at = int(gateway.now[0].timestamp()).to_bytes(4, "big")
        trades.append(gateway.trade(build_record_v3(parts | {Tag.TIME: at}, RICH)))
    assert [one["result"] for one in await gateway.settle(*trades)] == ["SUCCESS", "SUCCESS"]
    again = await gateway.settle(*(trade | {"out_trade_no": f"again {n}"} for n, trade in enumerate(trades)))
    assert {one["error_code"] for one in again} == {"RECORD_SETTLED"}


async def test_a_bad_trade_does_not_hide_the_others(gateway):
    good = await gateway.ride()
    broken = gateway.trade("00" * 40)
    formless = {"out_trade_no": "no-amount"}
    results = await gateway.settle(broken, good, formless, "nonsense")
    assert [one["result"] for one in results] == ["FAIL", "SUCCESS", "FAIL", "FAIL"]
    assert [one["out_trade_no"] for one in results] == [broken["out_trade_no"], good["out_trade_no"], "no-amount", ""]
    assert all(one["need_retry"] is False for one in results)


async def test_amounts_of_another_form_are_refused(gateway):
    amounts = ["0", "0.00", 0, "-1", "1.001", 1.005, "abc", "", "1e2", "１", "99999999999"]
    for amount in amounts:
        [result] = await gateway.settle(await gateway.ride(amount=amount))
        assert (result["result"], result["error_code"]) == ("FAIL", "ILLEGAL_PARAMS"), amount
        assert "amount" in result["message"]


async def test_amounts_are_yuan_as_text_or_number(gateway):
    left = 1_000_000
    for amount, fen in (("2.0", 200), (2, 200), (2.5, 250), ("0.01", 1), ("20", 2000)):
        [result] = await gateway.settle(await gateway.ride(amount=amount))
        left -= fen
        assert result["result"] == "SUCCESS"
        assert await gateway.balance(RICH) == (left, 0)


async def test_names_in_records_that_no_database_keeps_spoil_their_own_trade_only(gateway):
    code = await gateway.code()
    trades = [
        gateway.trade(gateway.record(code, pos="a\0")),
        gateway.trade(gateway.record(code, record_id="\ud800")),
        gateway.trade(gateway.record(code, pos="闸机 1")),
    ]
    assert [one["result"] for one in await gateway.settle(*trades)] == ["FAIL", "FAIL", "SUCCESS"]


@pytest.mark.parametrize("error", [Unknown("the connection broke"), Failed("no connection")])
async def test_when_nobody_knows_the_merchant_is_told_to_ask_again(gateway, monkeypatch, error):
    trade = await gateway.ride()
    with monkeypatch.context() as broken:
        broken.setattr("tongka.journeys.ride.rides.settle", AsyncMock(side_effect=error))
        [result] = await gateway.settle(trade)
    assert (result["result"], result["error_code"], result["need_retry"]) == ("UNKNOWN", "UNKNOWN", True)
    assert result["next_retry_time"] == result["next_try_time"] == "2026-03-02 13:00:00"
    assert (await gateway.settle(trade))[0]["result"] == "SUCCESS"
    assert await gateway.balance(RICH) == (999_800, 0)


async def test_above_the_codes_limit(gateway):
    [result] = await gateway.settle(await gateway.ride(amount="20.01"))
    assert (result["result"], result["error_code"]) == ("FAIL", "QUOTA_EXCEEDED")


async def refused(gateway, *records, error_code, **changes):
    trade = gateway.trade(*records, **changes)
    for _ in range(2):  # and the first result stays
        [result] = await gateway.settle(trade)
        assert (result["result"], result["error_code"], result["need_retry"]) == ("FAIL", error_code, False)
        assert "next_retry_time" not in result
    assert await gateway.balance(RICH) == (1_000_000, 0)
    await gateway.books()


async def test_a_code_that_had_expired_when_it_was_shown(gateway):
    code = await gateway.code()
    gateway.pass_time(seconds=600 + 21)
    await refused(gateway, gateway.record(code), error_code="QRCODE_INFO_EXPIRED")


async def test_a_record_from_before_its_code(gateway):
    code = await gateway.code()
    gateway.pass_time(seconds=-21)
    await refused(gateway, gateway.record(code), error_code="QRCODE_INFO_EXPIRED")


async def test_a_record_from_the_future(gateway):
    code = await gateway.code()
    gateway.pass_time(seconds=60)
    record = gateway.record(code)
    gateway.pass_time(seconds=-60 + 20)
    await refused(gateway, record, error_code="RECORD_TIME_ILLEGAL")


async def test_a_trade_that_comes_after_the_longest_settlement_time(gateway):
    record = gateway.record(await gateway.code())
    day = gateway.now[0].strftime("%Y-%m-%d %H:%M:%S")
    gateway.pass_time(days=7, seconds=1)
    await refused(gateway, record, error_code="TRADE_EXPIRED", actual_order_time=day)
    await refused(gateway, record, error_code="TRADE_EXPIRED")  # a young trade of an old record


async def test_a_trade_a_week_old_is_settled(gateway):
    trade = await gateway.ride()
    gateway.pass_time(days=7)
    assert (await gateway.settle(trade))[0]["result"] == "SUCCESS"


async def test_a_trade_from_the_future(gateway):
    gateway.pass_time(minutes=5)
    later = gateway.now[0].strftime("%Y-%m-%d %H:%M:%S")
    gateway.pass_time(minutes=-5)
    record = gateway.record(await gateway.code())
    await refused(gateway, record, error_code="TRADE_TIME_ILLEGAL", actual_order_time=later)


async def test_two_records_of_one_id(gateway):
    records = [gateway.record(await gateway.code(), record_id="one") for _ in range(2)]
    await refused(gateway, *records, error_code="RECORD_REPEATED")


async def test_a_ride_of_more_legs_rests_on_more_records(gateway):
    records = [gateway.record(await gateway.code()) for _ in range(4)]
    [result] = await gateway.settle(gateway.trade(*records))
    assert result["result"] == "SUCCESS"
    await gateway.books()


@pytest.mark.parametrize("number", [0, 17])
async def test_no_records_or_too_many(gateway, number):
    records = [gateway.record(await gateway.code()) for _ in range(number)]
    await refused(gateway, *records, error_code="ILLEGAL_PARAMS")


async def test_another_users_record(gateway):
    await refused(gateway, gateway.record(await gateway.code(POOR)), error_code="USER_NOT_MATCH")


async def test_a_rider_who_is_not_on_the_books(gateway):
    trade = await gateway.ride(EMPTY)
    await gateway.database.execute("DELETE FROM rider WHERE user_id = $1", EMPTY)
    [result] = await gateway.settle(trade)
    assert (result["result"], result["error_code"], result["need_retry"]) == ("FAIL", "USER_NOT_EXIST", False)


async def test_a_card_type_that_is_not_registered_any_more(gateway):
    record = gateway.record(await gateway.code())
    await gateway.database.execute("DELETE FROM ride_card_type WHERE card_type = 'ANT00001'")
    await refused(gateway, record, error_code="CARDTYPE_UNSUPPORTED")


async def test_a_seller_who_is_not_of_this_application(gateway):
    record = gateway.record(await gateway.code())
    await refused(gateway, record, error_code="SELLER_NOT_EXIST", seller_login_name="else@example.com")


async def test_a_flipped_bit_in_a_record(gateway):
    whole = gateway.record(await gateway.code())
    for at in range(len(whole) // 2):
        record = bytearray.fromhex(whole)
        record[at] ^= 1 << at % 8
        [result] = await gateway.settle(gateway.trade(record.hex()))
        assert result["result"] == "FAIL", at
    assert await gateway.balance(RICH) == (1_000_000, 0)


# --- money ------------------------------------------------------------------------------------------------------------


async def test_who_is_short_owes_and_pays_back_with_the_next_supply(gateway):
    results = await gateway.settle(*[await gateway.ride(POOR, "4.00") for _ in range(4)])
    assert [one["result"] for one in results] == ["SUCCESS"] * 3 + ["FAIL"]
    assert await gateway.balance(POOR) == (0, 900)
    assert results[3]["error_code"] == "BALANCE_NOT_ENOUGH"
    assert results[3]["need_retry"] is True
    assert results[3]["next_retry_time"] == results[3]["next_try_time"] == "2026-03-02 13:00:00"
    assert (await riders.blacklist(gateway.database)).user_ids == [POOR]
    await gateway.books()

    supply = {"reference": "s1", "stamp": gateway.stamp, "source": Account.RECEIVABLE_ALIPAY}
    assert (await riders.supply(gateway.database, POOR, 500, **supply)).debt_fen == 400
    assert (await riders.supply(gateway.database, POOR, 500, **supply)).debt_fen == 400
    supplied = await riders.supply(gateway.database, POOR, 900, **supply | {"reference": "s2"})
    assert (supplied.balance_fen, supplied.debt_fen, supplied.blacklisted) == (500, 0, "")
    assert await payable(gateway) == 1_200
    await gateway.books()


async def test_a_trade_that_waits_is_charged_when_the_money_is_there(gateway):
    trade = await gateway.ride(EMPTY, "11.00")
    [waits] = await gateway.settle(trade)
    assert (waits["result"], waits["need_retry"]) == ("FAIL", True)
    await riders.supply(
        gateway.database, EMPTY, 1_500, reference="s", stamp=gateway.stamp, source=Account.RECEIVABLE_ALIPAY
    )
    gateway.pass_time(hours=1)
    [result] = await gateway.settle(trade)
    assert result["result"] == "SUCCESS"
    assert await gateway.balance(EMPTY) == (400, 0)
    assert (await gateway.settle(trade))[0] == result
    await gateway.books()


async def test_a_trade_that_waits_too_long_is_refused(gateway):
    trade = await gateway.ride(EMPTY, "11.00")
    await gateway.settle(trade)
    gateway.pass_time(days=7, seconds=1)
    [result] = await gateway.settle(trade)
    assert (result["error_code"], result["need_retry"]) == ("TRADE_EXPIRED", False)


async def test_no_debt_without_an_agreement(gateway):
    await riders.end_agreement(gateway.database, EMPTY, "ANT00001", gateway.now[0])
    [result] = await gateway.settle(await gateway.ride(EMPTY, "0.01"))
    assert (result["error_code"], result["need_retry"]) == ("BALANCE_NOT_ENOUGH", True)
    assert await gateway.balance(EMPTY) == (0, 0)


async def test_a_prepaid_card_makes_no_debt(gateway):
    issued = {
        "action": "ISSUE",
        "user_id": POOR,
        "card_type": PREPAID,
        "card_no": "C1",
        "last_update_time": "2026-03-02 11:00:00",
    }
    assert (await gateway.ask("virtualcard.send", issued))["code"] == "10000"
    codes = [await gateway.code(POOR, card_no="C1") for _ in range(2)]
    results = await gateway.settle(*(gateway.trade(gateway.record(code), user=POOR) for code in codes))
    assert [one["result"] for one in results] == ["SUCCESS", "FAIL"]
    assert await gateway.balance(POOR) == (100, 0)


async def test_many_at_once_never_overdraw_a_rider(gateway):
    await riders.end_agreement(gateway.database, POOR, "ANT00001", gateway.now[0])
    rides = [await gateway.ride(POOR, "1.00") for _ in range(20)]
    results = await asyncio.gather(*(gateway.settle(ride) for ride in rides))
    assert [one["result"] for [one] in results].count("SUCCESS") == 3
    assert await gateway.balance(POOR) == (0, 0)
    await gateway.books()


async def test_the_rider_is_told(gateway):
    await gateway.settle(await gateway.ride(amount="2.50"))
    told = await riders.messages(gateway.database, RICH)
    assert [(one.subject, one.body) for one in told] == [("公交-19路", "2.50 元")]
