"""Your Server with its riders, a till that the test steers, and phones."""

import dataclasses
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from openapi_answers import Declared
from seram_agent import Agent
from tongka.app import serve as app
from tongka.card.profiles import PROFILES
from tongka.crypto import sm2
from tongka.crypto.scrypt import hashed
from tongka.days import ZONE
from tongka.journeys import refund
from tongka.journeys.app import ordering, paying, payout
from tongka.journeys.wallet import session
from tongka.keys import element_context
from tongka.keys.keyfile import KeyRing
from tongka.keys.software import SoftwareHsm
from tongka.partners.huawei import serve
from tongka.payments.routing import Routed
from tongka.payments.simulator import SimulatedInstitution
from tongka.payments.till import Till
from tongka.sandbox import notices
from tongka.sandbox.element import mint
from tongka.sandbox.element.machine import SoftwareElement
from tongka.settings import Settings
from tongka.store import app as store
from tongka.store import elements, till
from tongka.store.app import AppUser, Product
from tongka.store.elements import CardRange, Element
from tongka.store.ledger_checks import check
from tongka.store.parties import Parties
from tongka.store.till import Temper
from tongka.system import System

ISSUER = "90000001"
AID = bytes.fromhex("A000000632010105")


@dataclass
class Shop:
    """Riders' view of Your Server, and what happens behind it."""

    system: System
    http: httpx.AsyncClient
    now: list[datetime]
    tokens: dict[str, str] = field(default_factory=dict)

    async def temper(self, **wanted: object) -> None:
        await till.set_temper(self.system.database, dataclasses.replace(Temper(), **wanted))

    async def login(self, name: str = "ann", password: str = "secret"):  # noqa: S107 - a test's
        form = {"grant_type": "password", "username": name, "password": password}
        answer = await self.http.post("/app/v1/token", data=form)
        self.tokens[name] = answer.json().get("access_token", "")
        return answer

    async def ask(self, method: str, path: str, body: object = None, *, key: str = "", name: str = "ann"):
        if name not in self.tokens:
            await self.login(name)
        headers = {"Authorization": f"Bearer {self.tokens[name]}"} | ({"Idempotency-Key": key} if key else {})
        return await self.http.request(method, f"/app/v1{path}", json=body, headers=headers)

    async def order(self, business: str, *, key: str = "", name: str = "ann", **contents: object) -> dict:
        body = {"business": business} | contents
        answer = await self.ask("POST", "/orders", body, key=key or secrets.token_hex(8), name=name)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def paid(self, order: dict) -> dict:
        answer = await self.ask("POST", f"/orders/{order['order_no']}/pay", {"acquirer": "sandbox"})
        assert answer.status_code == 200, answer.text
        await self.work()
        return await self.follow(order)

    async def follow(self, order: dict) -> dict:
        return (await self.ask("GET", f"/orders/{order['order_no']}")).json()

    async def work(self, rounds: int = 1) -> None:
        """The worker's jobs, each once; a minute passes."""
        for _ in range(rounds):
            await notices.send_due(self.system)
            await paying.ask_again(self.system)
            await ordering.submit_due(self.system)
            await paying.return_strays(self.system)
            await refund.ask_again(self.system)
            await payout.pay_out(self.system)
            self.now[0] += timedelta(seconds=61)

    async def phone(self, number: int = 0) -> Agent:
        image = mint.elements(bytes(32))[number]
        keys = image.keys.enc + image.keys.mac + image.keys.dek
        sealed = await self.system.hsm.seal(keys, element_context(image.se_id))
        row = Element(image.se_id, image.device_id, image.scp, image.key_version, image.security_domain, sealed)
        await elements.add_element(self.system.database, row)
        chip = SoftwareElement(image, secrets.token_bytes)
        return Agent(self.http, "", sm2.generate(), chip, image.se_id, image.device_id, ISSUER, wait=self.wait)

    def wait(self, delay_ms: int) -> None:
        self.now[0] += timedelta(milliseconds=delay_ms)

    async def opened(self, phone: Agent, amount_fen: int = 1_000) -> dict:
        order = await self.paid(
            await self.order("OPEN", issuer_id=ISSUER, device_id=phone.device_id, amount_fen=amount_fen)
        )
        assert await phone.run(order["session_id"]) == "done"
        return await self.follow(order)

    async def books(self) -> None:
        findings = await check(self.system.database)
        assert not findings, findings


def purse(phone: Agent):
    instance = phone.element.image.instances.get(AID)
    return instance.purse if instance else None


@pytest.fixture
async def shop(serving_database, monkeypatch) -> Shop:
    database = serving_database
    monkeypatch.setattr(session, "ASIDE_S", 0.0)
    now = [datetime(2026, 3, 2, 8, 0, 0, tzinfo=ZONE)]
    clock = lambda: now[0]  # noqa: E731
    acquirers = {"sandbox": Till(database, clock, secrets.token_bytes)}
    system = System(
        settings=Settings(),
        database=database,
        hsm=SoftwareHsm(KeyRing.generate(PROFILES.values(), secrets.token_bytes)),
        payments=Routed(database, acquirers, SimulatedInstitution(database)),
        parties=await Parties.load(database),
        clock=clock,
        random=secrets.token_bytes,
        acquirers=acquirers,
    )
    await elements.add_range(database, CardRange(ISSUER, "huzhou-ministry-3des", "31048806", 11, 10**11 - 1))
    await store.add_product(database, Product(ISSUER, "Ministry card", 200, 1_800, (1_000, 2_000)))
    for name in ("ann", "bob"):
        await store.add_user(database, AppUser(name, name, bytes(16), hashed("secret", bytes(16))))
    routes = [
        Mount("/app/v1", app=app.build(system)),
        *serve.order_routes(system),
        Mount("/gp/seram", routes=serve.seram_routes(system)),
    ]
    transport = httpx.ASGITransport(Starlette(routes=routes))
    document = (await httpx.AsyncClient(transport=transport).get("http://127.0.0.1/app/v1/openapi.json")).json()
    declared = Declared(document, "/app/v1")
    http = httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", event_hooks={"response": [declared.require]}
    )
    return Shop(system, http, now)
