"""State 9: two people decide over the physical card; one alone cannot, whatever they try."""

import asyncio

import pytest
from msgspec import structs

from tongka.card.commands import CommandKind
from tongka.days import ZONE
from tongka.errors import Malformed
from tongka.journeys.decide import decide, withdraw
from tongka.journeys.refusals import DecisionDiffers, OrderNotFound, ProposalGone
from tongka.ledger import Account
from tongka.orders import Event, Kind, MoveForbidden, State
from tongka.partners.huzhou import messages as m
from tongka.partners.huzhou.client import CardFrontRefused, Outcome, TopUpInterrupted
from tongka.sandbox.card.power import AFTER, BEFORE
from tongka.store import decisions, ledger, order_history, orders
from tongka.store.orders import Move, MovedMeanwhile
from tongka.store.stamp import Stamp
from zoo import NOON
from zoo import order as zoo_order

LI, WANG, ZHOU = "li.na", "wang.wei", "zhou.min"


def stamp(who: str) -> Stamp:
    return Stamp(NOON, NOON.date(), who)


async def undecided(world, card, payment="pay-9"):
    """Torn out during CREDIT, and another channel loaded the card before management came (E>)."""
    with pytest.raises(TopUpInterrupted) as broken:
        await world.client.top_up(card, 1_000, payment)
    card.power_on()
    loaded = {"online_atc": card.image.online_atc + 1, "proofs": {}}
    card.image = card.image.__class__.from_json(card.image.to_json() | loaded)
    assert await world.client.recover(card, broken.value.order) is Outcome.FOR_A_CLERK
    return broken.value.order.order_no


@pytest.fixture
async def in_nine(world):
    card = await world.card()
    card.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)
    return await undecided(world, card)


async def say(world, order_no, who, credited, reason="card read at the counter"):
    return await decide(world.database, order_no, credited=credited, reason=reason, stamp=stamp(who))


async def state_of(world, order_no) -> State:
    return (await orders.by_number(world.database, order_no)).state


# --- together ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("credited", "state", "on_card"), [(True, "8", 6_000), (False, "3", 5_000)])
async def test_two_people_decide(world, in_nine, credited, state, on_card):
    proposed = await say(world, in_nine, LI, credited)
    assert (proposed.order.state, proposed.proposal.confirmed_by) == (State.UNDECIDED, None)
    assert await state_of(world, in_nine) is State.UNDECIDED
    decided = await say(world, in_nine, WANG, credited, "seen too")
    assert decided.order.state == state
    order = await orders.by_number(world.database, in_nine)
    assert (order.state, order.closed_by, order.challenge) == (state, "clerks" if credited else "", None)
    assert (order.pin_atc is None) is not credited
    assert await ledger.card_balance(world.database, order.card_no) == on_card
    await world.books()


async def test_both_are_on_record(world, in_nine):
    await say(world, in_nine, LI, True, "balance is 60.00")
    await say(world, in_nine, WANG, True, "log agrees")
    order = await orders.by_number(world.database, in_nine)
    told = [(each.actor, each.action, each.detail) for each in await order_history.events(world.database, order)]
    assert told[-2:] == [
        (LI, "decision proposed", "credited: balance is 60.00"),
        (WANG, "decided_credited", f"proposed by {LI}: balance is 60.00; confirmed: log agrees"),
    ]
    kept = await decisions.find(world.database, order)
    assert (kept.proposed_by, kept.confirmed_by, kept.credited) == (LI, WANG, True)


async def test_what_was_not_credited_is_topped_up_again(world):
    card = await world.card()
    card.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)
    order_no = await undecided(world, card)
    for who in (LI, WANG):
        await say(world, order_no, who, False)
    again = await world.client.top_up(card, 1_000, "pay-9")
    assert (again.order_no, card.image.balance_fen) == (order_no, 6_000)
    assert await state_of(world, order_no) is State.CONFIRMED
    await world.books()


async def test_what_was_not_credited_is_refunded(world, in_nine):
    for who in (LI, WANG):
        await say(world, in_nine, who, False)
    order = await orders.by_number(world.database, in_nine)
    await world.client.charge_order_cancel(m.ChargeOrderCancel(card_no=order.card_no, order_no=in_nine))
    assert await state_of(world, in_nine) is State.REFUNDING
    await world.books()


async def test_what_was_credited_is_neither_refunded_nor_charged_again(world):
    card = await world.card()
    card.switch.arm(AFTER, kind=CommandKind.CREDIT_FOR_LOAD)
    order_no = await undecided(world, card)
    for who in (LI, WANG):
        await say(world, order_no, who, True)
    with pytest.raises(CardFrontRefused, match="000079"):
        await world.client.charge_order_cancel(m.ChargeOrderCancel(card_no=card.image.card_no, order_no=order_no))
    await world.books()


async def test_a_return_that_two_people_find_done_pays_balance_and_deposit_out(world):
    card = await world.card()
    made = await zoo_order(world.database, "r1", Kind.RETURN, Event.AUTHORISE, Event.KEYS_ANSWERED,
                           Event.MANAGED_UNDECIDED, card_no=card.image.card_no, payment_method="01",
                           amount_fen=5_000)  # fmt: skip
    for who in (LI, WANG):
        await say(world, made.order_no, who, True)
    paid_out = await ledger.balance(world.database, Account.RECEIVABLE_CASH)
    assert paid_out.credit_fen == 5_000 + 1_800
    assert await world.database.read_value("SELECT status FROM card WHERE card_no = $1", card.image.card_no) == "02"
    await world.books()


# --- alone ------------------------------------------------------------------------------------------------------------


async def test_one_person_alone_cannot_decide(world, in_nine):
    for who in (LI, LI, LI.upper()):
        await say(world, in_nine, who, True)
        assert await state_of(world, in_nine) is State.UNDECIDED
    await world.books()


async def test_nor_past_the_journey(world, in_nine):
    """The statement itself wants another's proposal, and the table two names."""
    order = await orders.by_number(world.database, in_nine)
    step = Move(
        order=order, event=Event.DECIDED_CREDITED, at=NOON, settlement_date=NOON.date(), actor=LI, confirms=True
    )
    for _ in range(2):
        with pytest.raises(MovedMeanwhile):
            await orders.move(world.database, step)
        await say(world, in_nine, LI, True)
    with pytest.raises(MovedMeanwhile):
        await orders.move(world.database, structs.replace(step, actor=WANG, event=Event.DECIDED_NOT_CREDITED))
    with pytest.raises(Exception, match="two_people_decide"):
        await world.database.execute("UPDATE decision SET confirmed_by = upper(proposed_by), confirmed_at = now()")
    assert await state_of(world, in_nine) is State.UNDECIDED


async def test_the_same_said_again_changes_nothing(world, in_nine):
    for who in (LI, LI, WANG, WANG, LI):
        decided = await say(world, in_nine, who, True)
    assert decided.order.state is State.ADJUSTED
    order = await orders.by_number(world.database, in_nine)
    actions = [each.action for each in await order_history.events(world.database, order)]
    assert (actions.count("decision proposed"), actions.count("decided_credited")) == (1, 1)
    with pytest.raises(MoveForbidden, match="state 8"):
        await say(world, in_nine, LI, False)
    with pytest.raises(MoveForbidden):
        await say(world, in_nine, ZHOU, True)


async def test_who_disagrees_withdraws_first(world, in_nine):
    await say(world, in_nine, LI, True)
    with pytest.raises(DecisionDiffers, match=LI):
        await say(world, in_nine, WANG, False)
    await withdraw(world.database, in_nine, stamp(WANG))
    with pytest.raises(ProposalGone):
        await withdraw(world.database, in_nine, stamp(WANG))
    await say(world, in_nine, WANG, False)
    await say(world, in_nine, LI, False)
    assert await state_of(world, in_nine) is State.FAILED
    await world.books()


async def test_one_changes_ones_own_proposal(world, in_nine):
    await say(world, in_nine, LI, True)
    await say(world, in_nine, LI, False, "looked again")
    assert (await say(world, in_nine, WANG, False)).order.state is State.FAILED


async def test_of_many_who_confirm_at_once_one_does(world, in_nine):
    await say(world, in_nine, LI, True)
    said = await asyncio.gather(*(say(world, in_nine, f"clerk{n}", True) for n in range(8)), return_exceptions=True)
    decided = [each for each in said if not isinstance(each, Exception)]
    assert len(decided) == 1
    assert all(isinstance(each, ProposalGone | MoveForbidden) for each in said if isinstance(each, Exception))
    await world.books()


async def test_the_cards_own_word_comes_first(world, in_nine):
    """A proposal about an attempt that was resolved by evidence decides nothing any more."""
    await say(world, in_nine, LI, False)
    order = await orders.by_number(world.database, in_nine)
    credited = Move(order=order, event=Event.CREDITED, at=NOON, settlement_date=NOON.date(), actor="90000001")
    await orders.move(world.database, credited)
    with pytest.raises(MoveForbidden, match="state 5"):
        await say(world, in_nine, WANG, False)
    await world.books()


async def test_names_and_reasons_are_texts(world, in_nine):
    for text in ("", " li", "li\n", "x" * 501):
        with pytest.raises(Malformed, match="operator"):
            await say(world, in_nine, text, True)
        with pytest.raises(Malformed, match="reason"):
            await say(world, in_nine, LI, True, reason=text)


async def test_only_orders_in_nine_are_decided(world):
    with pytest.raises(OrderNotFound):
        await say(world, "no-such-order", LI, True)
    other = await zoo_order(world.database, "t4", Kind.TOPUP, Event.AUTHORISE, Event.KEYS_ANSWERED, Event.SILENCE)
    with pytest.raises(MoveForbidden, match="state 4"):
        await say(world, other.order_no, LI, True)


async def test_the_log_is_kept_for_the_clerk(world):
    card = await world.card()
    await world.client.top_up(card, 700, "pay-log")
    card.switch.arm(AFTER, kind=CommandKind.CREDIT_FOR_LOAD)
    order = await orders.by_number(world.database, await undecided(world, card))
    assert order.evidence
    assert len(order.evidence) % 23 == 0
    assert order.created_at.astimezone(ZONE).strftime("%Y%m%d").encode() in order.evidence.hex().encode()
