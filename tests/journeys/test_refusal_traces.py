"""A refused message leaves one row in the audit trail, and nothing else but what a repeat or a guesser needs.

Whole tables are compared, not only those that one thinks of.
"""

import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from raw_front import CREATE, REQUEST, Front, an_order, message, signed
from tongka.partners.huzhou import serve
from tongka.unbelieved import PER_MINUTE

Send = Callable[[], Awaitable[str]]

REPLIED = {"audit": 1, "reply": 1}
"""A refusal that a repeat gets again, byte for byte."""
GUESSED = REPLIED | {"wrong_guess": 1}
INSTITUTION = "90000001"


@pytest.fixture
def front(world) -> Front:
    return Front(world)


async def contents(world) -> dict[str, tuple[int, str]]:
    """Every table: its rows' number, and a digest of them."""
    tables = await world.database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {
        name: tuple(
            await world.database.fetchrow(
                f"SELECT count(*), coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') FROM \"{name}\" t"
            )
        )
        for (name,) in tables
    }


async def last_audit(world):
    return dict(
        await world.database.fetchrow("SELECT actor, action, subject, detail FROM audit ORDER BY id DESC LIMIT 1")
    )


def ran(card, order, *, flip: bool = False) -> dict:
    sent = order["apdulist"].split(",")
    answers = [card.transmit(bytes.fromhex(one)).hex for one in sent]
    if flip:
        answers[-1] = f"{answers[-1][:-5]}{int(answers[-1][-5], 16) ^ 1:X}{answers[-1][-4:]}"
    return {"apdunum": str(len(sent)), "apdulist": order["apdulist"], "apduresp": ",".join(answers)}


async def created(front, card) -> dict:
    order = an_order(card)
    return order | (await front.ask(CREATE, order))["data"]


# Each makes what it needs, then answers how to send what is refused.


async def no_message(front, world, card) -> Send:
    return lambda: front.post(CREATE, b'{"a":1,"a":2}')


async def unknown_institution(front, world, card) -> Send:
    return lambda: front.ask(CREATE, an_order(card), joininstid="77777777")


async def bad_signature(front, world, card) -> Send:
    body = signed(world, message(an_order(card))).replace(b'"txnamt":"1000"', b'"txnamt":"9000"')
    return lambda: front.post(CREATE, body)


async def unknown_terminal(front, world, card) -> Send:
    return lambda: front.ask(CREATE, an_order(card), termid="77777777")


async def stale(front, world, card) -> Send:
    return lambda: front.ask(CREATE, an_order(card), reqtime="060000")


async def other_contents(front, world, card) -> Send:
    told = message(an_order(card))
    await front.post(CREATE, signed(world, told))
    told["data"]["txnamt"] = "2000"
    return lambda: front.post(CREATE, signed(world, told))


async def malformed(front, world, card) -> Send:
    return lambda: front.ask(CREATE, an_order(card, amount="-5"))


async def too_much(front, world, card) -> Send:
    return lambda: front.ask(CREATE, an_order(card, amount="999900"))


async def wrong_mac(front, world, card) -> Send:
    order = await created(front, card)
    return lambda: front.ask(REQUEST, order | ran(card, order, flip=True))


async def wrong_card(front, world, card) -> Send:
    order = await created(front, card)
    other = await world.card()
    return lambda: front.ask(REQUEST, order | ran(other, order))


async def no_such_order(front, world, card) -> Send:
    order = await created(front, card)
    return lambda: front.ask(REQUEST, order | ran(card, order) | {"orderno": "1"})


REFUSED = {
    no_message: ("999999", {"audit": 1}),
    unknown_institution: ("000016", {"audit": 1}),
    bad_signature: ("000020", {"audit": 1}),
    unknown_terminal: ("000018", {"audit": 1}),
    stale: ("999999", {"audit": 1}),
    other_contents: ("000082", {"audit": 1}),
    malformed: ("999999", REPLIED),
    too_much: ("000041", REPLIED),
    wrong_mac: ("000031", GUESSED),
    wrong_card: ("000150", REPLIED),
    no_such_order: (None, REPLIED),
}
UNBELIEVED = (no_message, unknown_institution, bad_signature)


@pytest.mark.parametrize("story", REFUSED, ids=lambda story: story.__name__)
async def test_one_row_in_the_audit_and_no_other_trace(front, world, story):
    code, grown = REFUSED[story]
    send = await story(front, world, await world.card())
    before = await contents(world)
    answer = await send()
    after = await contents(world)
    assert answer["result"] == (code or answer["result"]) != "000000"
    assert {name: after[name][0] - before[name][0] for name in after if after[name] != before[name]} == grown
    row = await last_audit(world)
    assert row["action"].startswith("refused c")
    assert row["actor"] == ("huzhou?" if story in UNBELIEVED else INSTITUTION)


async def test_who_is_not_believed_is_not_an_actor(front, world):
    body = json.dumps(message({}) | {"joininstid": "90000001", "sign": "0" * 128}).encode()
    await front.post(CREATE, body)
    assert await last_audit(world) == {
        "actor": "huzhou?",
        "action": f"refused {CREATE}",
        "subject": "bad_signature",
        "detail": "claims to be '90000001'",
    }


@pytest.mark.parametrize("name", ["\x00", "a\x00b", "\u202e", "张三", "'; DROP TABLE audit; --"])
async def test_any_claimed_name_is_answered_signed_and_noted(front, world, name):
    before = (await contents(world))["audit"][0]
    await front.ask(CREATE, {}, joininstid=name)
    assert (await contents(world))["audit"][0] == before + 1
    assert (await last_audit(world))["detail"].isascii()


async def test_a_wrong_mac_is_told_with_its_card(front, world):
    card = await world.card()
    await (await wrong_mac(front, world, card))()
    row = await last_audit(world)
    assert (row["action"], card.image.card_no in row["detail"]) == (f"refused {REQUEST}: mac_wrong", True)


async def test_a_flood_of_what_nobody_vouches_for_does_not_fill_the_trail(front, world):
    before = (await contents(world))["audit"][0]
    for _ in range(PER_MINUTE + 25):
        assert (await front.post(CREATE, b"nonsense"))["result"] == "999999"
    assert (await contents(world))["audit"][0] == before + PER_MINUTE
    card = await world.card()
    assert (await front.ask(CREATE, an_order(card, amount="-5")))["result"] == "999999"
    assert (await last_audit(world))["actor"] == INSTITUTION  # who is believed is not held back
    world.pass_time(minutes=1)
    await front.post(CREATE, b"nonsense")
    assert (await last_audit(world))["detail"] == "names nobody; 25 others before it were not noted"


async def test_what_is_too_long_is_not_even_read_to_its_end(world):
    app = Starlette(routes=[Mount("/cardfront", routes=serve.routes(world.system))])
    before = await contents(world)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1/cardfront/") as http:
        assert (await http.post("chargeOrderCreate/V1", content=b"[" * 65_537)).status_code == 413
    assert await contents(world) == before


@pytest.mark.parametrize("where", ["cardno", "payorderno"])
async def test_control_characters_in_what_is_believed_are_refused_by_name(front, world, where):
    card = await world.card()
    answer = await front.ask(CREATE, an_order(card) | {where: "31\x0048"})
    assert (answer["result"], where in answer["resultdesc"]) == ("999999", True), answer
