"""A business day with orders that it does not end: what partners are told, what is carried over, what is refused."""

from dataclasses import replace
from datetime import date, timedelta

import msgspec
import pytest

from raw_front import CONFIRM, CREATE, REQUEST, Front, an_order
from tongka.journeys import day as journey
from tongka.journeys import refund
from tongka.partners.huzhou import serve
from tongka.store import day_figures, days, orders
from tongka.store.days import DayRefused, OpenDay
from tongka.store.stamp import Stamp

FIRST, SECOND = date(2026, 3, 2), date(2026, 3, 3)


def stamp(world):
    return Stamp(world.now[0], world.system.day(world.now[0]), "liwei")


async def settled(world, **changed):
    """The platform as it runs, with other rules of its city if wanted."""
    city = msgspec.structs.replace(world.system.settings.city, **changed)
    settings = msgspec.structs.replace(world.system.settings, city=city)
    world.system = replace(world.system, settings=settings, open_day=await OpenDay.load(world.database))
    world.app = serve.CardFrontServer(world.system)
    return Front(world)


def run(card, commands):
    sent = commands.split(",")
    answers = [card.transmit(bytes.fromhex(one)).hex for one in sent]
    return {"apdunum": str(len(sent)), "apdulist": commands, "apduresp": ",".join(answers)}


async def asked(front, name, data, **envelope):
    answer = await front.ask(name, data, **envelope)
    assert answer["result"] == "000000", answer
    return answer["data"]


async def test_an_order_keeps_the_settlement_date_that_its_partner_was_told(world):
    """Paid and authorised in the evening, loaded after the cut and the closing; the day carries it over."""
    front = await settled(world)
    card, late = await world.card(), {"reqtime": "235900"}
    world.now[0] = world.now[0].replace(hour=23, minute=59)
    created = await asked(front, CREATE, an_order(card), **late)
    order = an_order(card) | {"orderno": created["orderno"]}
    charge = await asked(front, REQUEST, order | run(card, created["apdulist"]), **late)
    world.pass_time(minutes=20)
    assert await journey.close_due(world.system) == [FIRST]
    done = await asked(front, CONFIRM, order | run(card, charge["apdulist"]), reqdate="20260303", reqtime="001900")
    assert [each["settdate"] for each in (created, charge, done)] == ["20260302"] * 3
    found = await orders.by_number(world.database, created["orderno"])
    assert found
    assert found.settlement_date == FIRST
    [carried] = await day_figures.carried(world.database, FIRST)
    assert (carried.orders, carried.in_hand_fen) == (1, 1_000)
    world.pass_time(days=1)
    assert await journey.close_due(world.system) == [SECOND]
    assert await day_figures.carried(world.database, SECOND) == []
    await world.books()


async def test_a_refund_is_told_on_the_day_on_which_it_is_paid_back(world):
    front = await settled(world)
    card = await world.card()
    created = await asked(front, CREATE, an_order(card))
    world.pass_time(days=1)
    await journey.close_due(world.system)
    await refund.by_operator(world.database, created["orderno"], "asked for", stamp(world))
    await refund.ask_again(world.system)
    world.pass_time(days=1)
    await journey.close_due(world.system)
    lines = [(day, one.kind, one.amount_fen) for day in (FIRST, SECOND) for one in
             await day_figures.figures(world.database, day)]  # fmt: skip
    assert lines == [(FIRST, "topup", 1_000), (SECOND, "refund", -1_000)]
    await world.books()


async def test_a_cut_that_is_moved_back_opens_no_closed_day(world):
    """Closed at a cut at noon; with midnight's cut the afternoon belongs to the next open day all the same."""
    await settled(world, day_cut="12:00")
    card = await world.card()
    world.pass_time(hours=5)
    assert await journey.close_due(world.system) == [FIRST]
    front = await settled(world, day_cut="00:00")
    created = await asked(front, CREATE, an_order(card), reqtime="130000")
    assert created["settdate"] == "20260303"
    await world.books()


async def test_the_worker_waits_some_minutes_after_the_cut_and_makes_up_for_days_that_it_missed(world):
    await settled(world, close_after_min=10)
    await world.card()
    world.now[0] = world.now[0].replace(hour=0, minute=9) + timedelta(days=1)
    assert await journey.close_due(world.system) == []
    world.pass_time(minutes=1)
    assert await journey.close_due(world.system) == [FIRST]
    world.pass_time(days=3)
    assert await journey.close_due(world.system) == [FIRST + timedelta(days=n) for n in (1, 2, 3)]
    assert await journey.close_due(world.system) == []


async def test_a_person_closes_no_day_that_is_not_over_but_may_cut_it_early(world):
    front = await settled(world)
    card = await world.card()
    for day in (FIRST, SECOND):
        with pytest.raises(DayRefused, match="not over"):
            await journey.close(world.system, day, stamp(world))
    with pytest.raises(DayRefused, match="not over"):
        await journey.close(world.system, SECOND, stamp(world), early=True)
    assert await journey.close(world.system, FIRST, stamp(world), early=True) == [FIRST]
    assert await journey.close(world.system, FIRST, stamp(world), early=True) == []
    assert (await asked(front, CREATE, an_order(card)))["settdate"] == "20260303"
    await world.books()


async def test_who_died_between_shutting_and_adding_up_is_followed_by_another(world):
    await settled(world)
    await world.card()
    await days.shut(world.database, FIRST, stamp(world))
    with pytest.raises(DayRefused, match="not closed"):
        await days.require_closed(world.database, FIRST)
    assert await journey.close_due(world.system) == [FIRST]
    assert (await days.require_closed(world.database, FIRST)).closed_by == "liwei"
