"""The server is killed (SIGKILL) before and after every write of every journey: nothing is lost or doubled.

The client does what any client does: it repeats its message, then asks the card. In the end the card, the order and the
books must agree, and the card must have exactly what was paid.
"""

import asyncio
import secrets
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tongka.card.commands import CommandKind
from tongka.crypto import sm2
from tongka.errors import Failed, Unknown
from tongka.journeys import refund, sweep
from tongka.orders import Kind
from tongka.partners.huzhou.client import CardFront, CardFrontRefused, Line, Order, Outcome, TopUpInterrupted
from tongka.partners.huzhou.messages import ChargeOrderCreate
from tongka.partners.linkage.client import Line as OneCardLine
from tongka.partners.linkage.client import LoadInterrupted, OneCard, OneCardRefused
from tongka.sandbox import linkage_city, plan
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import furnish
from tongka.sandbox.card.power import BEFORE
from tongka.sandbox.city import City, open_city
from tongka.shell import now
from tongka.store import prepaid
from tongka.store.ledger_checks import check
from tongka.store.orders import unfinished

SERVER = Path(__file__).parents[1] / "support" / "dying_server.py"
ALREADY = {"000078", "000079"}
"""Sold already, charged already: what was asked for has happened."""
TRIES = 12


class DyingServer:
    """Drives the script; see there."""

    def __init__(self, settings: Path, listening: socket.socket) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), str(settings), str(listening.fileno())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[listening.fileno()], text=True,
        )  # fmt: skip

    def run(self, number: int, when: str) -> None:
        self._say(f"run {number} {when}")

    def stop(self) -> bool:
        """Whether it died."""
        return self._say("stop") == "died"

    def _say(self, line: str) -> str:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)


@dataclass
class Crashes:
    city: City
    server: DyingServer
    front: CardFront
    onecard: OneCard
    cards: list[CardImage]
    recharge_cards: list[tuple[str, int]]

    def card(self, *, enabled: bool) -> SoftwareCard:
        fits = (c for c in self.cards if c.file15.enabled is enabled and c.balance_fen < 50_000)
        found = next(c for c in fits if c.balance_fen or not enabled)
        self.cards.remove(found)
        return SoftwareCard(furnish(found), secrets.token_bytes)

    async def later(self) -> None:
        """Half an hour later the worker looks at what stands still."""
        await sweep.sweep(replace(self.city.system, clock=lambda: now() + timedelta(minutes=30)))

    async def eventually(self, attempt: Callable[[], Awaitable[bool]]) -> None:
        """Until the client knows that it is done; whatever breaks is tried again."""
        last: Exception | None = None
        for _ in range(TRIES):
            try:
                if await attempt():
                    return
            except CardFrontRefused as refused:
                if refused.result in ALREADY:
                    return
                last = refused
            except (Failed, Unknown) as broken:
                last = broken
            await self.later()
        raise AssertionError("never done") from last

    async def states(self, card_no: str) -> list[str]:
        """Of all orders of a card, of every kind."""
        rows = await self.city.system.database.read("SELECT state FROM orders WHERE card_no = $1", card_no)
        return [row["state"] for row in rows]


# --- the journeys: each answers what the card must then hold ----------------------------------------------------------


async def top_up(world: Crashes) -> None:
    card = world.card(enabled=True)
    before, payment = card.image.balance_fen, secrets.token_hex(8)

    async def attempt() -> bool:
        try:
            await world.front.top_up(card, 1_000, payment)
        except TopUpInterrupted as broken:
            return await world.front.recover(card, broken.order) is Outcome.CREDITED
        return True

    await world.eventually(attempt)
    assert card.image.balance_fen == before + 1_000
    assert await world.states(card.image.card_no) in (["5"], ["8"])


async def torn_and_recovered(world: Crashes) -> None:
    card = world.card(enabled=True)
    before, payment = card.image.balance_fen, secrets.token_hex(8)
    card.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)

    async def attempt() -> bool:
        try:
            await world.front.top_up(card, 1_000, payment)
        except TopUpInterrupted as broken:
            card.power_on()
            await world.front.recover(card, broken.order)
            return False
        return True

    await world.eventually(attempt)
    assert card.image.balance_fen == before + 1_000


async def cancelled(world: Crashes) -> None:
    card = world.card(enabled=True)
    charge = ChargeOrderCreate(
        card_no=card.image.card_no, charge_type="01", payment_method="02", payment_order=secrets.token_hex(8),
        amount_text="700",
    )  # fmt: skip

    async def attempt() -> bool:
        try:
            created = await world.front.charge_order_create(charge)
        except CardFrontRefused as refused:
            return refused.result == "000159"  # cancelled already
        await world.front.cancel(
            Order(order_no=created.order_no, card_no=charge.card_no, amount_fen=700, payment_method="02")
        )
        return True

    await world.eventually(attempt)
    await refund.ask_again(world.city.system)
    assert await world.states(card.image.card_no) == ["B"]


async def sold(world: Crashes) -> None:
    card = world.card(enabled=False)

    async def attempt() -> bool:
        await world.front.sell(card)
        return True

    await world.eventually(attempt)
    assert card.image.file15.enabled
    assert await world.states(card.image.card_no) == ["5"]


async def returned(world: Crashes) -> None:
    card = world.card(enabled=True)
    held = card.image.balance_fen

    async def attempt() -> bool:
        if card.image.balance_fen:
            await world.front.return_card(card)
            return True
        begun = await unfinished(world.city.system.database, card.image.card_no, Kind.RETURN)
        if begun is not None:  # the debit ran, its confirm was lost: the client has the order's number on its slip
            order = Order(order_no=begun.order_no, card_no=card.image.card_no, amount_fen=held, payment_method="01")
            await world.front.recover(card, order)
        return True

    await world.eventually(attempt)
    assert card.image.balance_fen == 0
    assert await world.states(card.image.card_no) in (["5"], ["8"])


async def drawn_twice_from_prepaid(world: Crashes) -> None:
    """Over the OneCard API; the second load closes the first by its counter."""
    card = world.card(enabled=True)
    before, prepaid_before = card.image.balance_fen, await prepaid_fen(world)
    for _ in range(2):
        await over_onecard(world, card, lambda: world.onecard.from_prepaid(card, 100))
    assert card.image.balance_fen == before + 200
    assert await prepaid_fen(world) == prepaid_before - 200
    assert sorted(set(await world.states(card.image.card_no)) - {"1"}) == ["2", "5"]  # 1: trades that were never paid


async def redeemed(world: Crashes) -> None:
    card = world.card(enabled=True)
    before = card.image.balance_fen
    password, amount_fen = world.recharge_cards.pop()
    await over_onecard(world, card, lambda: world.onecard.redeem(card, password))
    assert card.image.balance_fen == before + amount_fen
    with pytest.raises(OneCardRefused, match="5001"):
        await world.onecard.redeem(card, password)


async def over_onecard(world: Crashes, card: SoftwareCard, load: Callable[[], Awaitable[Any]]) -> None:
    """What broke off is resumed; a refusal means that the load is being authorised, until the sweep has seen it."""
    broken: list[LoadInterrupted] = []

    async def attempt() -> bool:
        try:
            await (world.onecard.resume(card, broken[-1]) if broken else load())
        except LoadInterrupted as interrupted:
            broken.append(interrupted)
            return False
        except OneCardRefused as refused:
            if refused.result != "9001":
                raise
            return False
        return True

    await world.eventually(attempt)


async def prepaid_fen(world: Crashes) -> int:
    found = await prepaid.find(world.city.system.database, linkage_city.MERCHANT, linkage_city.DOMAIN)
    return found.balance_fen


@pytest.fixture
async def world(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        async with open_city(tmp_path / "city", host, port, now) as city:
            server = DyingServer(city.folder / "tongka.toml", listening)
            front = CardFront(
                f"http://{host}:{port}/cardfront",
                plan.IDENTITY,
                city.partner_key,
                sm2.PublicKey(await city.system.hsm.public_key("huzhou")),
                line=Line(attempts=4, pause_s=0.1),
            )
            section = linkage_city.section(f"http://{host}:{port}", city.seed, city.cards)
            onecard = OneCard.of_section(section, line=OneCardLine(attempts=4, pause_s=0.1))
            recharge_cards = linkage_city.recharge_passwords(city.seed)
            yield Crashes(city, server, front, onecard, list(city.cards), recharge_cards)
            await front.close()
            await onecard.close()
            server.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "journey", [top_up, torn_and_recovered, cancelled, sold, returned, drawn_twice_from_prepaid, redeemed]
)
async def test_killed_at_every_write_nothing_is_lost_or_doubled(world, journey):
    deaths = 0
    for number in count():
        died = []
        for when in ("before", "after"):
            await asyncio.to_thread(world.server.run, number, when)
            await journey(world)
            died.append(await asyncio.to_thread(world.server.stop))
            assert await check(world.city.system.database) == []
        deaths += sum(died)
        if not any(died):
            break
    print(f"{journey.__name__}: {deaths} deaths")
    assert deaths >= 4
