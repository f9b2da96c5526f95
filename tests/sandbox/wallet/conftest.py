"""A running city, phones with its elements, and a rider's app that orders (IF4) and taps (IF1)."""

import itertools
import json
import secrets
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio

from tongka import serving
from tongka.crypto import sm2
from tongka.sandbox.discovery import document
from tongka.sandbox.running import running_city
from tongka.sandbox.wallet.client import TransitCardClient
from tongka.sandbox.wallet.desk import HttpDesk
from tongka.sandbox.wallet.phone import Phone
from tongka.store import ledger
from tongka.store.ledger_checks import check

AID = bytes.fromhex("A000000632010105")
_numbers = itertools.count(1)


@dataclass
class Rider:
    """One rider with devices, and what Your Server does for them: orders at the SP TSM."""

    city: object
    section: dict
    http: httpx.AsyncClient
    phone: Phone
    wallet: TransitCardClient
    waited: list[float] = field(default_factory=list)

    @property
    def device(self) -> str:
        return self.phone.device_id

    @property
    def element(self):
        return next(iter(self.phone.elements.values()))

    @property
    def purse(self):
        instance = self.element.image.instances.get(AID)
        return instance.purse if instance else None

    async def order(self, business: str, **more: object) -> str:
        """Submit an order; its number."""
        number = f"{business}{next(_numbers):06d}"
        answered = await self.submit(business, number, **more)
        assert answered.status_code == 201, answered.text
        return number

    async def submit(self, business: str, number: str, **more: object) -> httpx.Response:
        message = {"businessType": business, "serverOrderId": number, "issuerId": self.section["issuer_id"]}
        body = json.dumps(message | {"deviceId": self.device} | more).encode()
        return await self.http.post(self.section["order_url"], content=body, headers=self._signed(body))

    def _signed(self, body: bytes) -> dict[str, str]:
        key = sm2.PrivateKey(bytes.fromhex(self.section["partner_private_key"]))
        return {"X-Institution": self.section["issuer_id"], "X-Signature": sm2.sign(key, body).hex().upper()}

    async def told(self, number: str) -> dict:
        """What the SP TSM tells of an order."""
        return (await self.http.get(f"{self.section['order_url']}/{number}", headers=self._signed(b""))).json()

    async def withdraw(self, number: str) -> dict:
        url = f"{self.section['order_url']}/{number}/withdraw"
        answered = await self.http.post(url, content=b"", headers=self._signed(b""))
        assert answered.status_code == 200, answered.text
        return answered.json()

    async def open(self, amount: int = 0) -> str:
        """A card in the phone; its number."""
        token = await self.wallet.can_add_transit_card(self.section["issuer_id"], self.device)
        number = await self.order("OPEN", **({"amount": amount} if amount else {}))
        return (await self.wallet.add_transit_card(token, number)).logical_card_number

    async def delete(self) -> None:
        """Give the card up, if there is one."""
        if self.purse:
            card = self.purse.card_no
            await self.wallet.delete_transit_card(card, self.device, await self.order("DELETE", logicalCardNumber=card))
        assert not self.element.image.instances

    async def books(self) -> None:
        """The card holds what the books say, and nothing in the books contradicts anything."""
        database = self.city.city.system.database
        if self.purse:
            assert self.purse.balance_fen == await ledger.card_balance(database, self.purse.card_no)
        assert not await check(database)

    async def held(self, card_no: str) -> int:
        """What the books say of a card."""
        return await ledger.card_balance(self.city.city.system.database, card_no)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("city")
    async with running_city(folder, serving.bind("127.0.0.1", 0)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def section(city):
    """The wallet's section of sandbox.json."""
    return (await document(city.city, city.base_url))["wallet"]


@pytest_asyncio.fixture(loop_scope="session")
async def make_rider(city, section):
    """A rider with a phone of the given protocol; phones come back empty."""
    riders = []

    async def make(scp: str = "03", nth: int = 0) -> Rider:
        entry = [one for one in section["secure_elements"] if one["scp"] == scp][nth]
        phone = Phone.of([entry], secrets.token_bytes)
        http = httpx.AsyncClient()
        key = sm2.PrivateKey(bytes.fromhex(section["partner_private_key"]))
        rider = Rider(city, section, http, phone, None)

        async def sleep(seconds: float) -> None:
            rider.waited.append(seconds)

        rider.wallet = TransitCardClient(
            http=http,
            seram_url=section["seram_url"],
            desk=HttpDesk(http, section["order_url"], section["issuer_id"], key),
            issuers={section["issuer_id"]: AID},
            devices=[phone],
            random=secrets.token_bytes,
            sleep=sleep,
        )
        riders.append(rider)
        return rider

    yield make
    for rider in riders:
        rider.phone.faults = type(rider.phone.faults)()
        rider.phone.switch_on()
        await rider.delete()
        await rider.http.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def rider(make_rider):
    return await make_rider()


@pytest.fixture(params=["03", "02"])
def scp(request):
    return request.param
