"""Prepaid accounts, recharge cards and group cards: what pays, how often, and who may ask."""

from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from raw_onecard import CHANNEL, DOMAIN, MERCHANT, PASSWORD, TERMINAL, UNLOAD, Desk, sealed
from tongka.journeys import prepaid, recharge
from tongka.ledger import Account
from tongka.partners.linkage.serve import OneCardServer
from tongka.settings import Settings
from tongka.settings_city import City
from tongka.store import guesses, ledger, recharge_cards
from tongka.store import prepaid as prepaid_store
from tongka.store.channel_parties import ChannelParty, ChannelRole
from tongka.store.channel_parties import save as save_party
from tongka.store.stamp import Stamp

OK = "0000"
FEW = Settings(city=City(domain_guesses_per_hour=5))
"""As the sandbox has it."""


async def supply(onecard, trade_id: str, money: int) -> dict:
    return await onecard.desk.ask("/prepay/supply", TradeID=trade_id, TradeMoney=str(money), Balunitno=MERCHANT)


# --- prepaid ----------------------------------------------------------------------------------------------------------


async def test_a_supply_adds_once_under_its_id(onecard):
    for _ in range(3):
        assert await supply(onecard, "s1", 500) == {
            "ErrorCode": OK,
            "ErrorMsg": "成功",
            "balunitno": MERCHANT,
            "balance": "10500",
        }
    await onecard.world.books()


async def test_a_merchant_draws_down_and_a_rewrite_draws_nothing(onecard):
    card = await onecard.card()
    init = card.init(1_000)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    assert (await onecard.desk.transfer(card, init, trade_id))["ErrorCode"] == OK
    init = card.init(1_000)
    assert card.complete(init, await onecard.desk.transfer(card, init, trade_id)) == 0x9000
    assert (card.balance, await onecard.prepaid_fen()) == (6_000, 9_000)
    account = (await prepaid_store.find(onecard.world.database, MERCHANT, DOMAIN)).account
    day = onecard.stamp.day
    lines = await ledger.statement(onecard.world.database, account, day, day)
    assert [(line.credit_fen, line.debit_fen) for line in lines] == [(10_000, 0), (0, 1_000)]
    assert lines[1].order_no == trade_id
    await onecard.world.books()


async def test_too_little_money_is_refused_until_more_is_there(onecard):
    card = await onecard.card()
    init = card.init(10_500)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    assert (await onecard.desk.transfer(card, init, trade_id))["ErrorCode"] == "4002"
    assert await onecard.prepaid_fen() == 10_000
    await supply(onecard, "s2", 500)
    assert card.complete(init, await onecard.desk.transfer(card, init, trade_id)) == 0x9000
    assert await onecard.prepaid_fen() == 0
    await onecard.world.books()


async def test_a_low_balance_is_told_once_until_it_recovers(onecard):
    system = onecard.world.system
    assert await prepaid.notice_low(system) == []
    card = await onecard.card()
    init = card.init(9_000)
    await onecard.desk.transfer(card, init, (await onecard.desk.verify(card, init))["TradeID"])
    assert await prepaid.notice_low(system) == [MERCHANT]
    assert await prepaid.notice_low(system) == []
    await supply(onecard, "s3", 5_000)
    assert await prepaid.notice_low(system) == []
    found = await prepaid_store.find(onecard.world.database, MERCHANT, DOMAIN)
    assert found.low_since is None


async def test_another_domain_does_not_see_the_account(onecard):
    await onecard.add_channel(domain="77", key="F" * 32)
    body = sealed({"OrigionDomain": "77", "TradeID": "1", "TradeMoney": "1", "Balunitno": MERCHANT}, key="F" * 32)
    assert (await onecard.desk.raw("/prepay/supply", body))["ErrorCode"] == "4001"


# --- recharge cards ---------------------------------------------------------------------------------------------------


async def test_a_recharge_card_is_redeemed_once_whatever_breaks(onecard):
    card, tac = await onecard.card(), await onecard.recharge_card(2_000)
    assert (await onecard.desk.ask("/recharcard/pwcheck", Tac=tac))["TradeMoney"] == "2000"
    for _ in range(3):  # torn twice
        init = card.init(2_000)
        answer = await onecard.desk.recharge(card, init, tac)
        assert answer["ErrorCode"] == OK
    assert card.complete(init, answer) == 0x9000
    other = await onecard.card()
    assert (await onecard.desk.recharge(other, other.init(2_000), tac))["ErrorCode"] == "5001"
    assert (await onecard.desk.recharge(card, card.init(2_000), tac))["ErrorCode"] == "5001"
    assert card.balance == 7_000
    await onecard.world.books()


async def test_a_wrong_password_can_be_put_right_with_the_same_card_answer(onecard):
    card, tac = await onecard.card(), await onecard.recharge_card()
    init = card.init(1_000)
    assert (await onecard.desk.recharge(card, init, "0" * 16))["ErrorCode"] == "5001"
    assert (await onecard.desk.recharge(card, init, tac))["ErrorCode"] == OK


async def test_wrong_passwords_are_counted_for_an_hour_and_for_each_domain(onecard):
    onecard.serve(settings=FEW)
    tac = await onecard.recharge_card()
    for _ in range(5):
        await onecard.desk.ask("/recharcard/pwcheck", Tac="0" * 16)
    assert (await onecard.desk.ask("/recharcard/pwcheck", Tac=tac))["ErrorCode"] == "5002"
    await onecard.add_channel(domain="77", key="F" * 32)
    onecard.world.pass_time(seconds=5)
    elsewhere = sealed({"OrigionDomain": "77", "Tac": tac}, key="F" * 32)
    assert (await onecard.desk.raw("/recharcard/pwcheck", elsewhere))["ErrorCode"] == OK
    onecard.world.pass_time(hours=1)
    assert (await onecard.desk.ask("/recharcard/pwcheck", Tac=tac))["ErrorCode"] == OK


async def test_wrong_passwords_at_one_terminal_lock_out_that_terminal_alone(onecard):
    """Nor the domain, which has many counters: that takes as many as it is set to bear."""
    card, tac = await onecard.card(), await onecard.recharge_card(1_000)
    for _ in range(5):
        blank = await onecard.card()
        assert (await onecard.desk.recharge(blank, blank.init(1_000), "0" * 16))["ErrorCode"] == "5001"
    assert (await onecard.desk.recharge(card, card.init(1_000), tac))["ErrorCode"] == "5002"
    assert (await onecard.desk.ask("/recharcard/pwcheck", Tac=tac))["ErrorCode"] == OK
    assert (await onecard.desk.recharge(card, card.init(1_000, terminal="0000000002FF"), tac))["ErrorCode"] == OK


async def test_the_log_tells_when_something_is_locked_and_only_then(onecard):
    onecard.serve(settings=FEW)
    with capture_logs() as told:
        for _ in range(7):
            await onecard.desk.ask("/recharcard/pwcheck", Tac="0" * 16)
    assert [(line["log_level"], line["what"], line["wrong"]) for line in told if "locked" in line["event"]] == [
        ("warning", f"recharge domain {DOMAIN}", 5)
    ]


async def test_an_operator_lifts_a_domains_lock(onecard):
    onecard.serve(settings=FEW)
    tac = await onecard.recharge_card()
    for _ in range(5):
        await onecard.desk.ask("/recharcard/pwcheck", Tac="0" * 16)
    (lock,) = await guesses.locked(onecard.world.database, onecard.world.now[0])
    assert (lock.name, lock.wrong, lock.until) == (f"recharge domain {DOMAIN}", 5, onecard.world.now[0] + guesses.HOUR)
    stamp = Stamp(onecard.world.now[0], onecard.world.now[0].date(), "li")
    assert await guesses.lift(onecard.world.database, [lock.name], stamp, "asked by phone") == 1
    assert (await onecard.desk.ask("/recharcard/pwcheck", Tac=tac))["ErrorCode"] == OK
    assert await guesses.locked(onecard.world.database, onecard.world.now[0]) == []


async def test_a_card_shown_again_and_again_locks_nobody_out(onecard):
    spent, tac = await onecard.recharge_card(), await onecard.recharge_card()
    card = await onecard.card()
    init = card.init(1_000)
    assert card.complete(init, await onecard.desk.recharge(card, init, spent)) == 0x9000
    assert {(await onecard.desk.ask("/recharcard/pwcheck", Tac=spent))["ErrorCode"] for _ in range(9)} == {"5001"}
    assert (await onecard.desk.ask("/recharcard/pwcheck", Tac=tac))["ErrorCode"] == OK


async def test_passwords_stand_nowhere_in_the_clear(onecard):
    tac = await onecard.recharge_card()
    await onecard.group_card()
    for table in ("recharge_card", "group_card", "audit", "account", "linkage_channel", "platform_secret"):
        rows = await onecard.world.database.read_value(f"SELECT string_agg(t::text, ' ') FROM {table} t")
        assert tac not in (rows or "")
        assert PASSWORD not in (rows or "")
        assert "00112233445566778899AABBCCDDEEFF" not in (rows or "")


async def test_what_an_expired_card_held_is_set_aside(onecard):
    await onecard.recharge_card(1_000)
    spent = await onecard.recharge_card(1_000)
    card = await onecard.card()
    await onecard.desk.recharge(card, card.init(1_000), spent)
    onecard.world.pass_time(days=365 * 5)
    assert await recharge.expire(onecard.world.system) == 1
    assert await recharge.expire(onecard.world.system) == 0
    states = [row.shown_state for row in await recharge_cards.page(onecard.world.database)]
    assert states == ["expired", "used"]
    assert (await ledger.balance(onecard.world.database, Account.SUSPENSE)).balance_fen == 1_000
    await onecard.world.books()


# --- group cards ------------------------------------------------------------------------------------------------------


async def test_a_group_card_draws_on_what_is_left_within_ten_minutes(onecard):
    card = await onecard.group_card(5_000)
    assert await onecard.desk.unlock(card, PASSWORD) == {
        "ErrorCode": OK,
        "ErrorMsg": "成功",
        "TradeMoneuy": "5000",
        "TradeMoney": "5000",
    }
    init = card.init(3_000)
    assert card.complete(init, await onecard.desk.group(card, init)) == 0x9000
    assert (await onecard.desk.group(card, card.init(2_001)))["ErrorCode"] == "6002"
    onecard.world.pass_time(minutes=10, seconds=1)
    assert (await onecard.desk.group(card, card.init(2_000)))["ErrorCode"] == "6001"
    assert (await onecard.desk.unlock(card, PASSWORD))["TradeMoney"] == "2000"
    init = card.init(2_000)
    assert card.complete(init, await onecard.desk.group(card, init)) == 0x9000
    assert card.balance == 10_000
    await onecard.world.books()


async def test_a_company_allots_again_and_a_batch_counts_once(onecard):
    card = await onecard.group_card(1_000)
    assert [await onecard.allot(card, 500, batch) for batch in ("May", "May", "June")] == [1, 0, 1]
    assert (await onecard.desk.unlock(card, PASSWORD))["TradeMoney"] == "2000"
    await onecard.world.books()


async def test_a_password_is_changed_by_who_knows_it_and_locks_the_card(onecard):
    card = await onecard.group_card()
    await onecard.desk.unlock(card, PASSWORD)

    async def change(old: str, new: str) -> str:
        told = await onecard.desk.ask("/group/pwmodify", CardNo=card.number, OldPass=old, NewPass=new)
        return told["ErrorCode"]

    assert await change("wrong1", "g00dPass") == "5001"
    assert await change(PASSWORD, "g00dPass") == OK
    assert (await onecard.desk.group(card, card.init(100)))["ErrorCode"] == "6001"
    assert (await onecard.desk.unlock(card, PASSWORD))["ErrorCode"] == "5001"
    assert (await onecard.desk.unlock(card, "g00dPass"))["ErrorCode"] == OK


@pytest.mark.parametrize(
    "weak", ["short", "x" * 17, "aaaaaa", "123456", "654321", "abcdef", "00000", "has space", PASSWORD, "004880"]
)
async def test_a_weak_password_is_refused(onecard, weak):
    card = await onecard.group_card()
    weak = card.number[-6:] if weak == "004880" else weak
    told = await onecard.desk.ask("/group/pwmodify", CardNo=card.number, OldPass=PASSWORD, NewPass=weak)
    assert told["ErrorCode"] == "6003"


async def test_five_wrong_passwords_lock_the_card_out_for_an_hour(onecard):
    card = await onecard.group_card()
    for _ in range(5):
        assert (await onecard.desk.unlock(card, "wrong1"))["ErrorCode"] == "5001"
    assert (await onecard.desk.unlock(card, PASSWORD))["ErrorCode"] == "5002"
    onecard.world.pass_time(hours=1)
    assert (await onecard.desk.unlock(card, PASSWORD))["ErrorCode"] == OK


async def test_a_card_without_an_allotment_answers_as_a_wrong_password_does(onecard):
    plain, group = await onecard.card(), await onecard.group_card()
    assert await onecard.desk.unlock(plain, PASSWORD) == await onecard.desk.unlock(group, "wrong1")


# --- channels ---------------------------------------------------------------------------------------------------------


async def now_at(onecard, address: str = "127.0.0.1", terminal: str = "") -> str:
    return (await onecard.desk.raw("/tuxedo/now", sealed({"ChannelNo": "02"}), address))["ErrorCode"]


async def test_a_channel_may_be_bound_to_networks(onecard):
    await onecard.add_channel(addresses=("10.1.0.0/16", "2001:db8::/32"))
    assert await now_at(onecard, "10.1.2.3") == OK
    assert await now_at(onecard, "2001:db8::1") == OK
    assert await now_at(onecard, "10.2.0.1") == "1001"


async def test_a_terminal_has_its_own_limit(onecard):
    await onecard.add_channel(terminal_per_minute=2)
    cards = [await onecard.card() for _ in range(3)]
    codes = [(await onecard.desk.cash(card, card.init(100)))["ErrorCode"] for card in cards]
    assert codes == [OK, OK, "1003"]
    assert await now_at(onecard) == OK
    onecard.world.now[0] += timedelta(minutes=1)
    assert (await onecard.desk.cash(cards[2], cards[2].init(100)))["ErrorCode"] == OK


async def test_several_web_processes_keep_one_limit(onecard):
    """Each may answer a second's requests before it hears of the others."""
    await onecard.add_channel(per_minute=10)
    desks = [Desk(OneCardServer(onecard.world.system)) for _ in range(3)]
    answered = 0
    for _ in range(10):
        onecard.world.pass_time(seconds=1)
        for desk in desks:
            answered += (await desk.ask("/tuxedo/now", ChannelNo=CHANNEL))["ErrorCode"] == OK
    assert 10 <= answered <= 10 + len(desks)
    onecard.world.pass_time(minutes=1)
    assert [(await desk.ask("/tuxedo/now", ChannelNo=CHANNEL))["ErrorCode"] for desk in desks] == [OK] * 3
    for desk in desks:
        await desk.ask("/tuxedo/now", ChannelNo=CHANNEL)
        onecard.world.pass_time(seconds=1)
        await desk.ask("/tuxedo/now", ChannelNo=CHANNEL)
    minutes = await onecard.world.database.read_value("SELECT count(DISTINCT minute) FROM calls")
    assert minutes <= 2


async def test_parties_on_the_books_are_served(onecard):
    """Those of one's own domain; and what was answered is answered again after they were dismissed."""
    await onecard.add_channel(known_parties_only=True)
    card = await onecard.card()
    init = card.init(1_000)
    named = {"department": "dept", "terminal": TERMINAL, "operator": "oper"}
    rows = [ChannelParty(DOMAIN, ChannelRole(role), identity) for role, identity in named.items()]
    for row in rows:
        await save_party(onecard.world.database, replace(row, domain="77"))
    assert (await onecard.desk.cash(card, init))["ErrorCode"] == "1005"
    for row in rows:
        await save_party(onecard.world.database, row)
    told = await onecard.desk.cash(card, init)
    assert told["ErrorCode"] == OK
    for row in rows:
        await save_party(onecard.world.database, replace(row, active=False))
    assert await onecard.desk.cash(card, init) == told
    assert (await onecard.desk.cash(card, card.init(1_000)))["ErrorCode"] == "1005"


async def test_a_channel_kept_out_is_not_known(onecard):
    await onecard.add_channel(active=False)
    assert await now_at(onecard) == "1001"


async def test_production_takes_no_key_under_128_bits(onecard):
    await onecard.add_channel(key="870fc2e8")
    assert (await onecard.desk.raw("/tuxedo/now", sealed({"ChannelNo": "02"}, key="870fc2e8")))["ErrorCode"] == OK
    settings = onecard.world.system.settings
    onecard.serve(settings=type(settings)(mode="production"))
    assert (await onecard.desk.raw("/tuxedo/now", sealed({"ChannelNo": "02"}, key="870fc2e8")))["ErrorCode"] == "1001"


async def test_stored_value_pays_for_loads_alone(onecard):
    """TradeType 03 over a recharge or group card would take money off the card for nothing."""
    card = await onecard.card()
    init = card.init(700, UNLOAD)
    assert (await onecard.desk.recharge(card, init, "1" * 16))["ErrorCode"] == "2007"
    assert (await onecard.desk.group(card, init))["ErrorCode"] == "2007"
    await onecard.world.books()
