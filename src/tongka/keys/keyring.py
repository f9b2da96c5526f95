"""The keys of an installation, decrypted: card master keys, endpoints that sign, data keys. Never printed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tongka.card.keyset import KeySet
from tongka.card.profiles import CardProfile
from tongka.crypto import sm2
from tongka.crypto.pboc import KEY_LEN, SUITES, Algorithm, check_value, diversify_chain
from tongka.errors import KeyNotFound, Malformed
from tongka.keys import CardKeys, Purpose
from tongka.keys.rides import SEED_LEN

DATA_KEY_LEN = 32
ENDPOINTS = ("huzhou", "gates")
"""The interfaces that this platform signs for with SM2."""
GATEWAYS = ("alipay",)
"""The interfaces that it signs for with RSA."""
RSA_BITS, RSA_EXPONENT = 2048, 65537


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One card master key."""

    algorithm: Algorithm
    value: bytes = field(repr=False)

    @property
    def check_value(self) -> bytes:
        """The first 3 bytes of a block of zeros under it; what people compare."""
        return check_value(self.algorithm, self.value)


MasterName = tuple[str, Purpose, int]
"""Profile, purpose, version."""


@dataclass(frozen=True, slots=True, order=True)
class MasterRow:
    """A card master key as it is shown to people.

    Attributes:
        check_value: 3 bytes; empty where a token does not tell.

    """

    profile: str
    purpose: Purpose
    version: int
    algorithm: str
    check_value: bytes


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys.

    Attributes:
        masters: card master keys by profile, purpose, version.
        endpoints: SM2 keys that sign as the platform, by interface.
        data: AES-256 keys for personal data by number; the highest encrypts.
        rsa: keys that sign for the open gateway, by interface.
        ride_seed: 32 bytes that every key of ride codes is derived from; empty where there are none.

    """

    masters: Mapping[MasterName, MasterKey]
    endpoints: Mapping[str, sm2.PrivateKey] = field(repr=False)
    data: Mapping[int, bytes] = field(repr=False)
    rsa: Mapping[str, RSAPrivateKey] = field(default_factory=dict, repr=False)
    ride_seed: bytes = field(default=b"", repr=False)

    @classmethod
    def generate(
        cls,
        profiles: Iterable[CardProfile],
        random: Callable[[int], bytes],
        endpoints: Iterable[str] = ("huzhou",),
    ) -> "KeyRing":
        """A first set: version 1 of every card key, one data key."""
        masters = {
            (profile.name, purpose, 1): MasterKey(profile.algorithm, new_key(random))
            for profile in profiles
            for purpose in Purpose
        }
        return cls(masters, {name: sm2.generate() for name in endpoints}, {1: random(DATA_KEY_LEN)})

    def completed(self, random: Callable[[int], bytes], endpoints: Iterable[str], gateways: Iterable[str]) -> "KeyRing":
        """With a key for every interface and for ride codes; those that are there stay. Itself if nothing lacks."""
        new = {name: sm2.generate() for name in endpoints if name not in self.endpoints}
        new_rsa = {name: rsa.generate_private_key(RSA_EXPONENT, RSA_BITS) for name in gateways if name not in self.rsa}
        if not new and not new_rsa and self.ride_seed:
            return self
        return replace(
            self,
            endpoints={**self.endpoints, **new},
            rsa={**self.rsa, **new_rsa},
            ride_seed=self.ride_seed or random(SEED_LEN),
        )

    def with_masters(self, keys: Mapping[MasterName, MasterKey]) -> "KeyRing":
        """With card master keys added."""
        return replace(self, masters={**self.masters, **keys})

    def with_data_key(self, random: Callable[[int], bytes]) -> "KeyRing":
        """With a new data key, which encrypts from now on; the others still decrypt."""
        return replace(self, data={**self.data, max(self.data, default=0) + 1: random(DATA_KEY_LEN)})

    def rows(self) -> list[MasterRow]:
        """The card master keys as they are shown, sorted."""
        return sorted(
            MasterRow(*name, algorithm=key.algorithm.label, check_value=key.check_value)
            for name, key in self.masters.items()
        )

    def card_key(self, keys: CardKeys, purpose: Purpose) -> bytes:
        """One card's own key.

        Raises:
            KeyNotFound: no master key of that profile, purpose and version.

        """
        master = self.masters.get((keys.profile, purpose, keys.version))
        if master is None or master.algorithm is not keys.algorithm:
            raise KeyNotFound(f"no {keys.algorithm.label} {purpose} key of {keys.profile}, version {keys.version}")
        return diversify_chain(SUITES[master.algorithm], master.value, keys.factors)

    def master_keys(self, profile: str, version: int = 1) -> KeySet:
        """The four master keys that cards of a type are personalised from."""
        found = {purpose: self.masters.get((profile, purpose, version)) for purpose in Purpose}
        missing = [purpose for purpose, key in found.items() if key is None]
        if missing:
            raise KeyNotFound(f"no {', '.join(missing)} key of {profile}, version {version}")
        return KeySet(**{purpose.value: key.value for purpose, key in found.items() if key})


def new_key(random: Callable[[int], bytes]) -> bytes:
    """A double-length key."""
    return require_strong(random(KEY_LEN))


def require_strong(key: bytes) -> bytes:
    """Refuse a double-length key whose halves are equal: it is single DES, and folds to zero in a TAC."""
    if len(key) != KEY_LEN or key[:8] == key[8:]:
        raise Malformed("key", "must have 16 bytes with different halves")
    return key
