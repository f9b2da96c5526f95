"""The same message, or the same answers of a card, many times at the same instant: one effect, one answer."""

import asyncio
import json

import pytest

from raw_front import CONFIRM, CREATE, REQUEST, Front, an_order, message, signed

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
