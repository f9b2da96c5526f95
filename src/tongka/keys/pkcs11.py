"""The HSM as a PKCS#11 token: card master keys stay in it, whole loads are worked out in it.

What a token has to do, in each algorithm: derive a key from the ECB encryption of data (CKM_…_ECB_ENCRYPT_DATA), and
encrypt in CBC. With these:

- a card's key is derived from ``F‖¬F``, level by level;
- in 3DES a session key K is derived from ``seed‖seed``, which gives K‖K: triple DES under K‖K is single DES under K, so
  its CBC makes MAC1 and MAC2, and no token has to allow single DES;
- the retail MAC of secure messaging is CBC under ``left‖left`` (derived from ``F‖F``) and one last block under the
  whole key.

Two things a token cannot do by these means. The 3DES TAC is made with left⊕right: so that card's own TAC key, never
its master, is in this process's memory for one computation; it verifies what a card has done and authorises nothing.
And a card that is personalised in a phone gets its own four keys through this process, under the channel's key.

The keys of everything but cards (endpoints, ride codes, personal data) are in the companion, a key file that only this
token opens: PKCS#11 has no SM2.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import PyKCS11

from tongka.card.purse import LoadInit, Moment, PurchaseInit
from tongka.crypto.pboc import MAC_LEN, SUITES, Algorithm, invert, pad
from tongka.errors import Misconfigured, Unsupported
from tongka.keys import CardKeys, Purpose
from tongka.keys.keyfile import read_keyfile
from tongka.keys.keyring import KeyRing, MasterRow
from tongka.keys.software import RingHsm, require_mac
from tongka.keys.token import COMPANION_LABEL, Handle, Session, Token
from tongka.keys.uri import TokenUri

BLOCKS = {Algorithm.TDES: 8, Algorithm.SM4: 16}
Attributes = tuple[tuple[int, Any], ...]
DERIVED: Attributes = ((PyKCS11.CKA_CLASS, PyKCS11.CKO_SECRET_KEY), (PyKCS11.CKA_TOKEN, False))
HIDDEN: Attributes = (
    *DERIVED,
    (PyKCS11.CKA_SENSITIVE, True),
    (PyKCS11.CKA_EXTRACTABLE, False),
    (PyKCS11.CKA_DERIVE, True),
    (PyKCS11.CKA_ENCRYPT, True),
)
READABLE: Attributes = (*DERIVED, (PyKCS11.CKA_SENSITIVE, False), (PyKCS11.CKA_EXTRACTABLE, True))


def open_pkcs11(wanted: TokenUri, pin: bytes, companion: Path) -> tuple["Pkcs11Hsm", bool]:
    """The token and its companion, and whether either holds sandbox keys.

    Raises:
        Misconfigured: one of them cannot be opened; the text names the setting.

    """
    token = Token(wanted, pin)
    try:
        ring, sandbox = read_keyfile(companion, companion_passphrase(token))
    except BaseException:
        token.close()
        raise
    return Pkcs11Hsm(token, ring), sandbox or any(key.sandbox for key in token.keys.values())


def companion_passphrase(token: Token) -> bytes:
    """What opens the companion: an HMAC that only this token can make.

    Raises:
        Misconfigured: the token was not prepared.

    """

    def question(session: Session) -> bytes:
        found = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_SECRET_KEY), (PyKCS11.CKA_LABEL, COMPANION_LABEL)])
        if not found:
            return b""
        return bytes(session.sign(found[0], COMPANION_LABEL.encode(), PyKCS11.Mechanism(PyKCS11.CKM_SHA256_HMAC)))

    made = token.now(question)
    if not made:
        raise Misconfigured(f"keys.uri: the token {token.label} was not prepared; see `tongka key init-token`")
    return made.hex().encode()


class Pkcs11Hsm(RingHsm):
    """Implements `Hsm` on a token."""

    def __init__(self, token: Token, companion: KeyRing) -> None:
        super().__init__(companion)
        self._token = token

    async def authorise_load(self, card: CardKeys, init: LoadInit, when: Moment) -> bytes:
        def question(session: Session) -> bytes:
            with Derivation(self._token, session, card, Purpose.LOAD) as keys:
                key = keys.session_key(init.seed)
                require_mac(keys.mac(key, init.mac1_data), init.mac1, "MAC1")
                return keys.mac(key, init.mac2_data(when))

        return await self._token.ask(question)

    async def verify_load(self, card: CardKeys, init: LoadInit) -> None:
        def question(session: Session) -> bytes:
            with Derivation(self._token, session, card, Purpose.LOAD) as keys:
                return keys.mac(keys.session_key(init.seed), init.mac1_data)

        require_mac(await self._token.ask(question), init.mac1, "MAC1")

    async def verify_load_tac(self, card: CardKeys, init: LoadInit, when: Moment, tac: bytes) -> None:
        require_mac(await self._tac(card, init.tac_data(when)), tac, "the TAC")

    async def authorise_purchase(self, card: CardKeys, init: PurchaseInit, serial: bytes, when: Moment) -> bytes:
        def question(session: Session) -> bytes:
            with Derivation(self._token, session, card, Purpose.PURCHASE) as keys:
                return keys.mac(keys.session_key(init.seed(serial)), init.mac1_data(when))

        return await self._token.ask(question)

    async def verify_purchase_tac(
        self, card: CardKeys, init: PurchaseInit, serial: bytes, when: Moment, tac: bytes
    ) -> None:
        require_mac(await self._tac(card, init.tac_data(serial, when)), tac, "the TAC")

    async def secure_mac(self, card: CardKeys, challenge: bytes, message: bytes) -> bytes:
        def question(session: Session) -> bytes:
            with Derivation(self._token, session, card, Purpose.MAINTAIN) as keys:
                return keys.secure_mac(challenge, message)

        return await self._token.ask(question)

    async def ready(self) -> None:
        await self._token.ask(lambda session: session.getSessionInfo())

    async def close(self) -> None:
        self._token.close()

    def _masters(self) -> list[MasterRow]:
        return self._token.rows()

    async def _own_keys(self, card: CardKeys) -> dict[Purpose, bytes]:
        """They come out of the token, parity bits set; the channel that takes them on has its keys in this process."""

        def question(session: Session) -> dict[Purpose, bytes]:
            return {purpose: self._own_key(session, card, purpose) for purpose in Purpose}

        return await self._token.ask(question)

    def _own_key(self, session: Session, card: CardKeys, purpose: Purpose) -> bytes:
        with Derivation(self._token, session, card, purpose) as keys:
            return keys.own_key()

    async def _tac(self, card: CardKeys, data: bytes) -> bytes:
        def question(session: Session) -> bytes:
            with Derivation(self._token, session, card, Purpose.TAC) as keys:
                return keys.tac(data)

        return await self._token.ask(question)


class Derivation:
    """One card's keys of one purpose, derived in the token and destroyed at the end."""

    def __init__(self, token: Token, session: Session, card: CardKeys, purpose: Purpose) -> None:
        self._mechanisms = token.require(card.profile, card.algorithm)
        self._master = token.master(session, (card.profile, purpose, card.version), card.algorithm)
        self._session, self._card, self._purpose = session, card, purpose
        self._made: list[Handle] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._made:
            self._session.destroyObject(handle)

    def session_key(self, seed: bytes) -> Handle:
        second = seed if self._card.algorithm is Algorithm.TDES else invert(seed)
        return self._derive(self._card_key(), seed + second)

    def mac(self, key: Handle, data: bytes, iv: bytes = b"") -> bytes:
        return self._last_block(key, self._padded(data), iv)[:MAC_LEN]

    def tac(self, data: bytes) -> bytes:
        """In 3DES under left⊕right, for which the card's key comes out (the head of this file says why)."""
        if self._card.algorithm is Algorithm.SM4:
            return self.mac(self._card_key(), data)
        parent, factor = self._last_level()
        card_key = self._session.encrypt(parent, factor + invert(factor), PyKCS11.Mechanism(PyKCS11.CKM_DES3_ECB))
        return SUITES[Algorithm.TDES].tac(bytes(card_key), data)

    def secure_mac(self, challenge: bytes, message: bytes) -> bytes:
        iv = challenge.ljust(self._block, b"\0")
        if self._card.algorithm is Algorithm.SM4:
            return self.mac(self._card_key(), message, iv)
        parent, factor = self._last_level()
        left = self._derive(parent, factor + factor)
        padded = self._padded(message)
        head, tail = padded[: -self._block], padded[-self._block :]
        chained = self._last_block(left, head, iv) if head else iv
        return self._last_block(self._card_key(), tail, chained)[:MAC_LEN]

    def own_key(self) -> bytes:
        """The card's key, readable."""
        parent, factor = self._last_level()
        key = self._derive(parent, factor + invert(factor), READABLE)
        return bytes(self._session.getAttributeValue(key, [PyKCS11.CKA_VALUE])[0])

    # --- the steps ----------------------------------------------------------------------------------------------------

    def _card_key(self) -> Handle:
        key = self._master
        for factor in self._card.factors:
            key = self._derive(key, factor + invert(factor))
        return key

    def _last_level(self) -> tuple[Handle, bytes]:
        """The key that the card's own is derived from, and the last factor."""
        if not self._card.factors:
            raise Unsupported(f"{self._card.profile}: a token works with diversified {self._purpose} keys only")
        key = self._master
        for factor in self._card.factors[:-1]:
            key = self._derive(key, factor + invert(factor))
        return key, self._card.factors[-1]

    def _derive(self, base: Handle, data: bytes, attributes: Attributes = HIDDEN) -> Handle:
        mechanism = PyKCS11.KEY_DERIVATION_STRING_DATA_MechanismBase(data, self._mechanisms.derive)
        template = [*attributes, (PyKCS11.CKA_KEY_TYPE, self._mechanisms.key_type)]
        if self._mechanisms.length:
            template.append((PyKCS11.CKA_VALUE_LEN, self._mechanisms.length))
        self._made.append(self._session.deriveKey(base, template, mechanism))
        return self._made[-1]

    def _last_block(self, key: Handle, blocks: bytes, iv: bytes) -> bytes:
        mechanism = PyKCS11.Mechanism(self._mechanisms.cbc, iv or bytes(self._block))
        return bytes(self._session.encrypt(key, blocks, mechanism))[-self._block :]

    def _padded(self, data: bytes) -> bytes:
        return pad(data, self._block)

    @property
    def _block(self) -> int:
        return BLOCKS[self._card.algorithm]
