"""Bad input to the card front: each message gets its signed error, and leaves no trace but the audit.

The messages are built here from the document, not by the client of the house.
"""

import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from raw_front import CREATE, ENVELOPE, Front, an_order, message, signed
from tongka.crypto import sm2
from tongka.partners.huzhou import serve
from tongka.store import parties


@pytest.fixture
def front(world) -> Front:
    return Front(world)


# --- before anything is believed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"", "message"),
        (b"{", "message"),
        (b"[]", "message"),
        (b'{"a":1,"a":1}', "a"),
        (b"\xff{}", "message"),
        (b'{"joininstid":"90000001","sign":"' + b"0" * 128 + b'"}', "joininstssn"),
        (json.dumps(ENVELOPE | {"joininstssn": "1", "data": {}}).encode(), "sign"),
        (json.dumps(ENVELOPE | {"joininstssn": "1", "data": [], "sign": "0" * 128}).encode(), "data"),
        (
            json.dumps(ENVELOPE | {"joininstssn": "1", "data": 1, "sign": "0" * 128}).encode(),
            "data",
        ),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", ""),
    ],
)
async def test_what_is_no_message_is_told_so(front, body, names):
    before = await front.rows()
    answer = await front.post(CREATE, body)
    assert (answer["result"], names in answer["resultdesc"]) == ("999999", True), answer
    assert await front.rows() == before


async def test_a_wrong_signature_is_refused_and_nothing_else_happens(front, world):
    card = await world.card()
    body = signed(world, message(an_order(card)))
    before = await front.rows()
    answer = await front.post(CREATE, body.replace(b'"txnamt":"1000"', b'"txnamt":"9000"'))
    assert answer["result"] == "000020"
    assert await front.rows() == before
    assert await audited(world, "refused chargeOrderCreate") == 1


async def test_another_partners_signature_is_refused(front, world):
    card = await world.card()
    contents = message(an_order(card)) | {"sign": ""}
    text = json.dumps(contents, separators=(",", ":")).encode()
    foreign = sm2.sign(sm2.generate(), text).hex().upper().encode()
    assert (await front.post(CREATE, text.replace(b'"sign":""', b'"sign":"' + foreign + b'"')))["result"] == "000020"


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("joininstid", "000016"),
        ("instid", "000016"),
        ("mchntid", "000017"),
        ("termid", "000018"),
        ("netid", "999999"),
        ("oprid", "999999"),
        ("areaflag", "999999"),
        ("chnlid", "999999"),
    ],
)
async def test_parties_that_are_not_on_the_books_are_refused(front, world, field, code):
    card = await world.card()
    unknown = {"chnlid": "77", "areaflag": "77", "oprid": "op77", "netid": "77"}.get(field, "77777777")
    answer = await front.ask(CREATE, an_order(card), **{field: unknown})
    assert answer["result"] == code, answer
    assert (await front.rows())["orders"] == 0


async def test_a_party_that_is_kept_out_is_refused(front, world):
    card = await world.card()
    await parties.set_active(world.database, parties.Role.TERMINAL, "90000001", active=False)
    await world.system.parties.refresh()
    assert (await front.ask(CREATE, an_order(card)))["result"] == "000018"


@pytest.mark.parametrize(("time", "fresh"), [("075459", False), ("075500", True), ("080500", True), ("080501", False)])
async def test_new_messages_are_fresh(front, world, time, fresh):
    card = await world.card()
    answer = await front.ask(CREATE, an_order(card), reqtime=time)
    assert answer["result"] == ("000000" if fresh else "999999")
    assert fresh or "reqtime" in answer["resultdesc"]


async def test_a_repeat_gets_the_same_bytes_at_any_age_and_other_contents_are_refused(front, world):
    card = await world.card()
    contents = message(an_order(card))
    body = signed(world, contents)
    first = await world.app.answer(CREATE, body)
    world.pass_time(days=3)
    assert await world.app.answer(CREATE, body) == first
    assert await world.app.answer(CREATE, signed(world, contents)) == first  # signed anew: `sign` aside, the same
    contents["data"]["txnamt"] = "2000"
    assert (await front.post(CREATE, signed(world, contents)))["result"] == "000082"
    assert (await front.post("chargeOrderQuery", body))["result"] == "000082"
    assert (await front.rows())["orders"] == 1


async def test_a_partner_may_sign_the_text_without_the_sign_member(front, world):
    known = world.system.parties.find("institution", "90000001")
    await parties.save(world.database, parties.Party(**{**vars_of(known), "sign_mode": "omit"}))
    await world.system.parties.refresh()
    card = await world.card()
    text = json.dumps(message(an_order(card)), separators=(",", ":")).encode()
    body = text[:-1] + b',"sign":"' + sm2.sign(world.partner_key, text).hex().encode() + b'"}'
    answer = json.loads(await world.app.answer(CREATE, body))
    assert answer["result"] == "000000"


def vars_of(party) -> dict[str, Any]:
    return {name: getattr(party, name) for name in party.__slots__}


# --- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture
def http(world) -> httpx.AsyncClient:
    app = Starlette(routes=[Mount("/cardfront", routes=serve.routes(world.system))])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1/cardfront/")


async def test_http_says_what_no_signed_answer_can(http):
    assert (await http.post("noSuchThing/V1", content=b"{}")).status_code == 404
    assert (await http.post("chargeOrderCreate/V2", content=b"{}")).status_code == 404
    assert (await http.get("chargeOrderCreate/V1")).status_code == 405
    assert (await http.post("chargeOrderCreate/V1", content=b" " * 65_537)).status_code == 413
    at_limit = await http.post("chargeOrderCreate/V1", content=b" " * 65_536)
    assert (at_limit.status_code, at_limit.json()["result"]) == (200, "999999")


# --- spellings that the document leaves open --------------------------------------------------------------------------


async def test_data_may_be_a_text_that_holds_an_object(front, world):
    card = await world.card()
    answer = await front.ask(CREATE, json.dumps(an_order(card)))
    assert (answer["result"], answer["data"]["apdunum"]) == ("000000", "2")


async def test_query_and_cancellation_are_read_on_the_path_printed_by_mistake(front, world):
    card = await world.card()
    created = (await front.ask(CREATE, an_order(card)))["data"]
    query = {"cardno": card.image.card_no, "recnumperpage": "50", "currpage": "1"}
    found = (await front.ask(CREATE, query))["data"]
    assert (found["recnumperpage"], found["totalnum"]) == (20, 1)
    await front.ask(CREATE, {"cardno": card.image.card_no, "orderno": created["orderno"]})
    assert (await front.ask(CREATE, query))["data"]["orderlist"][0]["orderstate"] == "A"


@pytest.mark.parametrize("amount", ["0", "-1", "1.5", "1e3", "", "１０００", " 1000", "99999999999999999999"])
async def test_amounts_are_ascii_digits_above_zero(front, world, amount):
    card = await world.card()
    answer = await front.ask(CREATE, an_order(card, amount))
    assert (answer["result"], "txnamt" in answer["resultdesc"]) == ("999999", True), answer


async def test_a_balance_of_another_length_is_no_balance(front, world):
    card = await world.card()
    commands = ("00A4040008A000000632010105", "00B0950000", "805C000204")
    answers = [card.transmit(bytes.fromhex(one)).hex for one in commands]
    for balance in ("9000", "00009000", "0000000000009000"):
        script = {"apdunum": "3", "apdulist": ",".join(commands), "apduresp": ",".join([*answers[:2], balance])}
        assert (await front.ask("cardInfoQuery", script))["result"] == "000027", balance


async def test_a_locked_application_is_not_shown_as_a_good_card(front, world):
    card = await world.card()
    commands = ("00A4040008A000000632010105", "00B0950000", "805C000204")
    answers = [card.transmit(bytes.fromhex(one)).hex for one in commands]
    script = {"apdunum": "3", "apdulist": ",".join(commands), "apduresp": ",".join(["9303", *answers[1:]])}
    assert (await front.ask("cardInfoQuery", script))["result"] == "000027"


async def test_a_real_name_sale_names_its_customer(front, world):
    card = await world.card(enabled=False, balance_fen=0)
    sale = {"cardno": card.image.card_no, "apdunum": "0", "apdulist": "", "realnameflag": "Y", "paytype": "01"}
    answer = await front.ask("cardSaleRequest", sale)
    assert (answer["result"], "custinfo" in answer["resultdesc"]) == ("999999", True)


async def test_a_charge_names_its_own_payment(front, world):
    card = await world.card()
    created = (await front.ask(CREATE, an_order(card)))["data"]
    order = an_order(card) | {"orderno": created["orderno"], "apdunum": "1", "apdulist": "00", "apduresp": "9000"}
    assert (await front.ask("cardChargeRequest", order | {"payorderno": "pay-of-another"}))["result"] == "000090"
    assert (await front.ask("cardChargeRequest", order | {"paytype": "99"}))["result"] == "000157"


async def audited(world, action: str) -> int:
    return await world.database.read_value("SELECT count(*) FROM audit WHERE action = $1", action)
