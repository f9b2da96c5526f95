"""What is in a key store, told without telling a key: names, versions, check values, public keys."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tongka.card.commands import KEY_INDEX
from tongka.crypto import sm2
from tongka.errors import KeyNotFound
from tongka.keys import RideKey, RideKeyKind
from tongka.keys.keyring import KeyRing, MasterRow
from tongka.keys.rides import RideSecrets

CHECK_VALUE_LEN = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One key.

    Attributes:
        kind: card, endpoint, gateway, ride codes, or data.
        name: the card type, the interface; empty where there is one.
        version: of a card key what cards answer; of a data key its number.
        index: the key index by which commands name a card's key; 0 for keys that are not cards'.
        check_value: hex; empty where a public key says more, or a token does not tell.
        public_key: hex of the compressed point, or PEM.

    """

    kind: str
    name: str
    purpose: str
    version: int
    index: int
    algorithm: str
    check_value: str
    public_key: str

    @property
    def label(self) -> str:
        """Each key's own, as card/huzhou-city-3des/load/1."""
        return "/".join(filter(None, (self.kind, self.name, self.purpose, str(self.version))))


def rows(masters: Iterable[MasterRow], ring: KeyRing) -> list[Row]:
    """Every key of a store, those of cards first."""
    return [*_cards(masters), *_others(ring)]


def fingerprints(masters: Iterable[MasterRow], ring: KeyRing) -> dict[str, str]:
    """What tells each key from any other, by its label: check value or public key; empty where a token does not say."""
    return {row.label: row.check_value or row.public_key for row in rows(masters, ring)}


def public_key(ring: KeyRing, name: str) -> str:
    """The public key of an interface of this platform, as partners are given it.

    Raises:
        KeyNotFound: no such interface; names those there are.

    """
    found = {row.name: row.public_key for row in _signing(ring)}
    if name not in found:
        raise KeyNotFound(f"no signing key {name!r}; there are {', '.join(found) or 'none'}")
    return found[name]


def _cards(masters: Iterable[MasterRow]) -> Iterator[Row]:
    for key in masters:
        check = key.check_value.hex().upper()
        yield Row("card", key.profile, key.purpose, key.version, KEY_INDEX, key.algorithm, check, "")


def _others(ring: KeyRing) -> Iterator[Row]:
    yield from _signing(ring)
    if ring.ride_seed:
        issuer = RideSecrets(ring.ride_seed).public_key(RideKey(RideKeyKind.ISSUER)).hex().upper()
        yield Row("ride codes", "", "", 1, 0, "derived", "", issuer)
    for number, key in sorted(ring.data.items()):
        yield Row("data", "", "", number, 0, "aes-256", _aes_check_value(key), "")


def _signing(ring: KeyRing) -> Iterator[Row]:
    for name, key in sorted(ring.endpoints.items()):
        yield Row("endpoint", name, "", 1, 0, "sm2", "", sm2.public_key(key).compressed.hex().upper())
    for name, rsa in sorted(ring.rsa.items()):
        yield Row("gateway", name, "", 1, 0, f"rsa-{rsa.key_size}", "", _pem(rsa.public_key()))


def _pem(key: RSAPublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _aes_check_value(key: bytes) -> str:
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - a check value is one block of zeros
    return encryptor.update(bytes(16))[:CHECK_VALUE_LEN].hex().upper()
