"""Topping up and updating a card in a phone, on the plastic card's journey."""

import pytest

from seram_agent import Agent, Cut


async def test_a_top_up_takes_three_rounds_and_is_credited(world, phones):
    card = await world.card()
    phone = await phones.with_card(card)
    assert await phone.do("TOPUP", "T1", amount=1_000, logicalCardNumber=card.image.card_no) == "done"
    assert card.image.balance_fen == 6_000
    assert (await phone.state("T1"))["state"] == "DONE"
    await world.books()


async def test_an_update_writes_the_dates_and_the_type(world, phones):
    card = await world.card()
    phone = await phones.with_card(card)
    assert await phone.do("UPDATE", "U1", cardType="02") == "done"
    assert card.image.file15.valid_to.year == 2036
    assert card.image.files["0017"][10] == 0x02
    await world.books()


class At:
    """Dies at the nth point, once."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def __call__(self, _: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise Cut


async def until_dead_or_done(phone: Agent, session: str) -> bool:
    try:
        await phone.run(session)
    except Cut:
        phone.element.power_off()
        phone.element.power_on()
        return True
    return False


@pytest.mark.parametrize("with_round", [True, False])
async def test_a_top_up_that_dies_anywhere_is_credited_once(world, phones, with_round):
    card = await world.card(balance_fen=0)
    phone = await phones.with_card(card)
    phone.use_round = with_round
    died, nth = True, 0
    while died:
        nth += 1
        session = (await phone.order("TOPUP", f"T{nth}", amount=100)).json()["sessionId"]
        phone.cut = At(nth)
        died = await until_dead_or_done(phone, session)
        phone.cut = lambda _: None
        await phone.run(session)
        assert card.image.balance_fen == 100 * nth
        assert (await phone.state(f"T{nth}"))["state"] == "DONE"
    assert nth > 10
    await world.books()


async def test_a_repeated_report_gets_the_same_order_and_runs_nothing_twice(world, phones):
    card = await world.card()
    phone = await phones.with_card(card)
    session = (await phone.order("TOPUP", "T1", amount=100)).json()["sessionId"]
    await phone.handshake(session)
    first = await phone.report(session, "POLLING")
    assert await phone.report(session, "POLLING") == first  # without a round: it has not seen the order
    looked = [phone.transmit(apdu) for apdu in first["ramCommands"][-1]["listOfCAPDU"]]
    for _ in range(3):
        await phone.report(session, "PROCESSED", looked, 1)
    assert len(set(phone.orders[-3:])) == 1
    credit = await phone.report(session, "PROCESSED", looked, 1)
    answers = [phone.transmit(apdu) for apdu in credit["ramCommands"][-1]["listOfCAPDU"]]
    ended = await phone.report(session, "PROCESSED", answers, 2)
    assert ended["ramCommands"][-1]["ramCommandType"] == "ramStopCommand"
    assert await phone.report(session, "PROCESSED", looked, 1) == credit
    assert await phone.report(session, "PROCESSED", ["9000"], 1) == ended  # another agent's: it hears that it is over
    assert await phone.report(session, "PROCESSED", answers, 2) == ended
    assert card.image.balance_fen == 5_100
    await world.books()
