"""Cards for the tests: any profile, keys and random bytes that repeat."""

import random
from dataclasses import dataclass

import pytest

from tongka.card.keyset import KeySet
from tongka.card.profiles import PROFILES
from tongka.card.purse import Moment
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import Blank, furnish, personalise
from tongka.sandbox.card.terminal import Terminal

WHEN = Moment(bytes.fromhex("20240131"), bytes.fromhex("083000"))
MASTERS = KeySet(*(bytes(range(n, n + 16)) for n in (0x10, 0x30, 0x50, 0x70)))


@dataclass(frozen=True)
class Bench:
    """A card and a terminal before it, the purse selected."""

    card: SoftwareCard
    terminal: Terminal
    when: Moment = WHEN
    serial: bytes = bytes.fromhex("00000007")

    @property
    def image(self) -> CardImage:
        return self.card.image

    def sw(self, apdu) -> int:
        return self.card.transmit(apdu if isinstance(apdu, bytes) else bytes(apdu)).sw

    def back_in_the_field(self) -> None:
        self.card.power_on()
        self.terminal.select()


def make_bench(profile_name="huzhou-ministry-3des", *, keep=None, **blank) -> Bench:
    profile = PROFILES[profile_name]
    image = furnish(
        personalise(profile, profile.asn_prefix.ljust(20, "1")[-profile.card_no_digits :], MASTERS, Blank(**blank))
    )
    card = SoftwareCard(image, random.Random(1).randbytes, keep)
    bench = Bench(card, Terminal(card, image.suite, image.keys, bytes.fromhex("000000000042")))
    bench.terminal.select()
    return bench


@pytest.fixture
def mint():
    """Make a `Bench`; see `make_bench`."""
    return make_bench


@pytest.fixture(params=PROFILES)
def bench(request):
    """A card of each profile with 50 yuan on it."""
    return make_bench(request.param, balance_fen=5_000)
