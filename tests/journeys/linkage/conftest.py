"""The platform of `world` with the OneCard API: a channel, a prepaid account, cards of all kinds."""

import secrets
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from raw_onecard import CHANNEL, DOMAIN, KEY, MERCHANT, PASSWORD, TERMINAL, Card, Desk
from tongka.journeys import group, passwords
from tongka.ledger import Account
from tongka.partners.huzhou.client import Order, Outcome
from tongka.partners.linkage import serve
from tongka.partners.linkage.channels import key_context
from tongka.partners.linkage.client import Identity, OneCard
from tongka.store import channels, group_cards, orders, prepaid, recharge_cards
from tongka.store.channels import ChannelRow
from tongka.store.group_cards import Allotment, Batch
from tongka.store.prepaid import Supply
from tongka.store.recharge_cards import NewCard
from tongka.store.stamp import Stamp


@dataclass
class OneCardWorld:
    """The world, a desk of raw messages, and the client of the house."""

    world: Any
    desk: Desk
    client: OneCard
    _made: list[str] = field(default_factory=list)

    @property
    def stamp(self) -> Stamp:
        return Stamp(self.world.now[0], self.world.now[0].date(), "test")

    async def add_channel(self, **row: Any) -> None:
        await add_channel(self.world, **row)

    def serve(self, **changes: Any) -> None:
        """Serve another system from now on: this one with changes."""
        self.world.system = replace(self.world.system, **changes)
        self.desk.server = serve.OneCardServer(self.world.system)

    async def card(self, *arguments: Any, **options: Any) -> Card:
        return Card(await self.world.card(*arguments, **options), self.world.system.clock)

    async def recharge_card(self, amount_fen: int = 1_000, *, active: bool = True, expires_on: Any = None) -> str:
        """A recharge card's password."""
        password = f"{secrets.randbelow(10**16):016d}"
        serial = f"S{len(self._made):04d}"
        self._made.append(serial)
        new = NewCard(serial, await passwords.digest(self.world.system, password), amount_fen)
        last = expires_on or self.stamp.day.replace(year=2030)
        await recharge_cards.issue(self.world.database, "T", [new], last, self.stamp)
        if active:
            paid_into = Account.RECEIVABLE_CASH
            await recharge_cards.activate(self.world.database, "T", (serial, serial), paid_into, self.stamp)
        return password

    async def group_card(self, amount_fen: int = 5_000, **options: Any) -> Card:
        """A card that a company has allotted something to; its password is PASSWORD."""
        card = await self.card(**options)
        await self.allot(card, amount_fen, "first")
        return card

    async def allot(self, card: Card, amount_fen: int, batch: str) -> int:
        """How many lines of the batch were new: one or none."""
        line = Allotment(card.number, amount_fen, await group.digest(self.world.system, card.number, PASSWORD))
        whole = Batch(name=batch, company="C", allotments=[line], paid_into=Account.RECEIVABLE_OTHER)
        return await group_cards.allot(self.world.database, whole, self.stamp)

    async def prepaid_fen(self) -> int:
        return (await prepaid.find(self.world.database, MERCHANT, DOMAIN)).balance_fen

    async def recover(self, card: Card, trade_id: str, amount_fen: int) -> Outcome:
        """Card management of a trade, at a card front."""
        order = Order(order_no=trade_id, card_no=card.number, amount_fen=amount_fen, payment_method="03")
        card.plastic.power_on()
        return await self.world.client.recover(card.plastic, order)

    async def state(self, trade_id: str) -> str:
        order = await orders.by_number(self.world.database, trade_id)
        assert order is not None
        return order.state.value


async def add_channel(world: Any, domain: str = DOMAIN, channel: str = CHANNEL, key: str = KEY, **row: Any) -> None:
    sealed = await world.system.hsm.seal(key.encode(), key_context(domain, channel))
    limits = {"addresses": (), "per_minute": 10_000, "terminal_per_minute": 10_000} | row
    await channels.save(world.database, ChannelRow(domain, channel, "", sealed, **limits))


@pytest.fixture
async def onecard(world) -> OneCardWorld:
    await add_channel(world)
    identity = Identity(
        domain=DOMAIN, channel=CHANNEL, terminal=TERMINAL, network="d", operator="o", merchant=MERCHANT, device="v"
    )
    app = Starlette(routes=serve.routes(world.system))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    client = OneCard("http://127.0.0.1", identity, KEY, http=http)
    made = OneCardWorld(world, Desk(serve.OneCardServer(world.system)), client)
    await prepaid.open_account(world.database, MERCHANT, DOMAIN, 2_000, made.stamp)
    opening = Supply(merchant=MERCHANT, domain=DOMAIN, trade_id="opening", amount_fen=10_000)
    await prepaid.supply(world.database, opening, made.stamp)
    return made
