"""IF4 and IF5 to the letter: what is taken, what is refused, and how."""

import asyncio
import json
from dataclasses import replace

import httpx
import pytest
from msgspec import structs
from starlette.applications import Starlette

from tongka.crypto import sm2
from tongka.journeys.wallet import session as sessions
from tongka.partners.huawei import serve
from tongka.payments import Answer
from tongka.store import parties
from tongka.store.parties import Party

OPEN = {"businessType": "OPEN", "serverOrderId": "S1", "issuerId": "90000001", "amount": 100}


def body_of(phone, **changes) -> bytes:
    return json.dumps(OPEN | {"deviceId": phone.device_id} | changes).encode()


# --- IF4 --------------------------------------------------------------------------------------------------------------


async def test_an_order_is_taken_once_however_it_is_written(world, phones):
    phone = await phones.new()
    body = body_of(phone)
    answers = await asyncio.gather(*(phone.post("/wallet/order", body) for _ in range(5)))
    spaced = await phone.post("/wallet/order/order", json.dumps(json.loads(body), indent=2).encode())
    assert {(answer.status_code, answer.content) for answer in [*answers, spaced]} == {(201, answers[0].content)}
    assert len(answers[0].json()["sessionId"]) == 32
    for changes in ({"amount": 200}, {"businessType": "TOPUP"}, {"logicalCardNumber": "1234567890123456"}):
        assert (await phone.post("/wallet/order", body_of(phone, **changes))).status_code == 409
    await world.books()


@pytest.mark.parametrize("business", ["OPEN", "TOPUP"])
async def test_a_paid_order_that_comes_twice_at_once_is_one_order(world, phones, business):
    phone = await phones.new()
    await phone.do("OPEN", "S0", amount=100)
    for number in range(5):
        body = body_of(phone, businessType=business, serverOrderId=f"R{number}")
        other = body_of(phone, businessType=business, serverOrderId=f"R{number}", amount=200)
        answers = await asyncio.gather(*(phone.post("/wallet/order", one) for one in (body, body, other, body)))
        taken = [answer for answer in answers if answer.status_code == 201]
        assert len({answer.content for answer in taken}) == 1
        assert {answer.status_code for answer in answers} == {201, 409}, [answer.text for answer in answers]
    await world.books()


async def test_an_agent_that_names_no_round_and_sends_every_report_twice_is_served(world, phones):
    phone = await phones.new()
    phone.use_round = False
    report = phone.report

    async def twice(*arguments: object) -> dict:
        first = await report(*arguments)
        assert await report(*arguments) == first
        return first

    phone.report = twice
    for business, contents in (("OPEN", {"amount": 500}), ("TOPUP", {"amount": 300}), ("UPDATE", {}), ("DELETE", {})):
        assert await phone.do(business, business, **contents) == "done"
    await world.books()


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"issuerId": "nobody"}, 404, "issuer_unknown"),
        ({"deviceId": "nobody"}, 404, "device_unknown"),
        ({"secureElements": ["nobody"]}, 404, "device_unknown"),
        ({"secureElements": [{"seType": "eSE", "seId": "nobody"}]}, 404, "device_unknown"),
        ({"businessType": "TOPUP"}, 404, "not_in_device"),
        ({"businessType": "DELETE", "logicalCardNumber": "3104880600000000001"}, 404, "not_in_device"),
        ({"businessType": "RIDE"}, 400, "malformed"),
        ({"serverOrderId": ""}, 400, "malformed"),
        ({"deviceId": None}, 400, "malformed"),
        ({"amount": -1}, 400, "malformed"),
        ({"amount": "100"}, 400, "malformed"),
        ({"amount": 100_001}, 422, "over_maximum"),
    ],
)
async def test_what_cannot_be_ordered_is_refused_and_leaves_nothing(world, phones, changes, status, code):
    phone = await phones.new()
    answer = await phone.post("/wallet/order", body_of(phone, **changes))
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert (await world.database.read_value("SELECT count(*) FROM wallet_order")) == 0
    assert (await world.database.read_value("SELECT count(*) FROM orders")) == 0


async def test_only_who_signs_with_the_institutions_key_is_heard(phones):
    phone = await phones.new()
    body = body_of(phone)
    good = sm2.sign(phone.key, body).hex()
    for headers in (
        {},
        {"X-Institution": "90000001"},
        {"X-Institution": "90000009", "X-Signature": good},
        {"X-Institution": "90000001", "X-Signature": good[:-1]},
        {"X-Institution": "90000001", "X-Signature": sm2.sign(sm2.generate(), body).hex()},
        {"X-Institution": "90000001", "X-Signature": sm2.sign(phone.key, body + b" ").hex()},
    ):
        assert (await phone.http.post("/wallet/order", content=body, headers=headers)).status_code == 401
    headers = {"X-Institution": "90000001", "X-Signature": good}
    assert (await phone.http.post("/wallet/order", content=body, headers=headers)).status_code == 201


async def test_a_session_is_told_only_to_the_institution_that_signs(phones):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1")).json()["sessionId"]
    assert (await phone.state("S1"))["sessionId"] == session
    for headers in ({}, {"X-Institution": "90000001"}):
        told = await phone.http.get("/wallet/order/S1", headers=headers)
        assert told.json() == {"serverOrderId": "S1", "businessType": "OPEN", "state": "ACCEPTED", "reason": ""}
    wrong = {"X-Institution": "90000001", "X-Signature": "00" * 64}
    assert (await phone.http.get("/wallet/order/S1", headers=wrong)).status_code == 401


async def test_in_production_an_orders_state_is_told_to_signed_questions_alone(world, phones):
    phone = await phones.new()
    await phone.order("OPEN", "S1")
    strict = replace(world.system, settings=structs.replace(world.system.settings, mode="production"))
    app = Starlette(routes=serve.order_routes(strict))
    phone.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")
    assert (await phone.http.get("/wallet/order/S1")).status_code == 401
    assert (await phone.state("S1"))["state"] == "ACCEPTED"


async def test_an_order_that_is_not_paid_is_refused_and_one_that_nobody_knows_of_waits(world, phones):
    phone = await phones.new()
    world.bank.pays = Answer.NO
    assert (await phone.post("/wallet/order", body_of(phone))).status_code == 402
    world.bank.pays = Answer.UNKNOWN
    assert (await phone.post("/wallet/order", body_of(phone))).status_code == 503
    world.bank.pays = Answer.YES
    assert (await phone.post("/wallet/order", body_of(phone))).status_code == 201


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":1,"a":2}', b'{"amount":1.5}', b" " * 70_000])
async def test_what_is_no_message_is_refused(phones, body):
    phone = await phones.new()
    assert (await phone.post("/wallet/order", body)).status_code in {400, 413}
    answered = await phone.http.post("/gp/seram/handshake?sessionId=1", content=body)
    assert answered.status_code in {400, 404, 413}


async def test_a_withdrawn_order_is_refunded_and_runs_no_more(world, phones):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1", amount=100, deposit=1_800)).json()["sessionId"]
    assert (await phone.withdraw("S1")).json()["state"] == "CANCELLED"
    assert (await phone.withdraw("S1")).json()["state"] == "CANCELLED"
    await phones.refunds()
    assert sorted(world.bank.refunded.values()) == [100, 1_800]
    assert await phone.run(session, last=True) == "stop"
    assert (await phone.withdraw("S2")).status_code == 404
    assert await phone.do("OPEN", "S3", amount=100) == "done"
    assert (await phone.withdraw("S3")).status_code == 409
    await world.books()


# --- IF5 --------------------------------------------------------------------------------------------------------------


async def test_a_handshake_is_read_in_both_spellings_and_answered_as_the_schema_says(phones):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1")).json()["sessionId"]
    offer = {"secureElements": [{"seType": "eSE", "seId": phone.se_id, "seExtraInfo": "SAM"}]}
    for more in ({}, {"supportedVersion": ["2.0.0"]}, {"supportedVersions": ["1.0", "2.0.0"]}):
        answer = await phone.http.post(f"/gp/seram/handshake?sessionId={session}", json=offer | more)
        assert answer.status_code == 200
        assert answer.json()["chosenVersion"] == "2.0.0"
        assert answer.json()["chosenDataFormat"] == answer.json()["chosenDataProtocol"] == "application/json"
        assert answer.json()["chosenTransportProtocol"] == "HTTPS"


@pytest.mark.parametrize(
    "offer",
    [
        {"secureElements": []},
        {"secureElements": [{"seType": "eSE", "seId": "another"}]},
        {"supportedVersions": ["1.0.0"]},
        {"supportedVersion": ["1.0.0"]},
        {"supportedDataFormats": ["text/xml"]},
        {"supportedTransportProtocols": ["MQTT"]},
    ],
)
async def test_a_handshake_without_common_ground_is_406(phones, offer):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1")).json()["sessionId"]
    good = {"secureElements": [{"seType": "eSE", "seId": phone.se_id}]}
    assert (await phone.http.post(f"/gp/seram/handshake?sessionId={session}", json=good | offer)).status_code == 406


async def test_an_unknown_session_is_404_and_an_old_one_is_until_its_order_comes_again(world, phones):
    phone = await phones.new()
    poll = {"localAgentStatus": {"localAgentStatusEnum": "POLLING"}}
    assert (await phone.handshake("00")).status_code == 404
    assert (await phone.http.post("/gp/seram/remoteManagement?sessionId=00", json=poll)).status_code == 404
    session = (await phone.order("OPEN", "S1")).json()["sessionId"]
    world.pass_time(hours=2)
    assert (await phone.handshake(session)).status_code == 404
    assert (await phone.order("OPEN", "S1")).json()["sessionId"] == session
    assert await phone.run(session) == "done"


@pytest.mark.parametrize("odd", ["%00", "a%00b", "%ff", "%e4%b8%ad", "a" * 65])
async def test_numbers_and_sessions_that_cannot_be_are_those_of_none(phones, odd):
    phone = await phones.new()
    for answer in (
        await phone.http.get(f"/wallet/order/{odd}"),
        await phone.withdraw(odd),
        await phone.handshake(odd),
        await phone.http.post(
            f"/gp/seram/remoteManagement?sessionId={odd}",
            json={"localAgentStatus": {"localAgentStatusEnum": "POLLING"}},
        ),
    ):
        assert answer.status_code == 404


async def test_a_report_of_a_round_that_never_was_is_refused(phones):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1")).json()["sessionId"]
    for bad in (
        {"localAgentStatus": {"localAgentStatusEnum": "POLLING"}, "round": 1},
        {"localAgentStatus": {"localAgentStatusEnum": "SLEEPING"}},
        {"localAgentStatus": {}},
        {"localAgentStatus": {"localAgentStatusEnum": "PROCESSED"}, "ramResponses": [{"listOfRAPDU": []}]},
        {},
    ):
        answer = await phone.http.post(f"/gp/seram/remoteManagement?sessionId={session}", json=bad)
        assert answer.status_code == 400, bad


async def test_the_first_order_starts_and_the_last_one_stops(phones):
    phone = await phones.new()
    await phone.do("OPEN", "S1")
    orders = [json.loads(order) for order in phone.orders]
    kinds = [[one["ramCommandType"] for one in order["ramCommands"]] for order in orders]
    assert kinds[0] == ["ramStartCommand", "seRamCommand"]
    assert kinds[-1] == ["notificationCommand", "ramStopCommand"]
    assert [order["round"] for order in orders] == list(range(1, len(orders) + 1))
    assert orders[0]["chosenSecureElement"] == {"seType": "eSE", "seId": phone.se_id}


async def test_a_broken_agent_ends_up_unknown_and_goes_on_after_another_handshake(world, phones):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1", amount=100)).json()["sessionId"]
    await phone.handshake(session)
    order = await phone.report(session, "POLLING")
    for _ in range(40):
        if order["ramCommands"][-1]["ramCommandType"] == "ramStopCommand":
            break
        order = await phone.report(session, "PROCESSED", [], order["round"])
    told = await phone.state("S1")
    assert (told["state"], told["reason"]) == ("UNKNOWN", "card_does_not_follow")
    assert await phone.run(session) == "done"
    await world.books()


async def test_an_order_that_is_withdrawn_under_way_stops_the_agent(world, phones):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1", amount=100)).json()["sessionId"]
    await phone.handshake(session)
    order = await phone.report(session, "POLLING")
    assert (await phone.withdraw("S1")).status_code == 200
    answers = [phone.transmit(apdu) for apdu in order["ramCommands"][-1]["listOfCAPDU"]]
    stopped = await phone.report(session, "PROCESSED", answers, order["round"])
    assert stopped["ramCommands"][-1]["ramCommandType"] == "ramStopCommand"
    await phones.refunds()
    await world.books()


async def test_reports_that_come_at_once_get_one_order(world, phones):
    phone = await phones.new()
    session = (await phone.order("OPEN", "S1", amount=100)).json()["sessionId"]
    await phone.handshake(session)
    order = await phone.report(session, "POLLING")
    while order["ramCommands"][-1]["ramCommandType"] != "ramStopCommand":
        answers = [phone.transmit(apdu) for apdu in order["ramCommands"][-1]["listOfCAPDU"]]
        reports = (phone.report(session, "PROCESSED", answers, order["round"]) for _ in range(4))
        told = await asyncio.gather(*reports)
        assert len(set(phone.orders[-4:])) == 1
        order = told[0]
    assert (await phone.state("S1"))["state"] == "DONE"
    await world.books()


async def test_where_nothing_can_be_done_yet_the_answer_is_held_back_and_then_void(world, phones):
    phone = await phones.new()
    await phone.do("OPEN", "S1")
    session = (await phone.order("TOPUP", "T1", amount=100)).json()["sessionId"]
    await world.database.execute("UPDATE orders SET state = '6', pin_atc = 0 WHERE kind = 'topup'")
    await phone.handshake(session)
    polling = asyncio.create_task(phone.report(session, "POLLING"))
    await asyncio.sleep(0.7)
    assert not polling.done()
    world.pass_time(seconds=31)
    void = await polling
    assert void == {"round": 1, "delay": 500}
    await world.database.execute("UPDATE orders SET state = '1', pin_atc = NULL WHERE kind = 'topup'")
    assert "ramCommands" in await phone.report(session, "POLLING", None, 1)


async def test_old_sessions_are_forgotten_and_young_ones_are_not(world, phones):
    phone = await phones.new()
    await phone.do("OPEN", "S1")
    assert await sessions.forget(world.system) == 0
    world.pass_time(days=31)
    assert await sessions.forget(world.system) == len(phone.orders)


async def test_only_who_opened_a_card_updates_locks_and_deletes_it(world, phones):
    phone = await phones.new()
    await phone.do("OPEN", "S1")
    key = sm2.generate()
    other = Party("institution", "90000002", public_key=sm2.public_key(key).compressed.hex().upper())
    await parties.save(world.database, other)
    await world.system.parties.refresh()
    phone.institution, phone.key = "90000002", key
    for business in ("UPDATE", "DELETE", "LOCK", "UNLOCK"):
        answer = await phone.order(business, business)
        assert (answer.status_code, answer.json()["error"]) == (403, "not_yours")
    assert await phone.do("TOPUP", "T1", amount=100) == "done"
    assert (await phone.http.get("/wallet/order/S1", headers={"X-Institution": "90000002"})).status_code == 404


async def test_an_expired_card_is_renewed_by_an_update(world, phones):
    phone = await phones.new()
    await phone.do("OPEN", "S1")
    world.pass_time(days=365 * 11)
    assert (await phone.order("TOPUP", "T1", amount=100)).status_code == 422
    assert await phone.do("UPDATE", "U1") == "done"
    assert await phone.do("TOPUP", "T1", amount=100) == "done"


async def test_a_phone_that_dies_while_it_sends_is_no_error_of_the_server(phones):
    phone = await phones.new()
    scope = {
        "type": "http", "method": "POST", "path": "/gp/seram/handshake", "query_string": b"sessionId=00",
        "headers": [], "root_path": "", "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sent = []

    async def receive() -> dict:
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)

    await phone.http._transport.app(scope, receive, send)
    assert sent[0]["status"] == 400
