"""A key store as people administer it: what is in it, and how keys come into it. Nothing here gives a key out.

Keys are only added. A version that is there is never replaced, for cards in the street answer with it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tongka.errors import Refused, Unsupported
from tongka.keys import Purpose
from tongka.keys.keyfile import read_keyfile, write_keyfile
from tongka.keys.keyring import KeyRing, MasterKey, MasterName, MasterRow, require_strong
from tongka.keys.uri import PKCS11, keyfile_of, parse_token_uri
from tongka.settings import Keys


class KeyStore(Protocol):
    """A key store, open for its administrators.

    Attributes:
        sandbox: whether it holds sandbox keys.
        ring: the keys that are not cards'; of a key file all.

    """

    @property
    def sandbox(self) -> bool: ...

    @property
    def ring(self) -> KeyRing: ...

    def masters(self) -> list[MasterRow]:
        """The card master keys, sorted."""

    def add_masters(self, keys: Mapping[MasterName, MasterKey]) -> None:
        """Add card master keys, all or none of those that are refused.

        Raises:
            Refused: one of them is there.
            Malformed: a weak key.
            Unsupported: a token does not do the algorithm.

        """

    def keep(self, ring: KeyRing) -> None:
        """Keep a ring that has more keys which are not cards'."""

    def close(self) -> None:
        """Let go of it."""


@contextmanager
def open_store(keys: Keys, secret: bytes) -> Iterator[KeyStore]:
    """The key store that the settings name, opened with its passphrase or PIN.

    Raises:
        Misconfigured: it cannot be found or opened; the text names the setting.

    """
    store = _open_token(keys, secret) if keys.uri.startswith(PKCS11) else KeyFileStore(keyfile_of(keys.uri), secret)
    try:
        yield store
    finally:
        store.close()


def _open_token(keys: Keys, pin: bytes) -> KeyStore:
    from tongka.keys.tokenstore import TokenStore  # noqa: PLC0415 - PyKCS11 is an extra

    return TokenStore.open(parse_token_uri(keys.uri), pin, Path(keys.companion_file))


def create_keyfile(path: Path, ring: KeyRing, passphrase: bytes, *, sandbox: bool) -> None:
    """Write a first key file.

    Raises:
        Refused: the file is there.

    """
    if path.exists():
        raise Refused(f"{path} is there and is not overwritten; move it away, or name another file in keys.uri")
    write_keyfile(path, ring, passphrase, sandbox=sandbox)


def require_new(there: list[MasterRow], keys: Mapping[MasterName, MasterKey]) -> None:
    """What `KeyStore.add_masters` refuses before anything is written."""
    names = {(row.profile, row.purpose, row.version) for row in there}
    for (profile, purpose, version), key in keys.items():
        require_strong(key.value)
        if (profile, purpose, version) in names:
            raise Refused(f"the {purpose} key of {profile}, version {version}, is there; a new one needs a new version")


def next_version(rows: list[MasterRow], profile: str, purposes: frozenset[Purpose]) -> int:
    """One above the highest version of any of the purposes."""
    return 1 + max((row.version for row in rows if row.profile == profile and row.purpose in purposes), default=0)


class KeyFileStore:
    """Implements `KeyStore` on a key file."""

    def __init__(self, path: Path, passphrase: bytes) -> None:
        self._path, self._passphrase = path, passphrase
        self.ring, self.sandbox = read_keyfile(path, passphrase)

    def masters(self) -> list[MasterRow]:
        return self.ring.rows()

    def add_masters(self, keys: Mapping[MasterName, MasterKey]) -> None:
        require_new(self.masters(), keys)
        self.keep(self.ring.with_masters(keys))

    def keep(self, ring: KeyRing) -> None:
        write_keyfile(self._path, ring, self._passphrase, sandbox=self.sandbox)
        self.ring = ring

    def change_passphrase(self, passphrase: bytes) -> None:
        self._passphrase = passphrase
        self.keep(self.ring)

    def close(self) -> None:
        """Nothing is held open."""


def as_keyfile(store: KeyStore) -> KeyFileStore:
    """The store, if it is a key file.

    Raises:
        Unsupported: it is a token.

    """
    if not isinstance(store, KeyFileStore):
        raise Unsupported("keys.uri names a token, whose PIN is changed with its maker's tool")
    return store
