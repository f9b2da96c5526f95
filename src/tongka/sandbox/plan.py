"""What a new sandbox city consists of: its parties and its cards, as tables. Pure; keys and seed come from outside."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import count

from tongka.card.keyset import KeySet
from tongka.card.profiles import PROFILES, CardProfile
from tongka.partners.huzhou.client import Identity
from tongka.partners.huzhou.codes import AREAS, CHANNELS
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.personalise import Blank, personalise
from tongka.store.cards import CardRow
from tongka.store.parties import Party, Role

IDENTITY = Identity(  # lengths: Huzhou appendix B
    institution="33600001",
    partner="33600001",
    merchant="336000010000001",
    network="33600010",
    terminal="33600101",
    operator="000001",
    batch="000001",
    channel="10",
    area="00",
)
"""The integrator, whose partner key is in sandbox.json."""


def parties(partner_public_key: str) -> Iterator[Party]:
    """Everybody whom messages of the integrator name; the key is a compressed point in hex."""
    institution = IDENTITY.institution
    yield Party(Role.INSTITUTION, institution, "Sandbox integrator", public_key=partner_public_key)
    yield Party(Role.PARTNER, IDENTITY.partner, "Sandbox integrator", institution)
    yield Party(Role.MERCHANT, IDENTITY.merchant, "Sandbox merchant", institution)
    yield Party(Role.TERMINAL, IDENTITY.terminal, "Top-up machine", IDENTITY.merchant)
    yield Party(Role.NETWORK, IDENTITY.network, "Railway station", institution)
    yield Party(Role.OPERATOR, IDENTITY.operator, "First operator", institution)
    yield from (Party(Role.AREA, row.code, row.text) for row in AREAS)
    yield from (Party(Role.CHANNEL, row.code, row.text) for row in CHANNELS)


@dataclass(frozen=True, slots=True)
class Batch:
    """Cards alike; balances are spread evenly from the first to the last."""

    cards: int
    enabled: bool
    from_fen: int
    to_fen: int

    def balance_fen(self, nth: int) -> int:
        return self.from_fen + (self.to_fen - self.from_fen) * nth // max(1, self.cards - 1)


BATCHES = (
    Batch(8, enabled=False, from_fen=0, to_fen=0),
    Batch(6, enabled=True, from_fen=0, to_fen=0),
    Batch(8, enabled=True, from_fen=350, to_fen=48_200),
    Batch(6, enabled=True, from_fen=90_000, to_fen=98_500),
)
"""Of every profile: not yet sold, empty, in use, near the wallet's maximum of 100,000 fen with room for 1,000."""

NUMBER_PREFIX = {19: "31048806", 16: "3360"}
"""How a made-up number begins, by its digits: the Huzhou BIN of ministry cards, the city's code."""
SERIAL_DIGITS = 4
"""Of the numbers' end; together with the digits before them, which come from the seed, numbers are unique in a city."""

VALID_FROM, VALID_TO = date(2024, 1, 1), date(2044, 12, 31)


def mint(seed: bytes, masters_of: Callable[[str], KeySet]) -> list[CardImage]:
    """All cards as they leave the factory: the same for the same seed and master keys (by profile name)."""
    serials = count(1)
    return [
        personalise(profile, _card_no(profile, seed, next(serials)), masters_of(profile.name), _blank(batch, nth))
        for profile in PROFILES.values()
        for batch in BATCHES
        for nth in range(batch.cards)
    ]


def _card_no(profile: CardProfile, seed: bytes, serial: int) -> str:
    prefix = NUMBER_PREFIX[profile.card_no_digits]
    digits = profile.card_no_digits - len(prefix) - SERIAL_DIGITS
    drawn = int.from_bytes(hashlib.sha256(seed + profile.name.encode()).digest()) % 10**digits
    return f"{prefix}{drawn:0{digits}}{serial:0{SERIAL_DIGITS}}"


def _blank(batch: Batch, nth: int) -> Blank:
    balance = batch.balance_fen(nth)
    if not batch.enabled:
        return Blank(enabled=False)
    return Blank(
        valid_from=VALID_FROM,
        valid_to=VALID_TO,
        balance_fen=balance,
        online_atc=nth + 1 if balance else 0,
        offline_atc=3 * nth if balance else 0,
    )


def row_of(image: CardImage) -> CardRow:
    """A freshly minted card on our books."""
    file15 = image.file15
    return CardRow(
        card_no=image.card_no,
        asn=file15.asn,
        profile=image.profile,
        key_version=image.key_version,
        file15=image.files["0015"],
        enabled=file15.enabled,
        sold_on=file15.valid_from if file15.enabled else None,
        valid_to=file15.valid_to,
        deposit_fen=image.type.deposit_fen if file15.enabled else 0,
    )
