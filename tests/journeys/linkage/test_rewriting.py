"""What a rewrite must match, what the counter proves and what it doesn't, and whose trade may be gone on with."""

import pytest

from raw_onecard import LOAD, UNLOAD, paid, sealed
from tongka.card.commands import CommandKind
from tongka.partners.huzhou.client import CardFrontRefused, Outcome, TopUpInterrupted
from tongka.sandbox.card.power import BEFORE
from tongka.store import orders

OK = "0000"


# --- what a rewrite must match ----------------------------------------------------------------------------------------


async def spend(card, fen: int) -> None:
    """An offline purchase: the balance falls, the online counter stays."""
    told = card.plastic.image.to_json()
    card.plastic.image = type(card.plastic.image).from_json({**told, "balance_fen": told["balance_fen"] - fen})


@pytest.mark.parametrize("fen", [300, -300])
async def test_a_rewrite_after_the_balance_changed_is_for_card_management(onecard, fen):
    """A rewrite matches card, counter, balance and amount; the trade goes on once the card itself was asked."""
    onecard.world.loaded_elsewhere = fen < 0
    card = await onecard.card()
    _, _, trade_id = await onecard.desk.top_up(card, 1_000)
    await spend(card, fen)
    init = card.init(1_000)
    assert (await onecard.desk.verify(card, init))["TradeID"] == trade_id
    assert (await onecard.desk.authorise(card, init, trade_id))["ErrorCode"] == "3008"
    assert await onecard.state(trade_id) == "2"
    assert await onecard.recover(card, trade_id, 1_000) is Outcome.NOT_CREDITED
    init = card.init(1_000)
    assert card.complete(init, await onecard.desk.authorise(card, init, trade_id)) == 0x9000
    assert card.balance == 6_000 - fen
    await onecard.world.books()


async def test_a_card_front_does_not_rewrite_after_the_balance_changed_either(onecard):
    card = await onecard.card()
    card.plastic.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)
    client = onecard.world.client
    with pytest.raises(TopUpInterrupted) as broken:
        await client.top_up(card.plastic, 1_000, "pay-y")
    await spend(card, 300)
    card.plastic.power_on()
    with pytest.raises(CardFrontRefused) as refused:
        await client.top_up(card.plastic, 1_000, "pay-y")
    assert refused.value.result == "000151"
    assert await client.recover(card.plastic, broken.value.order) is Outcome.NOT_CREDITED
    await client.top_up(card.plastic, 1_000, "pay-y")
    assert card.balance == 5_700
    await onecard.world.books()


async def test_a_rewrite_names_the_payment_of_its_trade(onecard):
    """TradeID and PaymentTradeID belong to each other one to one: another payment is neither taken nor lost."""
    one, two = await onecard.card(), await onecard.card()
    _, _, trade_id = await onecard.desk.top_up(one, 1_000)
    init = one.init(1_000)
    assert (await onecard.desk.authorise(one, init, trade_id, PaymentTradeID="second"))["ErrorCode"] == "1004"
    assert (await onecard.desk.transfer(one, init, trade_id))["ErrorCode"] == "1004"
    assert await onecard.prepaid_fen() == 10_000
    assert one.complete(init, await onecard.desk.authorise(one, init, trade_id)) == 0x9000
    init = two.init(1_000)
    other = (await onecard.desk.verify(two, init))["TradeID"]
    assert (await onecard.desk.authorise(two, init, other, PaymentTradeID="second"))["ErrorCode"] == OK
    await onecard.world.books()


async def test_a_trade_of_a_prepaid_account_is_not_rewritten_with_a_payment(onecard):
    card = await onecard.card()
    init = card.init(1_000)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    assert (await onecard.desk.transfer(card, init, trade_id))["ErrorCode"] == OK
    assert (await onecard.desk.authorise(card, card.init(1_000), trade_id))["ErrorCode"] == "1004"
    assert (await onecard.desk.transfer(card, card.init(1_000), trade_id))["ErrorCode"] == OK
    assert await onecard.prepaid_fen() == 9_000
    await onecard.world.books()


# --- the counter as evidence ------------------------------------------------------------------------------------------


async def test_a_card_fronts_order_rewritten_over_onecard_ends_by_the_counter(onecard):
    """The MAC1 that shows the counter used is the card's own word, and no other order had a MAC2 for that counter."""
    card = await onecard.card()
    card.plastic.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted) as broken:
        await onecard.world.client.top_up(card.plastic, 1_000, "pay-z")
    number = broken.value.order.order_no
    init = card.init(1_000)
    assert card.complete(init, await onecard.desk.authorise(card, init, number)) == 0x9000
    init, answer, _ = await onecard.desk.top_up(card, 500)
    assert (card.complete(init, answer), card.balance) == (0x9000, 6_500)
    order = await orders.by_number(onecard.world.database, number)
    assert (order.state.value, order.closed_by, order.payment_order) == ("5", "counter", "pay-z")
    await onecard.world.books()


@pytest.mark.parametrize("trade_type", [LOAD, UNLOAD])
@pytest.mark.parametrize("same_init", [True, False])
async def test_a_counter_that_was_used_closes_no_other_order(onecard, trade_type, same_init):
    """INITs kept from before, under a new trade: its money is neither booked as loaded nor paid out a second time."""
    onecard.world.loaded_elsewhere = trade_type == UNLOAD  # an INIT from before shows what the card then had
    card = await onecard.card()
    kept = card.init(700, trade_type)
    init = kept if same_init else card.init(700, trade_type)
    first = (await onecard.desk.verify(card, init))["TradeID"]
    assert card.complete(init, await onecard.desk.authorise(card, init, first)) == 0x9000
    later = card.init(100)
    trade_id = (await onecard.desk.verify(card, later))["TradeID"]
    assert card.complete(later, await onecard.desk.authorise(card, later, trade_id)) == 0x9000
    assert await onecard.state(first) == "5"
    assert await onecard.recover(card, trade_id, 100) is Outcome.CREDITED
    again = (await onecard.desk.verify(card, kept))["TradeID"]
    assert (await onecard.desk.authorise(card, kept, again))["ErrorCode"] == OK
    fresh = card.init(100)
    refused = await onecard.desk.authorise(card, fresh, (await onecard.desk.verify(card, fresh))["TradeID"])
    assert refused["ErrorCode"] == "3008"
    assert await onecard.state(again) == "9"
    assert await onecard.recover(card, again, 700) is Outcome.FOR_A_CLERK
    await onecard.world.books()


async def test_the_tac_of_another_orders_load_proves_nothing(onecard):
    """The same INIT and the same moment under a new trade would have the TAC of the load before."""
    card = await onecard.card()
    init, answer, first = await onecard.desk.top_up(card, 1_000)
    assert card.complete(init, answer) == 0x9000
    assert await onecard.recover(card, first, 1_000) is Outcome.CREDITED
    again = (await onecard.desk.verify(card, init))["TradeID"]
    assert (await onecard.desk.authorise(card, init, again)) == answer
    assert await onecard.recover(card, again, 1_000) is Outcome.FOR_A_CLERK
    assert await onecard.state(again) == "9"
    await onecard.world.books()


# --- whose trade it is ------------------------------------------------------------------------------------------------


async def test_another_channel_of_the_domain_goes_on_with_a_trade(onecard):
    """A domain is one institution: its channels share trades and payments."""
    await onecard.add_channel(channel="03", key="F" * 32)
    card = await onecard.card()
    _, _, trade_id = await onecard.desk.top_up(card, 1_000)
    init = card.init(1_000)
    fields = paid(ChannelNo="03", PaymentTradeID=f"p-{trade_id}") | init | card.names("CarNo") | {"TradeID": trade_id}
    answer = await onecard.desk.raw("/tuxedo/mac1authal", sealed(fields, key="F" * 32))
    assert card.complete(init, answer) == 0x9000
    await onecard.world.books()


async def test_another_domain_rewrites_a_trade_under_way_and_its_payment_is_not_taken(onecard):
    """It is the card that is helped, wherever it is; what is not under way is its own domain's alone."""
    await onecard.add_channel(domain="77", channel="03", key="F" * 32)
    card = await onecard.card()
    _, _, trade_id = await onecard.desk.top_up(card, 1_000)

    async def from_there(card, init, trade_id) -> dict[str, str]:
        fields = {"OrigionDomain": "77"} | paid(ChannelNo="03", PaymentTradeID="theirs") | init | card.names("CarNo")
        return await onecard.desk.raw("/tuxedo/mac1authal", sealed(fields | {"TradeID": trade_id}, key="F" * 32))

    init = card.init(1_000)
    assert card.complete(init, await from_there(card, init, trade_id)) == 0x9000
    order = await orders.by_number(onecard.world.database, trade_id)
    assert (order.institution, order.payment_order) == ("linkage/01", f"p-{trade_id}")
    fresh, other = card.init(1_000), await onecard.card()
    assert (await from_there(card, fresh, trade_id))["ErrorCode"] == "3002"
    init = other.init(1_000)
    unpaid = (await onecard.desk.verify(other, init))["TradeID"]
    assert (await from_there(other, init, unpaid))["ErrorCode"] == "3001"
    assert (await onecard.desk.authorise(other, init, unpaid, PaymentTradeID="theirs"))["ErrorCode"] == OK
    await onecard.world.books()
