"""A platform with an issuer of cards for phones, and phones with purses in them."""

import secrets
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from seram_agent import Agent
from tongka.journeys import refund
from tongka.journeys.wallet import session
from tongka.keys import element_context
from tongka.partners.huawei import serve
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.element import mint
from tongka.sandbox.element.machine import SoftwareElement
from tongka.store import elements
from tongka.store.elements import CardRange, Element

ISSUER = "90000001"


@dataclass
class Phones:
    """Phones of one world."""

    world: object
    http: httpx.AsyncClient

    def agent(self, element: object, se_id: str, device: str) -> Agent:
        """It waits in the world's own time."""
        wait = lambda delay_ms: self.world.pass_time(milliseconds=delay_ms)  # noqa: E731
        return Agent(self.http, "90000001", self.world.partner_key, element, se_id, device, ISSUER, wait=wait)

    async def with_card(self, card: SoftwareCard, number: str = "1") -> Agent:
        """A phone whose element holds a card that is in use."""
        agent = await self.empty(card, number)
        image = card.image
        await self.world.database.execute(
            "INSERT INTO wallet_card VALUES ($1, $2, $3, $4, $5, 'live', now())",
            image.card_no, ISSUER, agent.institution, agent.device_id, agent.se_id,
        )  # fmt: skip
        return agent

    async def empty(self, element: object, number: str = "1") -> Agent:
        """A phone whose element is not managed by us: it has a card from elsewhere."""
        device, se_id = f"device-{number}", f"E{number:0>31}"
        await elements.add_element(
            self.world.database, Element(se_id, device, "03", 1, bytes.fromhex("A000000151000000"), b"")
        )
        return self.agent(element, se_id, device)

    async def refunds(self) -> None:
        await refund.ask_again(self.world.system)

    async def new(self, number: int = 0, seed: bytes = bytes(32)) -> Agent:
        """A phone with an empty element, as its maker delivered it."""
        image = mint.elements(seed)[number]
        keys = image.keys.enc + image.keys.mac + image.keys.dek
        sealed = await self.world.system.hsm.seal(keys, element_context(image.se_id))
        row = Element(image.se_id, image.device_id, image.scp, image.key_version, image.security_domain, sealed)
        await elements.add_element(self.world.database, row)
        chip = SoftwareElement(image, secrets.token_bytes)
        return self.agent(chip, image.se_id, image.device_id)


@pytest.fixture
async def phones(world, monkeypatch):
    monkeypatch.setattr(session, "ASIDE_S", 0.0)
    await elements.add_range(world.database, CardRange(ISSUER, "huzhou-ministry-3des", "31048806", 11, 10**11 - 1))
    app = Starlette(
        routes=[*serve.order_routes(world.system), Mount("/gp/seram", routes=serve.seram_routes(world.system))]
    )
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")
    return Phones(world, http)
