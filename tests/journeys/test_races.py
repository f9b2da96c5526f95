"""Many at the same time who ask for the same: all are told the same, and nobody that something is amiss."""

import asyncio

from raw_front import CREATE, Front, an_order

MANY = 20


async def test_one_payment_under_many_serials_makes_one_order(world):
    front, card = Front(world), await world.card()
    answers = await asyncio.gather(*(front.ask(CREATE, an_order(card)) for _ in range(MANY)))
    assert {answer["result"] for answer in answers} == {"000000"}
    assert len({answer["data"]["orderno"] for answer in answers}) == 1
    await world.books()


async def test_one_payment_for_two_amounts_makes_one_order(world):
    """000090 is for other contents alone."""
    front, card = Front(world), await world.card()
    answers = await asyncio.gather(
        *(front.ask(CREATE, an_order(card, amount=amount)) for _ in range(MANY) for amount in ("1000", "2000"))
    )
    results = [answer["result"] for answer in answers]
    assert (results.count("000000"), results.count("000090")) == (MANY, MANY)
    assert len({answer["data"]["orderno"] for answer in answers if answer["result"] == "000000"}) == 1
    await world.books()
