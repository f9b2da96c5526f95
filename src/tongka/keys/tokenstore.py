"""A PKCS#11 token as people administer it: prepared once, card master keys put in, the companion kept beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import PyKCS11

from tongka.errors import Refused
from tongka.keys import Purpose
from tongka.keys.keyring import KeyRing, MasterKey, MasterName, MasterRow
from tongka.keys.pkcs11 import companion_passphrase
from tongka.keys.stores import KeyFileStore, create_keyfile, require_new
from tongka.keys.token import COMPANION_LABEL, Session, Token, label_of
from tongka.keys.uri import TokenUri

COMPANION_KEY_LEN = 32
KEPT = (
    (PyKCS11.CKA_CLASS, PyKCS11.CKO_SECRET_KEY),
    (PyKCS11.CKA_TOKEN, True),
    (PyKCS11.CKA_PRIVATE, True),
    (PyKCS11.CKA_SENSITIVE, True),
    (PyKCS11.CKA_EXTRACTABLE, False),
    (PyKCS11.CKA_MODIFIABLE, False),
    (PyKCS11.CKA_DECRYPT, False),
    (PyKCS11.CKA_WRAP, False),
    (PyKCS11.CKA_UNWRAP, False),
)
"""What every key that stays in the token is."""


class TokenStore:
    """Implements `KeyStore` on a token and its companion."""

    def __init__(self, token: Token, companion: KeyFileStore) -> None:
        self._token, self._companion = token, companion

    @classmethod
    def open(cls, wanted: TokenUri, pin: bytes, companion: Path) -> "TokenStore":
        """Open a token that was prepared.

        Raises:
            Misconfigured: it or its companion cannot be opened.

        """
        token = Token(wanted, pin)
        try:
            return cls(token, KeyFileStore(companion, companion_passphrase(token)))
        except BaseException:
            token.close()
            raise

    @property
    def sandbox(self) -> bool:
        return self._companion.sandbox or any(key.sandbox for key in self._token.keys.values())

    @property
    def ring(self) -> KeyRing:
        return self._companion.ring

    def masters(self) -> list[MasterRow]:
        return self._token.rows()

    def add_masters(self, keys: Mapping[MasterName, MasterKey]) -> None:
        require_new(self.masters(), keys)
        for (profile, _, _), key in keys.items():
            self._token.require(profile, key.algorithm)
        for name, key in keys.items():
            self._token.now(partial(self._create, name, key))
        self._token.look()

    def keep(self, ring: KeyRing) -> None:
        self._companion.keep(ring)

    def close(self) -> None:
        self._token.close()

    def _create(self, name: MasterName, key: MasterKey, session: Session) -> None:
        mechanisms = self._token.require(name[0], key.algorithm)
        session.createObject(
            [
                *KEPT,
                (PyKCS11.CKA_KEY_TYPE, mechanisms.key_type),
                (PyKCS11.CKA_LABEL, label_of(name, sandbox=self._companion.sandbox)),
                (PyKCS11.CKA_VALUE, key.value),
                (PyKCS11.CKA_DERIVE, True),
                (PyKCS11.CKA_ENCRYPT, name[1] is Purpose.TAC),  # `pkcs11.py` says what for
            ]
        )


def prepare_token(wanted: TokenUri, pin: bytes, companion: Path, ring: KeyRing, *, sandbox: bool) -> list[str]:
    """Put a ring into an empty token: card keys inside, the rest into its companion.

    Returns:
        the card types that were left out, because the token does not do their algorithm.

    Raises:
        Refused: the token or the companion is not new.
        Misconfigured: no such token, or a wrong PIN.

    """
    token = Token(wanted, pin)
    try:
        _require_empty(token)
        if companion.exists():
            raise Refused(f"{companion} is there and is not overwritten; name another file in keys.companion_file")
        token.now(_make_companion_key)
        rest = replace(ring, masters={})
        create_keyfile(companion, rest, companion_passphrase(token), sandbox=sandbox)
        served = {name: key for name, key in ring.masters.items() if key.algorithm in token.mechanisms}
        store = TokenStore(token, KeyFileStore(companion, companion_passphrase(token)))
        store.add_masters(served)
        return _profiles(ring.masters.keys() - served.keys())
    finally:
        token.close()


def _require_empty(token: Token) -> None:
    def question(session: Session) -> bool:
        return bool(session.findObjects([(PyKCS11.CKA_LABEL, COMPANION_LABEL)]))

    if bool(token.keys) or token.now(question):
        raise Refused(f"the token {token.label} holds keys of this platform; take a new one, or add keys to it")


def _make_companion_key(session: Session) -> None:
    session.generateKey(
        [
            *KEPT,
            (PyKCS11.CKA_KEY_TYPE, PyKCS11.CKK_GENERIC_SECRET),
            (PyKCS11.CKA_LABEL, COMPANION_LABEL),
            (PyKCS11.CKA_VALUE_LEN, COMPANION_KEY_LEN),
            (PyKCS11.CKA_SIGN, True),
        ],
        PyKCS11.Mechanism(PyKCS11.CKM_GENERIC_SECRET_KEY_GEN),
    )


def _profiles(names: Iterable[MasterName]) -> list[str]:
    return sorted({profile for profile, _, _ in names})
