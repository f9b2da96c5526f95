"""Keys live in an HSM, which answers domain questions. Key bytes never leave it.

`Hsm` is the port; `software.py` and `pkcs11.py` implement it, chosen by URI in `uri.py`. Every method is a coroutine,
because a module on the network is one; none keeps state between calls.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tongka.card.purse import LoadInit, Moment, PurchaseInit
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

    async def sign(self, name: str, message: bytes) -> bytes:
        """SM3withSM2 as the named endpoint: r‖s, 64 bytes."""

    async def public_key(self, name: str) -> bytes:
        """The compressed public key, 33 bytes, of a named endpoint."""

    async def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt personal data at rest; `context` is bound to it and must be given again."""

    async def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """The plaintext of `seal`; `BadSignature` if it was changed or belongs to another context."""

    async def close(self) -> None:
        """Let go of sessions and key material."""
