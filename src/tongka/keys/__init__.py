"""Keys live in an HSM, which answers domain questions. Key bytes never leave it.

`Hsm` is the port; `software.py` and `pkcs11.py` implement it, chosen by URI in `uri.py`. Every method is a coroutine,
because a module on the network is one; none keeps state between calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from tongka.card.apdu import Command
from tongka.card.purse import LoadInit, Moment, PurchaseInit
from tongka.card.secure_channel import Channel
from tongka.crypto.pboc import Algorithm


class Purpose(StrEnum):
    """What a card key is for; a key answers only questions of its purpose."""

    LOAD = "load"
    PURCHASE = "purchase"
    TAC = "tac"
    MAINTAIN = "maintain"


@dataclass(frozen=True, slots=True)
class CardKeys:
    """Names one card's keys without holding any.

    Attributes:
        profile: the card type, whose set of master keys it is.
        version: the key version that the card answered.
        factors: the diversification factors, 8 bytes each, first level first.

    """

    profile: str
    algorithm: Algorithm
    version: int
    factors: tuple[bytes, ...]


class RideKeyKind(StrEnum):
    """What a key of ride codes signs; the values stand in the derivation of software keys and never change."""

    MASTER = "master"
    AUTHORITY = "ca"
    ISSUER = "issuer"
    USER = "user"
    MINISTRY_USER = "ministry user"


@dataclass(frozen=True, slots=True)
class RideKey:
    """Names a key of ride codes: a master key by id and generation, the ministry's CA, its issuer, a rider's by id."""

    kind: RideKeyKind
    name: str = ""
    generation: int = 0

    @property
    def role(self) -> str:
        """The name in words, each key its own."""
        return " ".join(filter(None, (self.kind.value, self.name, f"g{self.generation}" if self.generation else "")))


class RsaHash(StrEnum):
    """The open gateway's two signature types."""

    SHA1 = "RSA"
    SHA256 = "RSA2"


@dataclass(frozen=True, slots=True)
class ElementKeys:
    """Names the keys of a secure element's security domain.

    Attributes:
        scp: the secure channel protocol that it speaks: ``"02"`` or ``"03"``.
        sealed: ENC, MAC and DEK as `seal` left them, with the element's context; only the HSM opens them.

    """

    se_id: str
    scp: str
    version: int
    sealed: bytes = field(repr=False)


def element_context(se_id: str) -> bytes:
    """What an element's keys are sealed with."""
    return f"secure element {se_id}".encode()


class Hsm(Protocol):
    """The domain's questions. Each may raise `KeyNotFound` and `HsmUnavailable`; `MacWrong` where a MAC is checked."""

    async def authorise_load(self, card: CardKeys, init: LoadInit, when: Moment) -> bytes:
        """Verify MAC1 and make MAC2, 4 bytes, in one step: no MAC2 without a good MAC1."""

    async def verify_load(self, card: CardKeys, init: LoadInit) -> None:
        """Verify MAC1 alone: the card vouches for its balance and counter."""

    async def verify_load_tac(self, card: CardKeys, init: LoadInit, when: Moment, tac: bytes) -> None:
        """Verify the TAC of a load that this platform authorised."""

    async def authorise_purchase(self, card: CardKeys, init: PurchaseInit, serial: bytes, when: Moment) -> bytes:
        """Make MAC1 of a debit, 4 bytes; `serial` is the terminal's transaction number, 4 bytes."""

    async def verify_purchase_tac(
        self, card: CardKeys, init: PurchaseInit, serial: bytes, when: Moment, tac: bytes
    ) -> None:
        """Verify the TAC of a debit."""

    async def secure_mac(self, card: CardKeys, challenge: bytes, message: bytes) -> bytes:
        """The MAC, 4 bytes, of a secured command; `message` is header‖Lc‖data."""

    async def open_channel(self, element: ElementKeys, host_challenge: bytes, answer: bytes) -> tuple[Channel, Command]:
        """Verify what a security domain answered to INITIALIZE UPDATE; the channel and its EXTERNAL AUTHENTICATE.

        The channel holds the session's keys and cannot encrypt keys itself. `MacWrong` if the cryptogram is not right.
        """

    async def wrap_card_keys(
        self, element: ElementKeys, host_challenge: bytes, answer: bytes, card: CardKeys
    ) -> dict[Purpose, bytes]:
        """A card's four keys for its personalisation, under the DEK of the channel that began so.

        Each is version 1‖algorithm 1‖key 16 encrypted‖check value 3.
        """

    async def sign(self, name: str, message: bytes) -> bytes:
        """SM3withSM2 as the named endpoint: r‖s, 64 bytes."""

    async def public_key(self, name: str) -> bytes:
        """The compressed public key, 33 bytes, of a named endpoint."""

    async def sign_rsa(self, name: str, kind: RsaHash, message: bytes) -> bytes:
        """PKCS#1 v1.5 as the named endpoint."""

    async def rsa_public_key(self, name: str) -> bytes:
        """The named endpoint's key, SubjectPublicKeyInfo in DER."""

    async def ride_public_key(self, key: RideKey) -> bytes:
        """The compressed public key of ride codes that is named."""

    async def sign_ride(self, key: RideKey, message: bytes) -> bytes:
        """Sign with a key of ride codes: DER for master and user keys of the Alipay format, r‖s for the ministry's."""

    async def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt personal data at rest; `context` is bound to it and must be given again."""

    async def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """The plaintext of `seal`; `BadSignature` if it was changed or belongs to another context."""

    async def fingerprints(self) -> Mapping[str, str]:
        """What tells each key of the store from any other, by its label; never a key. See `tongka.keys.inventory`."""

    async def ready(self) -> None:
        """Nothing, where the card keys can be asked; `HsmUnavailable` otherwise."""

    async def close(self) -> None:
        """Let go of sessions and key material."""
