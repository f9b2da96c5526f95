"""A whole platform in process, with its real database and keys, and cards that behave like plastic."""

import itertools
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tongka.card.profiles import PROFILES, CardProfile
from tongka.crypto import sm2
from tongka.days import ZONE
from tongka.keys.keyfile import KeyRing
from tongka.keys.software import SoftwareHsm
from tongka.ledger import Account, Posting
from tongka.partners.huzhou import serve
from tongka.partners.huzhou.client import CardFront, Identity
from tongka.payments import Answer
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import Blank, personalise
from tongka.settings import Settings
from tongka.store import cards, ledger, parties
from tongka.store.card_checks import CARDS_AHEAD
from tongka.store.cards import CardRow
from tongka.store.db import Database
from tongka.store.ledger_checks import CHECKS, check
from tongka.store.parties import Parties, Party
from tongka.system import System

MORNING = datetime(2026, 3, 2, 8, 0, 0, tzinfo=ZONE)


@dataclass
class Bank:
    """A payment institution whose answers the test chooses."""

    pays: Answer = Answer.YES
    refunds: Answer = Answer.YES
    refunded: dict[str, int] = field(default_factory=dict)

    async def paid(self, institution: str, payment_order: str, amount_fen: int) -> Answer:
        return self.pays

    async def refund(self, institution, refund_no: str, payment_order: str, amount_fen: int) -> Answer:
        if self.refunds is Answer.YES:
            self.refunded[refund_no] = amount_fen
        return self.refunds


IDENTITY = {
    "institution": "90000001",
    "partner": "90000001",
    "merchant": "900000010000001",
    "network": "0001",
    "terminal": "90000001",
    "operator": "op01",
    "batch": "000001",
    "channel": "10",
    "area": "00",
}


@dataclass
class World:
    """The platform, a partner's client, and a factory of cards that are on the books."""

    system: System
    client: CardFront
    bank: Bank
    ring: KeyRing
    partner_key: sm2.PrivateKey
    app: serve.CardFrontServer
    now: list[datetime]
    loaded_elsewhere: bool = False
    """Whether other channels load the cards too: then some are ahead of the books."""
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def database(self) -> Database:
        return self.system.database

    def pass_time(self, **much: float) -> None:
        self.now[0] += timedelta(**much)

    async def card(self, profile: str = "huzhou-ministry-3des", balance_fen: int = 5_000, **blank: Any) -> SoftwareCard:
        """A new card of the profile, registered with its balance in the books."""
        image = self.image(PROFILES[profile], balance_fen, **blank)
        row = CardRow(
            card_no=image.card_no,
            asn=image.file15.asn,
            profile=profile,
            key_version=1,
            file15=image.files["0015"],
            enabled=image.file15.enabled,
            deposit_fen=1_800 if image.file15.enabled else 0,
        )
        await cards.register(self.database, [row])
        opening = [
            Posting(Account.OPENING_BALANCES, account, amount, "opening", card_no=image.card_no)
            for account, amount in ((Account.CARD_FLOAT, balance_fen), (Account.DEPOSITS_HELD, row.deposit_fen))
            if amount
        ]
        if opening:
            await ledger.post(self.database, opening, self.now[0], self.now[0].date())
        return SoftwareCard(image, secrets.token_bytes)

    def image(self, profile: CardProfile, balance_fen: int, **blank: Any) -> CardImage:
        number = next(self._numbers)
        digits = f"31048806{number:011d}" if profile.card_no_digits == 19 else f"{number:016d}"
        masters = self.ring.master_keys(profile.name)
        return personalise(profile, digits, masters, Blank(balance_fen=balance_fen, **blank))

    async def books(self) -> None:
        """Nothing in the books contradicts anything."""
        findings = await check(
            self.database, [one for one in CHECKS if not (one is CARDS_AHEAD and self.loaded_elsewhere)]
        )
        assert not findings, findings


@pytest.fixture
async def world(serving_database: Database) -> World:
    """In the role that serves: what a journey needs, that role must be allowed."""
    database = serving_database
    ring = KeyRing.generate(PROFILES.values(), secrets.token_bytes)
    partner_key = sm2.generate()
    hsm = SoftwareHsm(ring)
    known = [Party(role, IDENTITY[role]) for role in IDENTITY if role not in {"institution", "batch"}]
    institution = Party(
        "institution", IDENTITY["institution"], public_key=sm2.public_key(partner_key).compressed.hex().upper()
    )
    await parties.save(database, institution, *known)
    bank = Bank()
    now = [MORNING]
    system = System(
        settings=Settings(),
        database=database,
        hsm=hsm,
        payments=bank,
        parties=await Parties.load(database),
        clock=lambda: now[0],
        random=secrets.token_bytes,
    )
    client = CardFront(
        "http://127.0.0.1/cardfront",
        Identity(**IDENTITY),
        partner_key,
        sm2.PublicKey(await hsm.public_key(serve.ENDPOINT)),
        clock=lambda: now[0],
        http=httpx.AsyncClient(
            transport=httpx.ASGITransport(Starlette(routes=[Mount("/cardfront", routes=serve.routes(system))]))
        ),
    )
    return World(system, client, bank, ring, partner_key, serve.CardFrontServer(system), now)
