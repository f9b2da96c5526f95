"""The HSM in software: keys of a decrypted ring, in this process's memory."""

import hmac
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tongka.card import purse
from tongka.card.apdu import Command
from tongka.card.purse import LoadInit, Moment, PurchaseInit
from tongka.card.secure_channel import Channel, StaticKeys
from tongka.crypto import sm2
from tongka.crypto.pboc import SUITES, Suite
from tongka.errors import BadSignature, KeyNotFound, MacWrong
from tongka.keys import CardKeys, ElementKeys, Purpose, RideKey, RsaHash, element_context, elements
from tongka.keys.inventory import fingerprints
from tongka.keys.keyring import KeyRing, MasterRow
from tongka.keys.rides import RideSecrets

NONCE_LEN = 12
NUMBER_LEN = 2
RSA_HASHES = {RsaHash.SHA1: hashes.SHA1(), RsaHash.SHA256: hashes.SHA256()}  # noqa: S303 - sign_type RSA is SHA-1


class RingHsm(ABC):
    """What every implementation answers from a ring in this process's memory: all but the cards' keys."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._rides = RideSecrets(ring.ride_seed)

    async def open_channel(self, element: ElementKeys, host_challenge: bytes, answer: bytes) -> tuple[Channel, Command]:
        return elements.opened(await self._static(element), host_challenge, answer)

    async def wrap_card_keys(
        self, element: ElementKeys, host_challenge: bytes, answer: bytes, card: CardKeys
    ) -> dict[Purpose, bytes]:
        encrypt = elements.key_encryption(await self._static(element), host_challenge, answer)
        return elements.wrapped(card.version, card.algorithm, await self._own_keys(card), encrypt)

    async def sign(self, name: str, message: bytes) -> bytes:
        return sm2.sign(self._endpoint(name), message)

    async def public_key(self, name: str) -> bytes:
        return sm2.public_key(self._endpoint(name)).compressed

    async def sign_rsa(self, name: str, kind: RsaHash, message: bytes) -> bytes:
        return self._rsa(name).sign(message, padding.PKCS1v15(), RSA_HASHES[kind])

    async def rsa_public_key(self, name: str) -> bytes:
        return self._rsa(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    async def ride_public_key(self, key: RideKey) -> bytes:
        return self._rides.public_key(key)

    async def sign_ride(self, key: RideKey, message: bytes) -> bytes:
        return self._rides.sign(key, message)

    async def seal(self, plaintext: bytes, context: bytes) -> bytes:
        number = max(self._ring.data)
        nonce = os.urandom(NONCE_LEN)
        sealed = AESGCM(self._ring.data[number]).encrypt(nonce, plaintext, context)
        return number.to_bytes(NUMBER_LEN, "big") + nonce + sealed

    async def unseal(self, sealed: bytes, context: bytes) -> bytes:
        number = int.from_bytes(sealed[:NUMBER_LEN], "big")
        key = self._ring.data.get(number)
        if key is None:
            raise KeyNotFound(f"no data key number {number}")
        nonce, body = sealed[NUMBER_LEN : NUMBER_LEN + NONCE_LEN], sealed[NUMBER_LEN + NONCE_LEN :]
        try:
            return AESGCM(key).decrypt(nonce, body, context)
        except InvalidTag as error:
            raise BadSignature("sealed data was changed, or belongs to another context") from error

    async def fingerprints(self) -> Mapping[str, str]:
        return fingerprints(self._masters(), self._ring)

    @abstractmethod
    def _masters(self) -> list[MasterRow]:
        """The card master keys, by check values."""

    @abstractmethod
    async def _own_keys(self, card: CardKeys) -> dict[Purpose, bytes]:
        """A card's own four keys, for its personalisation."""

    async def _static(self, element: ElementKeys) -> StaticKeys:
        return elements.static_keys(await self.unseal(element.sealed, element_context(element.se_id)))

    def _rsa(self, name: str) -> RSAPrivateKey:
        key = self._ring.rsa.get(name)
        if key is None:
            raise KeyNotFound(f"no RSA key for {name!r}")
        return key

    def _endpoint(self, name: str) -> sm2.PrivateKey:
        key = self._ring.endpoints.get(name)
        if key is None:
            raise KeyNotFound(f"no signing key for {name!r}")
        return key


class SoftwareHsm(RingHsm):
    """Implements `Hsm` from a key ring. Its coroutines never wait."""

    async def authorise_load(self, card: CardKeys, init: LoadInit, when: Moment) -> bytes:
        suite, key = _suite(card), self._ring.card_key(card, Purpose.LOAD)
        require_mac(purse.load_mac1(suite, key, init), init.mac1, "MAC1")
        return purse.load_mac2(suite, key, init, when)

    async def verify_load(self, card: CardKeys, init: LoadInit) -> None:
        right = purse.load_mac1(_suite(card), self._ring.card_key(card, Purpose.LOAD), init)
        require_mac(right, init.mac1, "MAC1")

    async def verify_load_tac(self, card: CardKeys, init: LoadInit, when: Moment, tac: bytes) -> None:
        right = purse.load_tac(_suite(card), self._ring.card_key(card, Purpose.TAC), init, when)
        require_mac(right, tac, "the TAC")

    async def authorise_purchase(self, card: CardKeys, init: PurchaseInit, serial: bytes, when: Moment) -> bytes:
        return purse.purchase_mac1(_suite(card), self._ring.card_key(card, Purpose.PURCHASE), init, serial, when)

    async def verify_purchase_tac(
        self, card: CardKeys, init: PurchaseInit, serial: bytes, when: Moment, tac: bytes
    ) -> None:
        right = purse.purchase_tac(_suite(card), self._ring.card_key(card, Purpose.TAC), init, serial, when)
        require_mac(right, tac, "the TAC")

    async def secure_mac(self, card: CardKeys, challenge: bytes, message: bytes) -> bytes:
        return _suite(card).secure_mac(self._ring.card_key(card, Purpose.MAINTAIN), challenge, message)

    async def ready(self) -> None:
        """They are in this process's memory."""

    async def close(self) -> None:
        """Nothing is held open."""

    def _masters(self) -> list[MasterRow]:
        return self._ring.rows()

    async def _own_keys(self, card: CardKeys) -> dict[Purpose, bytes]:
        return {purpose: self._ring.card_key(card, purpose) for purpose in Purpose}


def _suite(card: CardKeys) -> Suite:
    return SUITES[card.algorithm]


def require_mac(right: bytes, given: bytes, name: str) -> None:
    if not hmac.compare_digest(right, given):
        raise MacWrong(f"{name} of the card does not verify")
