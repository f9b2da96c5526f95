"""Cards that prove loads which the books do not know: found by balance and counter, told once, explained by people."""

import pytest

from tongka.card.commands import CommandKind
from tongka.ledger import Account, Posting
from tongka.partners.huzhou.client import TopUpInterrupted
from tongka.sandbox.card.power import AFTER
from tongka.store import ledger
from tongka.store.card_checks import CARD_CHECKS, NotAhead, ahead, explain
from tongka.store.ledger_checks import check
from tongka.store.stamp import Stamp


def changed(card, *, fen=0, loads=0, rides=0):
    """What happened to the card where the books do not see it."""
    was = card.image.to_json()
    card.image = type(card.image).from_json(
        was
        | {
            "balance_fen": was["balance_fen"] + fen,
            "online_atc": was["online_atc"] + loads,
            "offline_atc": was["offline_atc"] + rides,
        }
    )


async def told(world):
    """What is listed: the counter, the one the books expected, how much the card is over them."""
    return [(one.online_atc, one.books_atc, one.balance_fen - one.books_fen) for one in await ahead(world.database)]


async def found(world):
    return [finding.check for finding in await check(world.database, CARD_CHECKS)]


async def test_nothing_is_said_of_cards_that_ride_are_torn_and_are_loaded(world):
    card = await world.card()
    for n in range(3):
        await world.client.top_up(card, 1_000, f"pay-{n}")
        changed(card, fen=-700, rides=2)
    card.switch.arm(AFTER, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted) as broken:
        await world.client.top_up(card, 1_000, "torn")
    card.power_on()
    await world.client.recover(card, broken.value.order)
    await world.client.top_up(card, 1_000, "after")
    assert (await told(world), await found(world)) == ([], [])


async def test_a_card_that_holds_more_than_the_books_allow_is_told_with_its_first_load(world):
    card = await world.card()
    changed(card, fen=300, loads=1)
    await world.client.top_up(card, 1_000, "pay")
    assert await told(world) == [(card.image.online_atc - 1, None, 300)]
    assert await found(world) == ["cards_not_ahead"]


async def test_a_counter_tells_loads_that_were_spent_again(world):
    card = await world.card()
    await world.client.top_up(card, 1_000, "before")
    expected = card.image.online_atc
    changed(card, fen=2_000, loads=2)
    changed(card, fen=-5_000, rides=9)
    await world.client.top_up(card, 1_000, "after")
    assert await told(world) == [(expected + 2, expected, -3_000)]


async def test_what_a_card_is_over_the_books_is_told_once_and_again_only_when_it_is_more(world):
    card = await world.card()
    changed(card, fen=300, loads=1)
    for n in range(3):
        await world.client.top_up(card, 100, f"pay-{n}")
    assert [over for _, _, over in await told(world)] == [300]
    changed(card, fen=50, loads=1)
    await world.client.top_up(card, 100, "more")
    assert [over for _, _, over in await told(world)] == [300, 350]


async def test_books_that_were_set_back_are_told_as_soon_as_a_load_is_under_way(world, database):
    """A restore to an earlier moment: two loads that were acknowledged are gone."""
    card = await world.card()
    for n in range(3):
        await world.client.top_up(card, 1_000, f"pay-{n}")
    async with database.transaction() as connection:  # the owner's
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM transfer WHERE order_no IN (SELECT order_no FROM orders OFFSET 1)")
        await connection.execute("DELETE FROM orders WHERE order_no NOT IN (SELECT order_no FROM transfer)")
    expected = card.image.online_atc - 2
    card.switch.arm(AFTER, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted):
        await world.client.top_up(card, 1_000, "torn")
    assert await told(world) == [(expected + 2, expected, 2_000)]


async def test_other_cards_are_none_of_it(world):
    one, other = await world.card(), await world.card()
    await world.client.top_up(one, 1_000, "one")
    changed(other, fen=1, loads=1)
    await world.client.top_up(other, 1_000, "other")
    await world.client.top_up(one, 1_000, "one again")
    assert [row.card_no for row in await ahead(world.database)] == [other.image.card_no]


async def test_a_card_below_zero_on_the_books_is_a_finding(world):
    card = await world.card(balance_fen=500)
    paid = Posting(Account.CARD_FLOAT, Account.REFUNDS_PAYABLE, 501, "returned", card_no=card.image.card_no)
    await ledger.post(world.database, [paid], world.now[0], world.now[0].date())
    (finding,) = await check(world.database, CARD_CHECKS)
    assert (finding.check, finding.row) == ("cards_not_below_zero", f"card_no={card.image.card_no}, books_fen=-1")


async def test_what_people_found_out_ends_it_for_that_counter(world):
    card = await world.card()
    stamp = Stamp(world.now[0], world.now[0].date(), "li")
    changed(card, fen=300, loads=1)
    await world.client.top_up(card, 100, "pay")
    (row,) = await ahead(world.database)
    number, counter = card.image.card_no, row.online_atc
    for wrong in ((number, counter + 1), ("1" * 19, counter)):
        with pytest.raises(NotAhead):
            await explain(world.database, *wrong, "x", stamp)
    await explain(world.database, number, counter, "lost at the restore of June 2", stamp)
    assert (await ahead(world.database), await found(world)) == ([], [])
    (row,) = await ahead(world.database, explained=True)
    assert (row.explained_by, row.reason) == ("li", "lost at the restore of June 2")
    changed(card, loads=1)
    await world.client.top_up(card, 100, "again")
    assert await found(world) == ["cards_not_ahead"]
    trail = await world.database.read("SELECT actor, subject, detail FROM audit WHERE action = 'card explained'")
    assert [tuple(one) for one in trail] == [("li", number, f"{counter}: lost at the restore of June 2")]
