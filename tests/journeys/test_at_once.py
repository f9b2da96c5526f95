"""The same message, or the same answers of a card, many times at the same instant: one effect, one answer."""

import asyncio
import json

import pytest

from raw_front import CONFIRM, CREATE, REQUEST, Front, an_order, message, signed
from tongka.journeys import sweep

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
