"""Top-ups over the OneCard API as stories, from raw messages and raw APDUs; how they break and go on."""

import asyncio

import pytest

from raw_onecard import CHANNEL, PASSWORD, UNLOAD, paid
from tongka.card.commands import CommandKind
from tongka.errors import CardGone
from tongka.journeys import refund, supply, sweep
from tongka.journeys.refusals import OrderNotFound
from tongka.ledger import Account
from tongka.partners.huzhou import messages as huzhou
from tongka.partners.huzhou.client import Order, Outcome, TopUpInterrupted
from tongka.sandbox.card.power import AFTER, BEFORE
from tongka.settings import City, Settings
from tongka.store import ledger, orders

PROFILES = ["huzhou-ministry-3des", "huzhou-ministry-sm4", "huzhou-city-3des"]
OK = "0000"


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_phone_tops_a_card_up_and_the_next_init_closes_the_order(onecard, profile):
    card = await onecard.card(profile)
    init, answer, first = await onecard.desk.top_up(card, 1_000)
    assert (answer["ErrorCode"], card.complete(init, answer), card.balance) == (OK, 0x9000, 6_000)
    assert await onecard.state(first) == "2"
    init, answer, second = await onecard.desk.top_up(card, 500)
    assert (card.complete(init, answer), card.balance) == (0x9000, 6_500)
    order = await orders.by_number(onecard.world.database, first)
    assert (order.state.value, order.closed_by) == ("5", "counter")
    assert await onecard.state(second) == "2"
    await onecard.world.books()


async def test_now_is_shanghais(onecard):
    told = await onecard.desk.ask("/tuxedo/now", ChannelNo=CHANNEL)
    assert told == {"ErrorCode": OK, "ErrorMsg": "成功", "HostDate": "20260302", "HostTime": "080000"}


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_torn_card_is_rewritten_under_the_same_trade(onecard, profile):
    card = await onecard.card(profile)
    _, first, trade_id = await onecard.desk.top_up(card, 1_000)
    init = card.init(1_000)  # MAC2 never reached the card
    found = await onecard.desk.verify(card, init)
    assert (found["TradeID"], found["TradeMoney"]) == (trade_id, "1000")
    again = await onecard.desk.authorise(card, init, trade_id)
    assert again["Mac2"] != first["Mac2"]
    assert (card.complete(init, again), card.balance) == (0x9000, 6_000)
    await onecard.world.books()


async def test_the_same_message_again_gets_the_same_mac2_and_another_moment_its_own(onecard):
    card = await onecard.card()
    init = card.init(1_000)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    payment = paid()
    first = await onecard.desk.authorise(card, init, trade_id, **payment)
    assert await onecard.desk.authorise(card, init, trade_id, **payment) == first
    onecard.world.pass_time(seconds=60)
    fresh = card.init(1_000)
    anew = await onecard.desk.authorise(card, fresh, trade_id, **payment)
    assert card.complete(fresh, anew) == 0x9000
    late = await onecard.desk.authorise(card, card.init(1_000), trade_id, **payment)
    assert late["ErrorCode"] == "3002"  # its own counter shows that it is on the card
    assert await onecard.state(trade_id) == "5"
    assert card.balance == 6_000
    await onecard.world.books()


async def test_a_verified_card_gets_a_trade_of_no_amount_until_mac1_names_one(onecard):
    card = await onecard.card()
    one, two = [await onecard.desk.verify(card, card.init(1_000)) for _ in range(2)]
    assert (one["TradeMoney"], two["TradeMoney"]) == ("0", "0")
    assert one["TradeID"] != two["TradeID"]


async def test_a_wrong_mac1_leaves_nothing_but_a_trade_without_an_amount(onecard):
    card = await onecard.card()
    init = card.init(1_000)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    assert (await onecard.desk.authorise(card, init, trade_id, Mac1="00000000"))["ErrorCode"] == "2005"
    order = await orders.by_number(onecard.world.database, trade_id)
    assert (order.state.value, order.amount_fen, order.paid) == ("1", 0, False)
    assert (await onecard.desk.cash(card, init, Mac1="00000000"))["ErrorCode"] == "2005"
    assert await onecard.world.database.read_value("SELECT count(*) FROM orders") == 1
    await onecard.world.books()


async def test_trades_that_nobody_pays_for_are_closed_after_a_day(onecard):
    card = await onecard.card()
    trade_id = (await onecard.desk.verify(card, card.init(1_000)))["TradeID"]
    assert await sweep.sweep(onecard.world.system) == 0
    onecard.world.pass_time(hours=25)
    assert await sweep.sweep(onecard.world.system) == 1
    assert await onecard.state(trade_id) == "D"


async def test_silence_leaves_a_trade_rewritable(onecard):
    card = await onecard.card()
    _, _, trade_id = await onecard.desk.top_up(card, 1_000)
    onecard.world.pass_time(minutes=10)
    await sweep.sweep(onecard.world.system)
    assert await onecard.state(trade_id) == "4"
    init = card.init(1_000)
    assert card.complete(init, await onecard.desk.authorise(card, init, trade_id)) == 0x9000
    await onecard.world.books()


async def test_with_shared_load_keys_the_counter_proves_nothing(onecard):
    onecard.serve(settings=Settings(city=City(shared_load_keys=True)))
    card = await onecard.card()
    init, answer, first = await onecard.desk.top_up(card, 1_000)
    card.complete(init, answer)
    _, refused, _ = await onecard.desk.top_up(card, 500)
    assert refused["ErrorCode"] == "3008"
    assert await onecard.state(first) == "9"
    await onecard.world.books()


# --- unload -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_unload_takes_money_off_the_card_and_pays_it_out_once_it_is_counted(onecard, profile):
    card = await onecard.card(profile)
    init = card.init(700, UNLOAD)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    answer = await onecard.desk.authorise(card, init, trade_id)
    assert (card.complete(init, answer), card.balance) == (0x9000, 4_300)
    assert (await ledger.balance(onecard.world.database, Account.RECEIVABLE_ALIPAY)).balance_fen == 0
    await onecard.desk.top_up(card, 100)
    assert await onecard.state(trade_id) == "5"
    paid_out = (await ledger.balance(onecard.world.database, Account.RECEIVABLE_ALIPAY)).balance_fen
    assert paid_out == 100 - 700
    assert await ledger.card_balance(onecard.world.database, card.number) == 4_300
    await onecard.world.books()


async def test_an_unload_to_a_prepaid_account_that_broke_is_decided_by_card_management(onecard):
    card = await onecard.card()
    init = card.init(700, UNLOAD)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    assert (await onecard.desk.transfer(card, init, trade_id))["ErrorCode"] == OK
    assert await onecard.recover(card, trade_id, 700) is Outcome.NOT_CREDITED
    assert await onecard.state(trade_id) == "3"
    init = card.init(700, UNLOAD)
    assert card.complete(init, await onecard.desk.transfer(card, init, trade_id)) == 0x9000
    assert await onecard.prepaid_fen() == 10_000
    assert await onecard.recover(card, trade_id, 700) is Outcome.CREDITED
    assert await onecard.prepaid_fen() == 10_700
    await onecard.world.books()


# --- recovery over the other interface --------------------------------------------------------------------------------


@pytest.mark.parametrize("credited", [False, True])
async def test_a_card_topped_up_half_way_over_onecard_is_recovered_at_a_card_front(onecard, credited):
    card = await onecard.card()
    init, answer, trade_id = await onecard.desk.top_up(card, 1_000)
    if credited:
        card.complete(init, answer)
    assert await onecard.recover(card, trade_id, 1_000) is (Outcome.CREDITED if credited else Outcome.NOT_CREDITED)
    assert await onecard.state(trade_id) == ("8" if credited else "3")
    if not credited:  # the money is still there: the phone goes on with its trade
        init = card.init(1_000)
        found = await onecard.desk.verify(card, init)
        assert (found["TradeID"], found["TradeMoney"]) == (trade_id, "1000")
        assert card.complete(init, await onecard.desk.authorise(card, init, trade_id)) == 0x9000
    assert card.balance == 6_000
    await onecard.world.books()


async def test_card_management_counts_an_onecard_load_whose_proof_is_gone(onecard):
    card = await onecard.card()
    init, answer, trade_id = await onecard.desk.top_up(card, 1_000)
    card.complete(init, answer)
    card.plastic.image = card.plastic.image.__class__.from_json({**card.plastic.image.to_json(), "proofs": {}})
    assert await onecard.recover(card, trade_id, 1_000) is Outcome.CREDITED
    order = await orders.by_number(onecard.world.database, trade_id)
    assert (order.state.value, order.closed_by) == ("8", "counter")
    await onecard.world.books()


@pytest.mark.parametrize("point", [BEFORE, AFTER])
async def test_a_card_topped_up_half_way_at_a_card_front_is_recovered_over_onecard(onecard, point):
    card = await onecard.card()
    card.plastic.switch.arm(point, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(TopUpInterrupted) as broken:
        await onecard.world.client.top_up(card.plastic, 1_000, "pay-x")
    order = broken.value.order
    init = card.init(1_000)
    found = await onecard.desk.verify(card, init)
    if point == BEFORE:
        assert (found["TradeID"], found["TradeMoney"]) == (order.order_no, "1000")
        answer = await onecard.desk.authorise(card, init, order.order_no)
        assert (card.complete(init, answer), card.balance) == (0x9000, 6_000)
    else:
        assert found["TradeID"] != order.order_no
        refused = await onecard.desk.authorise(card, init, found["TradeID"])
        assert refused["ErrorCode"] == "3008"  # the card front has a TAC to ask for: it is not closed by the counter
        card.plastic.power_on()
        assert await onecard.world.client.recover(card.plastic, order) is Outcome.CREDITED
    assert card.balance == 6_000
    assert await onecard.world.client.recover(card.plastic, order) is Outcome.CREDITED
    await onecard.world.books()


async def test_a_trade_rewritten_at_a_card_front_is_confirmed_there(onecard):
    card = await onecard.card()
    _, _, trade_id = await onecard.desk.top_up(card, 1_000)
    card.init(1_000)
    order = Order(order_no=trade_id, card_no=card.number, amount_fen=1_000, payment_method="03")
    client = onecard.world.client
    select, init = (bytes.fromhex(one) for one in ("00A4040008A000000632010105", f"805000020B01000003E8{0x201:012X}"))
    answers = [card.plastic.transmit(one).hex for one in (select, init)]
    request = huzhou.CardChargeRequest(
        card_no=card.number, order_no=trade_id, charge_type="01", payment_method="02", amount_text="1000",
        count="2", commands=f"{select.hex()},{init.hex()}", answers=",".join(answers),
    )  # fmt: skip
    await client.card_charge_request(request)
    assert await onecard.state(trade_id) == "2"
    assert await onecard.recover(card, order.order_no, 1_000) is Outcome.NOT_CREDITED
    await onecard.world.books()


async def test_another_domains_unopened_trade_is_unknown(onecard):
    world = onecard.world
    card = await onecard.card()
    trade_id = (await onecard.desk.verify(card, card.init(1_000)))["TradeID"]
    order = await orders.by_number(world.database, trade_id)
    await world.database.execute("UPDATE orders SET institution = 'linkage/99' WHERE order_no = $1", order.order_no)
    assert (await onecard.desk.authorise(card, card.init(1_000), trade_id))["ErrorCode"] == "3001"


# --- who pays ---------------------------------------------------------------------------------------------------------


async def test_the_payers_account_is_kept_sealed_with_the_order(onecard):
    world, account = onecard.world, "ali-2088000123456789"
    card = await onecard.card()
    init = card.init(1_000)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    with pytest.raises(OrderNotFound):
        await supply.payer_of(world.system, trade_id)
    await onecard.desk.authorise(card, init, trade_id, AccountNo=account)
    rows = [
        str(row[0])
        for table in ("orders", "audit", "reply")
        for row in await world.database.fetch(f"SELECT t::text FROM {table} t")
    ]
    assert len(rows) > 2
    assert not [row for row in rows if account in row or account.encode().hex() in row]
    assert await supply.payer_of(world.system, trade_id) == account


# --- races ------------------------------------------------------------------------------------------------------------


async def test_of_twenty_with_one_recharge_card_one_wins(onecard):
    tac = await onecard.recharge_card()
    cards = [await onecard.card() for _ in range(20)]
    inits = [card.init(1_000) for card in cards]
    answers = await asyncio.gather(
        *(onecard.desk.recharge(card, init, tac) for card, init in zip(cards, inits, strict=True))
    )
    assert sum(answer["ErrorCode"] == OK for answer in answers) == 1
    assert {answer["ErrorCode"] for answer in answers} == {OK, "5001"}
    await onecard.world.books()


async def test_of_twenty_for_the_last_fen_one_wins(onecard):
    cards = [await onecard.card() for _ in range(20)]
    inits = [card.init(10_000) for card in cards]
    trades = [await onecard.desk.verify(card, init) for card, init in zip(cards, inits, strict=True)]
    answers = await asyncio.gather(
        *(
            onecard.desk.transfer(card, init, trade["TradeID"])
            for card, init, trade in zip(cards, inits, trades, strict=True)
        )
    )
    assert sorted(answer["ErrorCode"] for answer in answers) == [OK] + ["4002"] * 19
    assert await onecard.prepaid_fen() == 0
    await onecard.world.books()


async def test_of_twenty_for_one_card_at_one_counter_money_moves_once(onecard):
    """Twenty terminals cannot hold one card; twenty messages can."""
    card = await onecard.group_card(1_000)
    assert (await onecard.desk.unlock(card, PASSWORD))["TradeMoney"] == "1000"
    init = card.init(1_000)
    answers = await asyncio.gather(*(onecard.desk.group(card, init) for _ in range(20)))
    won = {answer["Mac2"] for answer in answers if answer["ErrorCode"] == OK}
    assert len(won) == 1
    assert {answer["ErrorCode"] for answer in answers} <= {OK, "9001"}  # nobody is told that something is amiss
    assert card.complete(init, {"Mac2": won.pop()}) == 0x9000
    assert (await onecard.desk.unlock(card, PASSWORD))["TradeMoney"] == "0"
    await onecard.world.books()


async def test_a_card_that_is_being_returned_is_not_loaded(onecard):
    card = await onecard.card()
    card.plastic.switch.arm(BEFORE, kind=CommandKind.DEBIT_FOR_PURCHASE)
    with pytest.raises(CardGone):
        await onecard.world.client.return_card(card.plastic)
    assert (await onecard.desk.cash(card, card.init(1_000)))["ErrorCode"] == "3008"
    assert (await onecard.desk.top_up(card, 1_000))[1]["ErrorCode"] == "3008"
    await onecard.world.books()


async def test_a_payment_pays_for_one_trade(onecard):
    payment = paid()
    cards = [await onecard.card() for _ in range(5)]
    inits = [card.init(1_000) for card in cards]
    trades = [await onecard.desk.verify(card, init) for card, init in zip(cards, inits, strict=True)]
    answers = await asyncio.gather(
        *(
            onecard.desk.authorise(card, init, trade["TradeID"], **payment)
            for card, init, trade in zip(cards, inits, trades, strict=True)
        )
    )
    assert sorted(answer["ErrorCode"] for answer in answers) == [OK] + ["3009"] * 4
    await onecard.world.books()


async def test_what_a_prepaid_account_paid_goes_back_to_it(onecard):
    """An operator refunds a load that never reached its card."""
    card = await onecard.card()
    init = card.init(1_000)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    await onecard.desk.transfer(card, init, trade_id)
    assert await onecard.prepaid_fen() == 9_000
    await onecard.recover(card, trade_id, 1_000)
    await refund.by_operator(onecard.world.database, trade_id, "never loaded", onecard.stamp)
    assert await refund.ask_again(onecard.world.system) == 1
    assert await onecard.prepaid_fen() == 10_000
    assert (await onecard.desk.transfer(card, card.init(1_000), trade_id))["ErrorCode"] == "3003"
    await onecard.world.books()
