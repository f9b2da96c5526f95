"""What the two secure channel protocols have in common: their keys, their security levels, and one row for each.

Sources: GlobalPlatform Card Specification 2.3, appendix E (SCP02), and its Amendment D (SCP03).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntFlag
from typing import Any, Self

from tongka.card.apdu import parse_hex
from tongka.crypto.pboc import KEY_LEN
from tongka.errors import Malformed

CHALLENGE_LEN = 8
CRYPTOGRAM_LEN = 8
MAC_LEN = 8


class SecurityLevel(IntFlag):
    """P1 of EXTERNAL AUTHENTICATE: what protects the commands, and the answers, of a channel."""

    NONE = 0x00
    C_MAC = 0x01
    C_DECRYPTION = 0x02
    R_MAC = 0x10
    R_ENCRYPTION = 0x20


COMMANDS_ENCRYPTED = SecurityLevel.C_MAC | SecurityLevel.C_DECRYPTION
"""How this platform talks to security domains."""
ANSWERS_PROTECTED = SecurityLevel.R_MAC | SecurityLevel.R_ENCRYPTION


class _Keys:
    """Keys as fields of bytes, and their shape in JSON: upper-case hex. They are never shown otherwise."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    @classmethod
    def from_json(cls, entry: Any) -> Self:
        """Read the keys in hex.

        Raises:
            Malformed: one is missing, not hex, or has not 16 bytes; it is named.

        """
        names = [f.name for f in fields(cls)]  # type: ignore[arg-type] # every heir is a dataclass
        return cls(**{name: _key(entry, name) for name in names})

    def to_json(self) -> dict[str, str]:
        names = [f.name for f in fields(self)]  # type: ignore[arg-type] # every heir is a dataclass
        return {name: getattr(self, name).hex().upper() for name in names}


def _key(entry: Any, name: str) -> bytes:
    text = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(text, str):
        raise Malformed(name, "a key in hex is expected")
    key = parse_hex(text, name)
    if len(key) != KEY_LEN:
        raise Malformed(name, f"a key has {KEY_LEN} bytes")
    return key


@dataclass(frozen=True, slots=True, repr=False)
class StaticKeys(_Keys):
    """The keys of a security domain, 16 bytes each: they make the keys of each session."""

    enc: bytes
    mac: bytes
    dek: bytes


@dataclass(frozen=True, slots=True, repr=False)
class SessionKeys(_Keys):
    """The keys of one session; `dek` encrypts keys that are sent, and in SCP03 it is the static one."""

    enc: bytes
    mac: bytes
    rmac: bytes
    dek: bytes


@dataclass(frozen=True, slots=True)
class Protocol:
    """One secure channel protocol, as functions of bytes.

    A card's challenge has 8 bytes here in both protocols: in SCP02 they are the sequence counter 2‖challenge 6.

    Attributes:
        number: what INITIALIZE UPDATE answers: 2 or 3.
        encrypts_first: SCP03 makes the MAC over what was encrypted, SCP02 over the plain text.
        protects_answers: whether R-MAC and R-ENCRYPTION exist with the options that are supported here.
        first_chain: the MAC chaining value before EXTERNAL AUTHENTICATE.
        session_keys: (static keys, host challenge, card challenge).
        card_cryptogram, host_cryptogram: (session keys, host challenge, card challenge) → 8 bytes.
        mac: (session MAC key, chaining value, CLA‖INS‖P1‖P2‖Lc‖data) → the next chaining value, which begins with the
            MAC of 8 bytes.
        encrypt, decrypt: (session ENC key, number of the command from 1, data), padding added and removed; `decrypt`
            raises Malformed where there is none.
        encrypt_key, decrypt_key: (session DEK, whole blocks of key bytes).

    """

    number: int
    encrypts_first: bool
    protects_answers: bool
    first_chain: bytes
    session_keys: Callable[[StaticKeys, bytes, bytes], SessionKeys]
    card_cryptogram: Callable[[SessionKeys, bytes, bytes], bytes]
    host_cryptogram: Callable[[SessionKeys, bytes, bytes], bytes]
    mac: Callable[[bytes, bytes, bytes], bytes]
    encrypt: Callable[[bytes, int, bytes], bytes]
    decrypt: Callable[[bytes, int, bytes], bytes]
    encrypt_key: Callable[[bytes, bytes], bytes]
    decrypt_key: Callable[[bytes, bytes], bytes]


def unpad(data: bytes) -> bytes:
    """Take the padding 80 00… off.

    Raises:
        Malformed: there is none.

    """
    plain, mark, zeros = data.rpartition(b"\x80")
    if not mark or any(zeros):
        raise Malformed("encrypted data", "it does not end in the padding 80 00…")
    return plain
