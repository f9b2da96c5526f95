"""The same message, or the same answers of a card, many times at the same instant: one effect, one answer."""

import asyncio
import json
from datetime import timedelta

import pytest

from raw_front import CONFIRM, CREATE, REQUEST, Front, an_order, message, signed
from tongka.card.apdu import send
from tongka.card.appendix_c import command
from tongka.card.commands import init_for_purchase
from tongka.journeys import sweep
from tongka.partners.huzhou import messages as m
from tongka.partners.huzhou.client import BEFORE_RETURN
from tongka.partners.huzhou.fields import commands_of
from tongka.store import guesses

COPIES = 20
KEYS_TAKE_S = 0.3
"""As a security module on a busy network does: the order stands in state 6 meanwhile."""


@pytest.fixture
def front(world) -> Front:
    return Front(world)


@pytest.fixture(autouse=True)
def slow_keys(world, monkeypatch):
    quick = world.system.hsm.authorise_load

    async def authorise_load(*asked):
        await asyncio.sleep(KEYS_TAKE_S)
        return await quick(*asked)

    monkeypatch.setattr(world.system.hsm, "authorise_load", authorise_load)


def ran(card, given) -> dict:
    """The script of an answer, run."""
    sent = given["apdulist"].split(",")
    answers = [card.transmit(bytes.fromhex(one)).hex for one in sent]
    return {"apdunum": str(len(sent)), "apdulist": given["apdulist"], "apduresp": ",".join(answers)}


async def answers_to(world, name, bodies) -> list[dict]:
    """The different answers; each is told once."""
    answers = set(await asyncio.gather(*(world.app.answer(name, body) for body in bodies)))
    return [json.loads(answer) for answer in answers]


async def test_copies_of_one_message_get_the_same_bytes(world):
    card = await world.card()
    order = an_order(card)
    for name in (CREATE, REQUEST, CONFIRM):
        (answer,) = await answers_to(world, name, [signed(world, message(order))] * COPIES)
        assert answer["result"] == "000000", name
        order |= answer["data"]
        order |= ran(card, answer["data"]) if name != CONFIRM else {}
    assert card.image.balance_fen == 6_000
    await world.books()


async def test_the_cards_answers_under_many_serials_get_one_command(front, world):
    card = await world.card()
    order = an_order(card)
    order |= (await front.ask(CREATE, order))["data"]
    order |= ran(card, order)
    told = await answers_to(world, REQUEST, [signed(world, message(order)) for _ in range(COPIES)])
    assert {answer["result"] for answer in told} == {"000000"}
    assert len({answer["data"]["apdulist"] for answer in told}) == 1
    await world.books()


async def test_wrong_macs_at_once_are_told_no_more_than_the_limit(front, world):
    card = await world.card()
    order = an_order(card)
    order |= (await front.ask(CREATE, order))["data"]
    order |= ran(card, order)
    right = order["apduresp"]
    guesses = (f"{right[:-12]}{n:08X}9000" for n in range(COPIES))
    bodies = [signed(world, message(order | {"apduresp": guess})) for guess in guesses]
    told = await asyncio.gather(*(world.app.answer(REQUEST, body) for body in bodies))
    results = [json.loads(answer)["result"] for answer in told]
    limit = world.system.settings.city.mac_failures_per_hour
    assert (results.count("000031"), results.count("000080")) == (limit, COPIES - limit)


async def test_an_authorisation_that_was_broken_off_is_waited_for_and_taken_back_at_a_start(front, world):
    card = await world.card()
    order = an_order(card)
    order |= (await front.ask(CREATE, order))["data"]
    await world.database.execute("UPDATE orders SET state = '6' WHERE order_no = $1", order["orderno"])
    assert (await front.ask(CREATE, an_order(card)))["result"] == "000042"
    assert await sweep.take_back(world.system) == 1
    assert (await front.ask(REQUEST, order | ran(card, order)))["result"] == "000000"
    await world.books()


async def test_the_answers_of_a_card_that_is_returned_get_one_debit_one_after_the_other_and_at_once(world):
    card = await world.card()
    info = await world.client.read_card(card)
    init = init_for_purchase(int(info.balance), bytes.fromhex("000090000001")).without_le()
    answers = [send(card, each) for each in (*map(command, BEFORE_RETURN), init)]
    ask = m.CardReturnApply(
        card_no=info.card_no, return_type="0", balance=info.balance, count="3",
        entries=",".join(answer.hex for answer in answers),
    )  # fmt: skip
    first = await world.client.card_return_apply(ask)
    again = await asyncio.gather(*(world.client.card_return_apply(ask) for _ in range(COPIES)))
    assert {(given.order_no, given.commands) for given in again} == {(first.order_no, first.commands)}
    emptied = [send(card, each) for each in commands_of(first.commands)]
    confirm = m.CardReturnConfirm(
        card_no=info.card_no, reference=first.reference, order_no=first.order_no, count="1", entries=emptied[0].hex
    )
    await world.client.card_return_confirm(confirm)
    await world.books()


async def test_wrong_tacs_at_once_are_counted_once_each(front, world):
    card = await world.card()
    order = an_order(card)
    order |= (await front.ask(CREATE, order))["data"]
    order |= ran(card, order)
    order |= (await front.ask(REQUEST, order))["data"]
    order |= ran(card, order)
    right = order["apduresp"]
    bodies = [signed(world, message(order | {"apduresp": f"{n:08X}9000"})) for n in range(3)]
    bodies.append(signed(world, message(order | {"apduresp": right})))
    told = await asyncio.gather(*(world.app.answer(CONFIRM, body) for body in bodies))
    assert json.loads(told[-1])["result"] == "000000"
    failures = await guesses.mac_failures_since(world.database, card.image.card_no, world.now[0] - timedelta(hours=1))
    assert failures <= len(bodies) - 1
    await world.books()
