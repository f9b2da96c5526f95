"""Virtual cards, reports of rides and the blacklist, over the gateway."""

import itertools
import random
from datetime import timedelta

import pytest

from tongka.code.blacklist import read_blacklist
from tongka.code.layout import Format, parse_code
from tongka.crypto import sm2
from tongka.errors import BadSignature
from tongka.journeys import gate_lists, ride_code
from tongka.store import riders

RICH, POOR, EMPTY = "2088000000000001", "2088000000000002", "2088000000000003"
CARD_TYPE, PLAIN = "GJ330500", "ANT00001"


def told(action="ISSUE", **changes):
    usual = {
        "action": action,
        "user_id": RICH,
        "card_type": CARD_TYPE,
        "card_no": "C0001",
        "last_update_time": "2026-03-02 11:00:00",
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


async def send(gateway, *arguments, **changes):
    return await gateway.ask("virtualcard.send", told(*arguments, **changes))


async def cards(gateway, **asked):
    node = await gateway.ask("virtualcard.batchquery", asked)
    assert node["code"] == "10000", node
    return node["card_models"]


def failed(node, sub_error_code):
    assert (node["code"], node["sub_code"], node["sub_error_code"]) == ("40004", "FAIL", sub_error_code)
    assert node["err_message"] == node["error_message"]
    assert node["card_no"]


async def test_a_card_lives_from_issue_to_revoke(gateway):
    issued = await send(gateway, balance="012.30", card_data="0a0B", ext_info={"city_code": "330500"})
    assert {"user_id": RICH, "card_type": CARD_TYPE, "card_no": "C0001"}.items() <= issued.items()
    [card] = await cards(gateway, user_id=RICH)
    assert card == {
        "balance": "012.30",
        "card_data": "0a0B",
        "card_no": "C0001",
        "card_status": "NORMAL",
        "card_type": CARD_TYPE,
        "ext_info": '{"city_code":"330500"}',
        "last_update_time": "2026-03-02 11:00:00",
        "status_code": "",
        "status_msg": "",
        "user_id": RICH,
    }
    later = {"last_update_time": "2026-03-02 11:00:01"}
    assert (await send(gateway, "UPDATE", balance=7, **later))["code"] == "10000"
    [card] = await cards(gateway, card_no="C0001")
    assert (card["balance"], card["card_data"]) == ("7", "0a0B")
    for _ in range(2):
        assert (await send(gateway, "REVOKE", last_update_time="2026-03-02 11:00:02"))["code"] == "10000"
    assert await cards(gateway, user_id=RICH) == []
    [card] = await cards(gateway, user_id=RICH, include_deleted=True)
    assert card["card_status"] == "DELETED"
    failed(await send(gateway, "UPDATE", last_update_time="2026-03-02 11:00:03"), "CARD_NOT_EXIST")


async def test_the_same_issue_again_is_a_success_and_an_older_message_is_stale(gateway):
    for _ in range(2):
        assert (await send(gateway))["code"] == "10000"
    for action in ("ISSUE", "UPDATE", "REVOKE"):
        failed(await send(gateway, action, last_update_time="2026-03-02 10:59:59"), "STALE_UPDATE")


async def test_a_time_to_come_is_refused_and_changes_nothing(gateway):
    await send(gateway)
    for seconds, code in ((1, "40004"), (0, "10000")):
        ahead = gateway.now[0] + timedelta(days=1, seconds=seconds)
        node = await send(gateway, "UPDATE", last_update_time=ahead.strftime("%Y-%m-%d %H:%M:%S"))
        assert (node["code"], node.get("sub_code")) == (code, "ILLEGAL_PARAMS" if seconds else None)
        assert not seconds or "last_update_time" in node["sub_msg"]


async def test_what_is_not_there_and_what_is_anothers(gateway):
    for action in ("UPDATE", "REVOKE"):
        failed(await send(gateway, action), "CARD_NOT_EXIST")
    await send(gateway)
    failed(await send(gateway, user_id=POOR), "CARD_NO_TAKEN")
    failed(await send(gateway, "UPDATE", user_id=POOR, last_update_time="2026-03-02 12:00:00"), "CARD_NOT_EXIST")
    failed(await send(gateway, user_id="2088999999999999", card_no="C2"), "USER_NOT_EXIST")
    failed(await send(gateway, card_type="GJ999999"), "CARD_TYPE_NOT_EXIST")
    failed(await send(gateway, card_type=PLAIN), "CARD_TYPE_NOT_EXIST")


async def test_messages_in_any_order_leave_the_card_as_the_newest_says(gateway):
    messages = [
        told(balance="1.00"),
        told("UPDATE", balance="2.00", last_update_time="2026-03-02 11:00:01"),
        told("UPDATE", balance="3.00", last_update_time="2026-03-02 11:00:02"),
    ]
    for number, order in enumerate(itertools.permutations(messages[1:])):
        card_no = f"C{number}"
        for message in (messages[0], *order, *order):
            await gateway.ask("virtualcard.send", message | {"card_no": card_no})
        [card] = await cards(gateway, card_no=card_no)
        assert card["balance"] == "3.00"


async def test_a_disabled_card_says_why_and_makes_no_codes(gateway):
    missing = await send(gateway, disabled=True)
    assert (missing["sub_code"], "disabled_tips" in missing["sub_msg"]) == ("ILLEGAL_PARAMS", True)
    await send(gateway, disabled=True, disabled_code="CARD_OVERDUE", disabled_tips="余额不足")
    [card] = await cards(gateway, user_id=RICH)
    assert (card["card_status"], card["status_code"], card["status_msg"]) == ("DISABLED", "CARD_OVERDUE", "余额不足")
    with pytest.raises(ride_code.VirtualCardDisabled, match="余额不足"):
        await gateway.code(card_no="C0001")
    await send(gateway, "UPDATE", disabled=False, last_update_time="2026-03-02 11:00:01")
    [card] = await cards(gateway, user_id=RICH)
    assert (card["card_status"], card["status_code"], card["status_msg"]) == ("NORMAL", "", "")


@pytest.mark.parametrize("kind", list(Format))
async def test_card_data_is_passed_through_into_the_code(gateway, kind):
    await send(gateway, card_no="12345678", card_data="00FF10")
    code = parse_code(await gateway.code(kind=kind, card_no="12345678"))
    assert (code.card_no, code.card_data) == ("12345678", bytes.fromhex("00FF10"))
    assert code.card_type == ("" if kind is Format.MINISTRY else CARD_TYPE)
    [result] = await gateway.settle(gateway.trade(gateway.record(code.raw)))
    assert result["result"] == "SUCCESS"


async def test_fields_of_another_form_are_refused_by_name(gateway):
    wrong = {
        "action": "DELETE",
        "user_id": "",
        "card_type": "",
        "card_no": "卡",
        "card_data": "0",
        "balance": "1.234",
        "disabled": "yes",
        "disabled_code": "OTHER",
        "disabled_tips": "x" * 257,
        "ext_info": "x" * 4097,
        "last_update_time": "2026-03-02",
    }
    for name, value in wrong.items():
        node = await send(gateway, **{name: value})
        assert (node["code"], node["sub_code"]) == ("40004", "ILLEGAL_PARAMS"), name
        assert name in node["sub_msg"]
    for name in ("action", "user_id", "card_type", "card_no", "last_update_time"):
        node = await send(gateway, **{name: None})
        assert name in node["sub_msg"]
    assert await cards(gateway) == []


# --- reports ----------------------------------------------------------------------------------------------------------

REPORT = {
    "type": "order",
    "biz_no": "201701655223232414",
    "amount": 1.5,
    "subject": "公交-000路",
    "biz_time": "2026-03-02 11:22:33",
    "asset_name": "ALIPAY",
    "city_name": "湖州",
    "line_name": "64路公交",
    "start_station_name": "龙翔桥",
    "vehicle_type": "BUS",
    "partner_name": "市民卡",
    "partner_id": "2088000000000009",
}


def report(info, **changes):
    usual = {
        "scene_code": "vechile_order",
        "op_code": "data_save",
        "channel": "hzcard",
        "target_id": RICH,
        "version": "2.0",
        "op_data": {"info": info},
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


async def test_a_report_is_kept_once_and_told_to_the_rider(gateway):
    for _ in range(2):
        assert (await gateway.ask("alipay.commerce.data.send", report([REPORT])))["code"] == "10000"
    assert [one.subject for one in await riders.messages(gateway.database, RICH)] == ["公交-000路"]
    kept = await gateway.database.read_value("SELECT report ->> 'amount' FROM ride_report")
    assert kept == "1.5"


async def test_every_required_field_of_a_report_is_asked_for_by_name(gateway):
    for name in REPORT.keys() - {"amount"}:
        node = await gateway.ask(
            "alipay.commerce.data.send", report([REPORT, {k: v for k, v in REPORT.items() if k != name}])
        )
        assert (node["code"], node["sub_code"]) == ("40004", "ILLEGAL_PARAMS")
        assert name in node["sub_msg"]
    for name in ("scene_code", "op_code", "channel", "target_id", "version", "op_data"):
        node = await gateway.ask("alipay.commerce.data.send", report([REPORT], **{name: None}))
        assert name in node["sub_msg"]
    for wrong in ({"vehicle_type": "TRAM"}, {"amount": "abc"}, {"amount": "-1"}):
        node = await gateway.ask("alipay.commerce.data.send", report([REPORT | wrong]))
        assert (node["sub_code"], next(iter(wrong)) in node["sub_msg"]) == ("ILLEGAL_PARAMS", True)
    for bad in ({}, {"info": []}, {"info": ["x"]}, "{", "[]", 5):
        node = await gateway.ask("alipay.commerce.data.send", report([], op_data=bad))
        assert node["sub_code"] == "ILLEGAL_PARAMS", bad
    assert await riders.messages(gateway.database, RICH) == []


# --- blacklist --------------------------------------------------------------------------------------------------------


async def test_the_blacklist_comes_in_pages_and_signed_for_gates(gateway):
    key = sm2.PublicKey(await gateway.system.hsm.public_key(gate_lists.ENDPOINT))
    before = read_blacklist((await gate_lists.blacklist(gateway.system)).contents, key)
    assert before.user_ids == ()
    listed = [RICH, POOR, EMPTY]
    for user in random.sample(listed, 3):
        await riders.put_on_blacklist(gateway.database, user, gateway.now[0])
    pages = [(await gateway.ask("userblacklist.query", {"page_index": n, "page_size": 2})) for n in (1, 2, 3)]
    assert [page["black_list"] for page in pages] == [listed[:2], listed[2:], []]
    document = (await gate_lists.blacklist(gateway.system)).contents
    now = read_blacklist(document, key)
    assert now.user_ids == tuple(listed)
    assert now.version == before.version + 3
    with pytest.raises(ride_code.RiderBlacklisted):
        await gateway.code()
    for at in range(0, 8 * len(document), 5):
        changed = bytearray(document)
        changed[at // 8] ^= 1 << at % 8
        if changed.upper() != document.upper():  # the case of a hex digit says nothing
            with pytest.raises(BadSignature):
                read_blacklist(bytes(changed), key)
    assert await riders.take_off_blacklist(gateway.database, RICH)
    assert await gateway.code()


async def test_pages_outside_the_limits(gateway):
    for asked in ({"page_index": 0}, {"page_size": 0}, {"page_size": 1001}, {"page_index": "x"}):
        assert (await gateway.ask("userblacklist.query", asked))["sub_code"] == "ILLEGAL_PARAMS"
    assert (await gateway.ask("userblacklist.query", {"page_index": "1", "page_size": "1000"}))["black_list"] == []
