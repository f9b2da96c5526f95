"""What a phone keeps stays the same for days; codes of one second are still two codes."""

import asyncio

import pytest

from tongka.code.layout import Format, parse_code
from tongka.code.verify import Terms, verify_code
from tongka.journeys import credentials, ride_code, ride_keys
from tongka.store import virtual_cards
from tongka.virtual_card import CardAction, CardChange

CARD = "3305000000000001"


async def shown(gateway, kind=Format.ALIPAY, card_no="", user_id="2088000000000001"):
    return parse_code(await ride_code.issue(gateway.system, user_id, kind, card_no))


def authorisation(code):
    """Credential and the platform's signature: what a verifier remembers."""
    return (
        code.credential,
        code.parts.issuer_signature if code.format is Format.MINISTRY else code.parts.master_signature,
    )


async def tell_of_card(gateway, action, **fields):
    now = gateway.now[0].replace(tzinfo=None)
    told = CardChange(action=action, user_id="2088000000000001", card_type="GJ330500", card_no=CARD,
                      last_update_time=now, **fields)  # fmt: skip
    await virtual_cards.change(gateway.database, told, actor="test", at=gateway.now[0])


@pytest.mark.parametrize("kind", Format)
async def test_the_credential_stays_while_the_codes_change(gateway, kind):
    first = await shown(gateway, kind)
    gateway.pass_time(days=3)
    later = await shown(gateway, kind)
    assert authorisation(first) == authorisation(later)
    assert (first.generated, first.parts.user_signature) != (later.generated, later.parts.user_signature)
    keys = await ride_keys.key_list(gateway.system, gateway.now[0])
    verify_code(later.raw, Terms(keys, int(gateway.now[0].timestamp())))


async def test_reserved_bytes_are_zero(gateway):
    assert (await shown(gateway)).credential[32:36] == bytes(4)


@pytest.mark.parametrize("kind", Format)
async def test_codes_of_one_second_differ_and_the_kept_credential_is_the_first(gateway, kind):
    codes = await asyncio.gather(*(shown(gateway, kind) for _ in range(8)))
    assert len({code.identity for code in codes}) == len(codes)
    gateway.pass_time(seconds=1)
    assert authorisation(await shown(gateway, kind)) in [authorisation(code) for code in codes]


async def test_a_clock_that_went_back_makes_no_code_twice(gateway):
    gateway.pass_time(seconds=10)
    codes = [await shown(gateway)]
    gateway.pass_time(seconds=-5)
    codes += [await shown(gateway), await shown(gateway)]
    gateway.pass_time(seconds=5)
    codes.append(await shown(gateway))
    assert len({code.identity for code in codes}) == len(codes)


async def test_formats_and_cards_have_credentials_of_their_own(gateway):
    await tell_of_card(gateway, CardAction.ISSUE)
    codes = [await shown(gateway, kind, card) for kind in Format for card in ("", CARD)]
    assert len({code.credential for code in codes}) == len(codes) == len({code.user_key for code in codes})


async def test_a_credential_is_renewed_in_good_time(gateway):
    first = await shown(gateway)
    gateway.now[0] += credentials.RENEWED_AFTER
    renewed = await shown(gateway)
    assert renewed.credential != first.credential
    gateway.pass_time(seconds=1)
    assert (await shown(gateway)).credential == renewed.credential


@pytest.mark.parametrize(
    "told",
    [
        [(CardAction.UPDATE, {"card_data": "BEEF"})],
        [(CardAction.REVOKE, {}), (CardAction.ISSUE, {})],
        [(CardAction.UPDATE, {"disabled": True, "disabled_tips": "-"}), (CardAction.UPDATE, {"disabled": False})],
    ],
)
async def test_a_card_that_changed_or_came_back_gets_a_new_one(gateway, told):
    await tell_of_card(gateway, CardAction.ISSUE, card_data="AB")
    before = await shown(gateway, card_no=CARD)
    for action, fields in told:
        gateway.pass_time(seconds=1)
        await tell_of_card(gateway, action, **fields)
    after = await shown(gateway, card_no=CARD)
    assert (after.credential, after.user_key) != (before.credential, before.user_key)
    assert after.credential != before.credential


async def test_a_new_balance_is_nothing_that_a_credential_says(gateway):
    await tell_of_card(gateway, CardAction.ISSUE)
    before = await shown(gateway, card_no=CARD)
    gateway.pass_time(seconds=1)
    await tell_of_card(gateway, CardAction.UPDATE, balance="7.50")
    assert (await shown(gateway, card_no=CARD)).credential == before.credential
