"""The wallet's published methods, and the codes that they end with."""

from dataclasses import replace

import pytest

from tongka.sandbox.card.power import BEFORE
from tongka.sandbox.wallet import client as wallet_client
from tongka.sandbox.wallet.codes import BY_NUMBER, WalletFailed, WalletRefused, WalletUnknown
from tongka.sandbox.wallet.phone import DeviceType, Phone
from tongka.sandbox.wallet.seram import Status

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def refused(number: int, call) -> None:
    """The call ends with this code."""
    with pytest.raises((WalletRefused, WalletFailed, WalletUnknown)) as ended:
        await call
    assert ended.value.row.number == number, ended.value


async def test_a_card_is_opened_recharged_updated_and_deleted(make_rider, scp):
    rider = await make_rider(scp)
    wallet, device = rider.wallet, rider.device
    (before,) = await wallet.get_card_metadata_in_device(DeviceType.PHONE)
    assert (before.device_id, before.card_metadata[0].logical_card_number) == (device, None)
    token = await wallet.can_add_transit_card(rider.section["issuer_id"], device)
    assert len(token) == 64
    card = await wallet.add_transit_card(token, await rider.order("OPEN", amount=2_000))
    assert card.balance == 2_000
    number = card.logical_card_number
    await rider.books()
    assert await wallet.recharge_transit_card(number, device, await rider.order("TOPUP", amount=500)) == 2_500
    await wallet.update_transit_card(number, device, await rider.order("UPDATE", cardType="03"))
    assert rider.purse.files["0017"][10] == 0x03
    info = await wallet.get_transit_card_info(number, device)
    assert info.card_number == number
    assert (info.data.balance, info.data.metro_status) == (2_500, 3)
    assert [(one.type, one.amount) for one in info.data.records] == [(1, 500), (1, 2_000)]
    assert info.data.expire_date == f"{rider.purse.file15.valid_to:%Y%m%d}"
    await rider.books()
    await rider.delete()
    assert await rider.held(number) == 0
    await rider.books()


# --- refusals before anything happens ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "number"),
    [("installed", 1010200002), ("ready", 1010200003), ("owner", 1010200014)],
)
async def test_without_its_environment_the_wallet_does_nothing(rider, condition, number):
    setattr(rider.wallet.conditions, condition, False)
    wallet, device = rider.wallet, rider.device
    for call in (
        lambda: wallet.get_card_metadata_in_device(DeviceType.PHONE),
        lambda: wallet.get_transit_card_info("1", device),
        lambda: wallet.can_add_transit_card(rider.section["issuer_id"], device),
        lambda: wallet.add_transit_card("", ""),
        lambda: wallet.recharge_transit_card("1", device, "1"),
        lambda: wallet.update_transit_card("1", device, "1"),
        lambda: wallet.delete_transit_card("1", device, "1"),
    ):
        await refused(number, call())
    if number == 1010200014:
        await refused(number, wallet.setup_wallet_environment())
        wallet.conditions.owner = True
    else:
        await wallet.setup_wallet_environment()
    await wallet.can_add_transit_card(rider.section["issuer_id"], device)


async def test_what_stands_in_the_way_of_an_addition_is_told(rider):
    wallet, issuer, device = rider.wallet, rider.section["issuer_id"], rider.device
    await refused(1010210201, wallet.can_add_transit_card("another", device))
    await refused(1010210201, wallet.can_add_transit_card(issuer, "another"))
    wallet.conditions.up_to_date = False
    await refused(1010200008, wallet.can_add_transit_card(issuer, device))
    wallet.conditions.up_to_date = True
    wallet.conditions.additions_offline = True
    await refused(1010210204, wallet.can_add_transit_card(issuer, device))
    wallet.conditions.additions_offline = False
    await rider.open()
    await refused(1010210203, wallet.can_add_transit_card(issuer, device))
    await refused(1010210301, wallet.add_transit_card("0" * 64, await rider.order("UPDATE")))


async def test_a_locked_card_conflicts_with_another(rider):
    card = await rider.open()
    locked = await rider.order("LOCK")
    session = (await rider.told(locked))["sessionId"]
    agent = wallet_client.LocalAgent(rider.http, rider.section["seram_url"], rider.phone, rider.wallet.sleep)
    assert (await agent.run(session)).notice == "done"
    await refused(1010210202, rider.wallet.can_add_transit_card(rider.section["issuer_id"], rider.device))
    await refused(1010210402, rider.wallet.recharge_transit_card(card, rider.device, "1"))
    await refused(1010210502, rider.wallet.update_transit_card(card, rider.device, "1"))
    assert (await agent.run((await rider.told(await rider.order("UNLOCK")))["sessionId"])).notice == "done"


async def test_a_card_that_falls_silent_while_it_is_read_is_told(rider):
    card = await rider.open()
    for skip in range(3, 8):  # SELECT, file 15 and the balance find it; then it is read again, with its records
        rider.element.switch.arm(BEFORE, skip=skip)
        await refused(1010210119, rider.wallet.get_transit_card_info(card, rider.device))
        rider.phone.switch_on()
    await rider.wallet.get_transit_card_info(card, rider.device)


async def test_a_watch_out_of_reach_is_told(rider):
    watch = Phone("W", {}, DeviceType.WATCH, "Watch", connected=False)
    rider.wallet.devices = [*rider.wallet.devices, watch]
    await refused(1010200006, rider.wallet.get_card_metadata_in_device(DeviceType.WATCH))
    await refused(1010200006, rider.wallet.can_add_transit_card(rider.section["issuer_id"], "W"))


@pytest.mark.parametrize(
    ("method", "number"),
    [
        ("get_transit_card_info", 1010210101),
        ("recharge_transit_card", 1010210401),
        ("update_transit_card", 1010210501),
    ],
)
async def test_a_card_that_is_not_there_is_told(rider, method, number):
    order = () if method == "get_transit_card_info" else ("1",)
    await refused(number, getattr(rider.wallet, method)("3104880600000000000", rider.device, *order))
    await refused(number, getattr(rider.wallet, method)("3104880600000000000", "another", *order))


@pytest.mark.parametrize(("method", "business", "number"), [
    ("recharge_transit_card", "UPDATE", 1010210403),
    ("update_transit_card", "LOCK", 1010210503),
    ("delete_transit_card", "UPDATE", 1010210601),
])  # fmt: skip
async def test_an_order_that_cannot_be_confirmed_is_refused(rider, method, business, number):
    card = await rider.open()
    await refused(number, getattr(rider.wallet, method)(card, rider.device, "no-such-order"))
    await refused(number, getattr(rider.wallet, method)(card, rider.device, await rider.order(business)))
    assert rider.purse.card_no == card


async def test_an_addition_that_cannot_be_confirmed_is_refundable(rider):
    token = await rider.wallet.can_add_transit_card(rider.section["issuer_id"], rider.device)
    await refused(1010210302, rider.wallet.add_transit_card(token, "no-such-order"))
    order = await rider.order("OPEN")
    await rider.withdraw(order)
    await refused(1010210302, rider.wallet.add_transit_card(token, order))
    assert BY_NUMBER[1010210302].refundable
    assert not rider.element.image.instances


# --- half way ---------------------------------------------------------------------------------------------------------


async def test_an_element_that_is_never_available_leaves_the_result_unknown_until_it_is(rider):
    card = await rider.open(1_000)
    rider.phone.faults.says = Status.UNAVAILABLE_SE
    order = await rider.order("TOPUP", amount=100)
    await refused(1010210419, rider.wallet.recharge_transit_card(card, rider.device, order))
    assert (await rider.told(order))["state"] == "UNKNOWN"
    rider.phone.faults.says = None
    assert await rider.wallet.resume() == {order: None}
    assert rider.purse.balance_fen == 1_100
    await rider.books()


async def test_without_network_nothing_happens_and_half_way_it_is_unknown(rider):
    card = await rider.open(1_000)
    order = await rider.order("TOPUP", amount=100)
    rider.waited.clear()
    rider.phone.faults.lost = lambda _: True
    await refused(1010200010, rider.wallet.recharge_transit_card(card, rider.device, order))
    assert sum(rider.waited) >= 300
    last = rider.phone.faults.messages + 3  # handshake, first report, the answers to INIT FOR LOAD
    rider.phone.faults.lost = lambda number: number >= last
    await refused(1010210419, rider.wallet.recharge_transit_card(card, rider.device, order))
    rider.phone.faults.lost = lambda _: False
    assert await rider.wallet.resume() == {order: None}
    assert rider.wallet.unfinished == {}
    assert rider.purse.balance_fen == 1_100
    await rider.books()


async def test_nobody_answers_for_orders(rider):
    card, desk = await rider.open(), rider.wallet.desk
    rider.wallet.desk = replace(desk, order_url="http://127.0.0.1:9/none")
    await refused(1010200010, rider.wallet.recharge_transit_card(card, rider.device, "1"))
    rider.wallet.desk = replace(desk, institution="another")
    await refused(1010210403, rider.wallet.recharge_transit_card(card, rider.device, "1"))
    rider.wallet.desk = desk
    rider.wallet.unfinished["1"] = wallet_client.RECHARGE
    assert [type(outcome) for outcome in (await rider.wallet.resume()).values()] == [WalletRefused]
    assert not rider.wallet.unfinished
