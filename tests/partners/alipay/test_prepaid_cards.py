"""Prepaid cards from the merchant's counter to the code page: issued, supplied, ridden with until they are empty, given
back; the gateway and the merchant's gates are real, and the books agree at every step.
"""

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from starlette.applications import Starlette
from starlette.routing import Mount

from tongka.code.layout import Format
from tongka.errors import Failed, Refused, RepeatedWithOtherContents, Unknown
from tongka.fares import parse_fare_table
from tongka.journeys import prepaid_cards, ride_code, ride_keys, trades, trip_reports
from tongka.journeys.gates import read_journals, token_digest
from tongka.journeys.trips import make_trips
from tongka.ledger import Account
from tongka.merchant import serve
from tongka.merchant.cards import GatewayCards
from tongka.merchant.reports import GatewayReporter
from tongka.partners.alipay import client
from tongka.partners.alipay import serve as gateway_serve
from tongka.sandbox.gate import SimulatedGate
from tongka.settings import Merchant as MerchantSettings
from tongka.settings import Settings
from tongka.store import gates, riders, trips
from tongka.store import prepaid_cards as store
from tongka.store.gates import Gate
from tongka.store.ledger_checks import check
from tongka.store.prepaid_checks import PREPAID_CHECKS

USER, TYPE, CARD, APP = "2088000000000001", "GJ330501", "3305000000000001", "2021000000000001"
UPLOAD = "http://127.0.0.1/merchant/records"
FARES = """
version = "1"
valid_from = 2026-01-01
[[service]]
id = "bus"
name = "192路"
kind = "flat"
fare_fen = 200
"""


@dataclass
class Merchant:
    """The merchant's side over the gateway under test."""

    platform: object
    http: httpx.AsyncClient
    bus: SimulatedGate
    cards: GatewayCards

    @property
    def system(self):
        return self.platform.system

    @asynccontextmanager
    async def open(self):
        yield self.cards

    async def supply(self, amount_fen, reference):
        given = {"reference": reference, "stamp": self.platform.stamp, "source": Account.RECEIVABLE_CASH}
        await store.supply(self.system.database, TYPE, CARD, amount_fen, **given)

    async def ride(self, kind=Format.ALIPAY):
        """A code shown in the bus; its trip waits to be charged."""
        self.platform.pass_time(seconds=10)
        self.bus.show(await self.platform.code(USER, kind, CARD))
        self.platform.pass_time(seconds=10)
        await self.bus.upload(self.http, UPLOAD)
        await read_journals(self.system)
        await make_trips(self.system)

    async def work(self):
        """A turn of each job; how many rides were charged."""
        charged = await prepaid_cards.charge_due(self.system, self.open)
        await prepaid_cards.tell_due(self.system, self.open)
        await self.platform.books()
        return charged

    async def card(self):
        return await store.find(self.system.database, TYPE, CARD)

    async def shown(self):
        """As the gateway has the card."""
        (found,) = await self.cards.gateway.virtualcard_batchquery(USER, card_type=TYPE, include_deleted=True)
        return found["balance"], found["card_status"], found["status_code"]


@pytest.fixture
async def merchant(gateway):
    system = gateway.system
    bus = Gate("bus1", "bus", "", "single", "A1")
    await gates.save(system.database, [(bus, token_digest("token"))])
    await trips.save_fare_table(system.database, parse_fare_table(FARES), FARES, gateway.now[0])
    keys = await ride_keys.key_list(system, gateway.now[0])
    simulated = SimulatedGate("bus1", "token", "bus", keys, lambda: int(gateway.now[0].timestamp()))
    app = Starlette(routes=[*gateway_serve.routes(system), Mount("/merchant", routes=serve.routes(system))])
    private = gateway.app_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    public = gateway.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        calls = client.Gateway(
            "http://127.0.0.1/gateway.do", APP, private, public, clock=lambda: gateway.now[0], http=http
        )
        await prepaid_cards.issue(system, TYPE, CARD, USER, gateway.stamp)
        yield Merchant(gateway, http, simulated, GatewayCards(calls))


async def test_a_new_card_is_told_and_makes_codes_when_it_holds_money(merchant):
    await merchant.work()
    assert await merchant.shown() == ("0.00", "DISABLED", "CARD_OVERDUE")
    with pytest.raises(ride_code.VirtualCardDisabled, match="充值"):
        await merchant.platform.code(USER, card_no=CARD)
    await merchant.supply(1000, "one")
    await merchant.work()
    assert await merchant.shown() == ("10.00", "NORMAL", "")
    assert await merchant.platform.code(USER, card_no=CARD)


@pytest.mark.parametrize("kind", Format)
async def test_a_ride_takes_its_fare_from_the_card_and_not_from_the_rider(merchant, kind):
    await merchant.supply(1000, "one")
    await merchant.work()
    await merchant.ride(kind)
    held = await merchant.platform.balance(USER)
    assert await merchant.work() == 1
    assert await merchant.work() == 0
    assert (await merchant.card()).balance_fen == 800
    assert await merchant.shown() == ("8.00", "NORMAL", "")
    assert await merchant.platform.balance(USER) == held

    @asynccontextmanager
    async def nobody():
        yield None

    assert await trades.send_due(merchant.system, nobody) == 0


async def test_a_card_that_is_short_stops_until_money_comes_and_then_pays(merchant):
    await merchant.supply(300, "one")
    await merchant.work()
    await merchant.ride()
    await merchant.ride()
    assert await merchant.work() == 1
    card = await merchant.card()
    assert (card.balance_fen, card.waiting_fen) == (100, 200)
    assert await merchant.shown() == ("1.00", "DISABLED", "CARD_OVERDUE")
    await merchant.supply(1000, "two")
    assert await merchant.work() == 1
    assert await merchant.shown() == ("9.00", "NORMAL", "")


async def test_a_supply_counts_once_and_its_reference_means_one_amount(merchant):
    for _ in range(2):
        await merchant.supply(500, "one")
    with pytest.raises(RepeatedWithOtherContents):
        await merchant.supply(600, "one")
    assert (await merchant.card()).balance_fen == 500


async def test_a_card_given_back_takes_late_rides_and_is_paid_out(merchant):
    await merchant.supply(1000, "one")
    await merchant.work()
    merchant.platform.pass_time(seconds=10)
    merchant.bus.show(await merchant.platform.code(USER, card_no=CARD))
    await prepaid_cards.give_back(merchant.system, TYPE, CARD, merchant.platform.stamp)
    await merchant.work()
    assert await merchant.shown() == ("10.00", "DISABLED", "CARD_REVOKING")
    merchant.platform.pass_time(days=1)
    await merchant.bus.upload(merchant.http, UPLOAD)
    await read_journals(merchant.system)
    await make_trips(merchant.system)
    assert await merchant.work() == 1
    assert await prepaid_cards.end_due(merchant.system) == 0
    merchant.platform.now[0] += timedelta(days=7)
    assert await prepaid_cards.end_due(merchant.system) == 1
    await merchant.work()
    assert (await merchant.card()).balance_fen == 0
    assert (await merchant.shown())[1] == "DELETED"
    with pytest.raises(store.PrepaidCardUnknown):
        await merchant.supply(100, "late")
    paid = "SELECT amount_fen FROM transfer WHERE credit = 4 AND reason = 'prepaid_card_returned'"
    assert await merchant.system.database.read_value(paid) == 800


async def test_a_gateway_that_does_not_answer_is_told_again_and_rides_wait(merchant, monkeypatch):
    await merchant.supply(1000, "one")
    await merchant.work()
    await merchant.ride()

    async def lost(*_):
        raise Failed("no network")

    with monkeypatch.context() as patched:
        patched.setattr(GatewayCards, "verify", lost)
        patched.setattr(GatewayCards, "tell", lost)
        await merchant.supply(100, "two")
        assert await merchant.work() == 0
        card = await merchant.card()
        assert (card.told, card.tell_error) == (False, "no network")
    merchant.platform.pass_time(hours=1)
    assert await merchant.work() == 1
    assert (await merchant.shown())[0] == "9.00"
    assert (await merchant.card()).told


# --- riders are told --------------------------------------------------------------------------------------------------


async def told(merchant):
    settings = Settings(
        merchant=MerchantSettings(city_name="湖州", report_channel="c", partner_name="Transit", app_id=APP)
    )

    @asynccontextmanager
    async def opened():
        yield GatewayReporter(merchant.cards.gateway, settings.merchant)

    return await trip_reports.tell_due(merchant.system, opened)


async def test_a_paid_ride_is_reported_once_with_what_the_document_names(merchant):
    await merchant.supply(1000, "one")
    await merchant.work()
    await merchant.ride()
    assert await told(merchant) == 0
    await merchant.work()
    assert (await told(merchant), await told(merchant)) == (1, 0)
    kept = json.loads(await merchant.system.database.read_value("SELECT report::text FROM ride_report"))
    expected = {
        "type": "order",
        "amount": "2.00",
        "asset_name": "OUTSIDE CARD",
        "city_name": "湖州",
        "line_name": "192路",
        "start_station_name": "192路",
        "vehicle_id": "A1",
        "vehicle_type": "BUS",
        "card_no": CARD,
        "card_type": TYPE,
        "partner_id": APP,
    }
    assert kept | expected == kept
    (message,) = await riders.messages(merchant.system.database, USER)
    assert message.subject == kept["subject"]


async def test_a_report_that_was_lost_is_sent_again_and_one_that_is_refused_is_kept_with_the_reason(
    merchant, monkeypatch
):
    await merchant.supply(1000, "one")
    await merchant.work()
    await merchant.ride()
    await merchant.ride()
    await merchant.work()

    async def lost(*_):
        raise Unknown("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(GatewayReporter, "report", lost)
        assert await told(merchant) == 0
    assert await told(merchant) == 0
    merchant.platform.pass_time(minutes=1)
    assert await told(merchant) == 2

    async def refused(*_):
        raise Refused("no such channel")

    await merchant.system.database.execute(
        "UPDATE trip_report SET report_at = $1, told_at = NULL", merchant.platform.now[0]
    )
    with monkeypatch.context() as patched:
        patched.setattr(GatewayReporter, "report", refused)
        assert await told(merchant) == 0
    assert await told(merchant) == 0
    assert await merchant.system.database.read_value("SELECT max(error) FROM trip_report") == "no such channel"


# --- the books --------------------------------------------------------------------------------------------------------

UNGUARDED = "ALTER TABLE transfer DISABLE TRIGGER transfer_append_only; "
DAMAGE = {
    "prepaid_rides_charged": "UPDATE trip SET amount_fen = amount_fen + 1",
    "prepaid_supplies": UNGUARDED + "DELETE FROM transfer WHERE reason = 'prepaid_card_supply'",
    "ended_cards_are_empty": "UPDATE prepaid_card SET state = 'revoked', ends_at = now()",
}


async def test_each_check_finds_its_damage(merchant):
    assert set(DAMAGE) == {one.name for one in PREPAID_CHECKS}
    await merchant.supply(1000, "one")
    await merchant.work()
    await merchant.ride()
    await merchant.work()
    for name, damage in DAMAGE.items():
        async with merchant.system.database.transaction() as connection:
            await connection.execute(damage)
        assert name in {finding.check for finding in await check(merchant.system.database, PREPAID_CHECKS)}
