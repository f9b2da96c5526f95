"""Every code of our table can happen, and does: a story for each. Refusals tell no more than the caller needs."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from raw_onecard import DOMAIN, MERCHANT, PASSWORD, TERMINAL, UNLOAD, paid, sealed, token
from tongka.card.profiles import PROFILES
from tongka.errors import HsmUnavailable
from tongka.journeys import sweep
from tongka.partners.linkage.codes import ERRORS, UNKNOWN_ERROR
from tongka.payments import Answer
from tongka.settings import Settings
from tongka.settings_city import City
from tongka.store import cards, channel_parties
from tongka.store.channel_parties import ChannelParty, ChannelRole

OK = "0000"
Told = dict[str, str]
Story = Callable[[Any], Awaitable[Told]]
STORIES: dict[str, Story] = {}


def story(code: str) -> Callable[[Story], Story]:
    """The story that ends with a code."""

    def keep(tell: Story) -> Story:
        STORIES[code] = tell
        return tell

    return keep


@story("1001")
async def forged(onecard):
    return await onecard.desk.raw("/tuxedo/now", sealed({"ChannelNo": "02"}, key="another"))


@story("1002")
async def malformed(onecard):
    return await onecard.desk.ask("/tuxedo/now", ChannelNo="02", Novel="x")


@story("1003")
async def hasty(onecard):
    await onecard.add_channel(per_minute=2)
    return [await onecard.desk.ask("/tuxedo/now", ChannelNo="02") for _ in range(3)][-1]


@story("1004")
async def changed(onecard):
    card = await onecard.card()
    init, _, trade_id = await onecard.desk.top_up(card, 1_000)
    return await onecard.desk.authorise(card, init, trade_id, TradeMoney="2000")


async def admit(onecard, *, but: str) -> None:
    """A channel that takes parties on the books alone, and everybody that the desk names but one."""
    await onecard.add_channel(known_parties_only=True)
    named = {"department": "dept", "terminal": TERMINAL, "operator": "oper", "device": "device"}
    for role, identity in named.items():
        party = ChannelParty(DOMAIN, ChannelRole(role), identity, active=role != but)
        await channel_parties.save(onecard.world.database, party)


@story("1005")
async def unknown_department(onecard):
    await admit(onecard, but="department")
    return await cash(onecard, await onecard.card())


@story("1006")
async def unknown_terminal(onecard):
    await admit(onecard, but="terminal")
    card = await onecard.card()
    return (await onecard.desk.top_up(card, 1_000))[1]


@story("1007")
async def unknown_operator(onecard):
    await admit(onecard, but="operator")
    card = await onecard.group_card()
    return await onecard.desk.group(card, card.init(1_000))


@story("1008")
async def unknown_device(onecard):
    await admit(onecard, but="device")
    card = await onecard.card()
    init = card.init(1_000)
    return await onecard.desk.transfer(card, init, (await onecard.desk.verify(card, init))["TradeID"])


async def cash(onecard, card, amount: int = 1_000, **changes: str) -> Told:
    return await onecard.desk.cash(card, card.init(amount), **changes)


@story("2001")
async def unknown_card(onecard):
    return await cash(onecard, await onecard.card(), CardNo="3104880699999999999")


@story("2002")
async def blacklisted(onecard):
    card = await onecard.card()
    await cards.set_status(onecard.world.database, card.number, "01")
    return await onecard.desk.verify(card, card.init(1_000))


@story("2003")
async def not_sold(onecard):
    return await cash(onecard, await onecard.card(enabled=False, balance_fen=0))


@story("2004")
async def anothers_serial(onecard):
    return await cash(onecard, await onecard.card(), ASN="0" * 20)


@story("2005")
async def wrong_mac(onecard):
    return await cash(onecard, await onecard.card(), Mac1="00000000")


@story("2006")
async def guessing_macs(onecard):
    card = await onecard.card()
    for _ in range(5):
        assert (await cash(onecard, card, Mac1="00000000"))["ErrorCode"] == "2005"
    return await cash(onecard, card)


@story("2007")
async def not_unloadable(onecard):
    card = await onecard.card()
    init = card.init(100, UNLOAD)
    name = card.plastic.image.profile
    kept = PROFILES[name]
    PROFILES[name] = replace(kept, unload_allowed=False)
    try:
        return await onecard.desk.cash(card, init)
    finally:
        PROFILES[name] = kept


@story("2008")
async def another_algorithm(onecard):
    return await cash(onecard, await onecard.card(), ArithIndex="04")


@story("2009")
async def unknown_key_version(onecard):
    return await cash(onecard, await onecard.card(), KeyVersion="77")


@story("2010")
async def unload_of_more_than_there_is(onecard):
    card = await onecard.card()
    return await onecard.desk.cash(card, card.init(100, UNLOAD), TradeMoney="5001")


@story("3001")
async def unknown_trade(onecard):
    card = await onecard.card()
    return await onecard.desk.authorise(card, card.init(1_000), "nothing")


@story("3002")
async def loaded_before(onecard):
    card = await onecard.card()
    init, answer, trade_id = await onecard.desk.top_up(card, 1_000)
    card.complete(init, answer)
    return await onecard.desk.authorise(card, card.init(1_000), trade_id)


@story("3003")
async def closed(onecard):
    card = await onecard.card()
    trade_id = (await onecard.desk.verify(card, card.init(1_000)))["TradeID"]
    onecard.world.pass_time(hours=25)
    await sweep.sweep(onecard.world.system)
    return await onecard.desk.authorise(card, card.init(1_000), trade_id)


@story("3004")
async def not_what_was_paid(onecard):
    card = await onecard.card()
    init = card.init(1_000)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    onecard.world.bank.pays = Answer.NO
    return await onecard.desk.authorise(card, init, trade_id)


async def with_profile(onecard, amount: int, **changes: int) -> Told:
    card = await onecard.card()
    name = card.plastic.image.profile
    kept = PROFILES[name]
    PROFILES[name] = replace(kept, **changes)
    try:
        return await cash(onecard, card, amount)
    finally:
        PROFILES[name] = kept


@story("3005")
async def too_small(onecard):
    return await with_profile(onecard, 99, topup_min_fen=100)


@story("3006")
async def not_a_multiple(onecard):
    return await with_profile(onecard, 150, charge_base_fen=100)


@story("3007")
async def too_full(onecard):
    return await cash(onecard, await onecard.card(balance_fen=99_500))


@story("3008")
async def another_under_way(onecard):
    card = await onecard.card()
    assert (await cash(onecard, card))["ErrorCode"] == OK
    return await cash(onecard, card, 500)


@story("3009")
async def payment_used(onecard):
    payment = paid()
    for _ in range(2):
        card = await onecard.card()
        init = card.init(1_000)
        trade_id = (await onecard.desk.verify(card, init))["TradeID"]
        told = await onecard.desk.authorise(card, init, trade_id, **payment)
    return told


@story("4001")
async def unknown_merchant(onecard):
    return await onecard.desk.ask("/prepay/supply", TradeID="1", TradeMoney="1", Balunitno="nobody")


@story("4002")
async def prepaid_too_little(onecard):
    card = await onecard.card()
    init = card.init(10_001)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    return await onecard.desk.transfer(card, init, trade_id)


@story("4003")
async def supplied_otherwise(onecard):
    first, again = [
        await onecard.desk.ask("/prepay/supply", TradeID="s1", TradeMoney=money, Balunitno=MERCHANT)
        for money in ("100", "101")
    ]
    assert first["ErrorCode"] == OK
    return again


@story("5001")
async def unknown_password(onecard):
    return await onecard.desk.ask("/recharcard/pwcheck", Tac="0" * 16)


@story("5002")
async def guessing_passwords(onecard):
    onecard.serve(settings=Settings(city=City(domain_guesses_per_hour=5)))
    right = await onecard.recharge_card()
    for _ in range(5):
        assert (await unknown_password(onecard))["ErrorCode"] == "5001"
    return await onecard.desk.ask("/recharcard/pwcheck", Tac=right)


@story("5003")
async def not_whole(onecard):
    card = await onecard.card()
    return await onecard.desk.recharge(card, card.init(500), await onecard.recharge_card(1_000))


@story("6001")
async def not_verified(onecard):
    card = await onecard.group_card()
    return await onecard.desk.group(card, card.init(500))


@story("6002")
async def more_than_allotted(onecard):
    card = await onecard.group_card(5_000)
    await onecard.desk.unlock(card, PASSWORD)
    return await onecard.desk.group(card, card.init(5_001))


@story("6003")
async def weak_password(onecard):
    card = await onecard.group_card()
    return await onecard.desk.ask("/group/pwmodify", CardNo=card.number, OldPass=PASSWORD, NewPass="111111")


@story("9001")
async def payment_institution_silent(onecard):
    onecard.world.bank.pays = Answer.UNKNOWN
    return await with_new_trade(onecard)


async def with_new_trade(onecard) -> Told:
    card = await onecard.card()
    init = card.init(1_000)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    return await onecard.desk.authorise(card, init, trade_id)


@story("9999")
async def a_fault_of_ours(onecard):
    class Broken:
        async def paid(self, *_):
            raise RuntimeError("row 7 of table X")

    onecard.serve(payments=Broken())
    return await with_new_trade(onecard)


# --- what holds for all of them ---------------------------------------------------------------------------------------


def test_every_code_has_its_story():
    assert set(STORIES) == {row.code for row in (*ERRORS, UNKNOWN_ERROR)}


@pytest.mark.parametrize("code", STORIES)
async def test_the_code_is_told_with_its_text_and_the_books_stand(onecard, code):
    told = await STORIES[code](onecard)
    row = next(row for row in (*ERRORS, UNKNOWN_ERROR) if row.code == code)
    assert told["ErrorCode"] == code
    assert told["ErrorMsg"].startswith(row.text)
    assert row.tells or told["ErrorMsg"] == row.text
    assert set(told) == {"ErrorCode", "ErrorMsg"}
    await onecard.world.books()


async def test_what_fails_inside_is_not_told_outside(onecard):
    assert "row 7" not in str(await a_fault_of_ours(onecard))


async def test_keys_that_do_not_answer_cost_nothing_and_the_same_message_goes_on(onecard):
    class Away:
        def __init__(self, hsm):
            self._hsm, self.here = hsm, False

        def __getattr__(self, name):
            return getattr(self._hsm, name)

        async def authorise_load(self, *arguments):
            if not self.here:
                raise HsmUnavailable("the slot is empty")
            return await self._hsm.authorise_load(*arguments)

    hsm = Away(onecard.world.system.hsm)
    onecard.serve(hsm=hsm)
    card = await onecard.card()
    init = card.init(1_000)
    trade_id = (await onecard.desk.verify(card, init))["TradeID"]
    assert (await onecard.desk.transfer(card, init, trade_id))["ErrorCode"] == "9001"
    assert await onecard.state(trade_id) == "1"
    hsm.here = True
    answer = await onecard.desk.transfer(card, init, trade_id)
    assert (card.complete(init, answer), await onecard.prepaid_fen()) == (0x9000, 9_000)
    await onecard.world.books()


FORGERIES = {
    "another key": lambda f: sealed(f, key="another"),
    "an unknown domain": lambda f: sealed(f | {"OrigionDomain": "99"}),
    "another channel": lambda f: sealed(f | {"ChannelNo": "03"}),
    "a value changed": lambda f: sealed(f).replace(b'"ChannelNo": "02"', b'"ChannelNo": "03"'),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_whatever_is_not_authentic_gets_the_very_same_answer(onecard, forgery):
    told = await onecard.desk.raw("/tuxedo/now", FORGERIES[forgery]({"ChannelNo": "02"}))
    assert told == {"ErrorCode": "1001", "ErrorMsg": "认证失败"}


async def test_used_unknown_expired_and_unactivated_passwords_get_the_very_same_answer(onecard):
    card = await onecard.card()
    used = await onecard.recharge_card()
    init = card.init(1_000)
    assert card.complete(init, await onecard.desk.recharge(card, init, used)) == 0x9000
    passwords = [
        used,
        "1234567890123456",
        await onecard.recharge_card(active=False),
        await onecard.recharge_card(expires_on=onecard.stamp.day.replace(year=2025)),
    ]
    told = [await onecard.desk.raw("/recharcard/pwcheck", sealed({"Tac": tac})) for tac in passwords]
    assert told == [{"ErrorCode": "5001", "ErrorMsg": "密码错误或卡不可用"}] * 4
    await onecard.world.books()


def test_the_raw_token_is_the_documents():
    example = {"TRADEID": "54BF6567", "CARDNO": "2150010186001234"}
    assert token(example, "870fc2e8") == "5C82876E385B14BB4F97EB3920AE9F09"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("TermNo", TERMINAL[:-1]),
        ("RndNumber2", "0123456G"),
        ("CardTradeNo", "1"),
        ("TradeMoney", "10.0"),
        ("TradeMoney", "0"),
        ("TradeMoney", "4294967296"),
        ("TradeMoney", ""),
        ("TradeType", "02"),
        ("HostDate", "20260231"),
        ("HostTime", "246060"),
        ("CardType", "1"),
        ("Mac1", "１２３４５６７８"),
        ("DeptNo", "a&b"),
        ("DeptNo", "a=b"),
        ("DeptNo", "a\nb"),
    ],
)
async def test_a_field_of_another_form_is_named_and_nothing_happens(onecard, field, value):
    card = await onecard.card()
    told = await cash(onecard, card, **{field: value})
    assert told["ErrorCode"] == "1002"
    assert field in told["ErrorMsg"] or field == "HostTime"
    assert await onecard.world.database.read_value("SELECT count(*) FROM orders") == 0
