"""The e-purse's block arithmetic for 3DES and SM4: diversification, session keys, MACs.

Sources: JR/T 0025 parts 1 and 2 ("PBOC"), CJ/T 166, GB/T 32907 (SM4). One `Suite` for each algorithm, with the same
six functions, so that nothing above this file asks which algorithm a card has. Everything is a pure function of bytes;
the vectors are in ``tests/vectors/pboc.json``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

KEY_LEN = 16
MAC_LEN = 4
FACTOR_LEN = 8

Encrypt = Callable[[bytes], bytes]


class Algorithm(Enum):
    """The algorithm identifier as INIT FOR LOAD answers it."""

    TDES = 0x00
    SM4 = 0x04

    @property
    def label(self) -> str:
        return "3des" if self is Algorithm.TDES else "sm4"

    @classmethod
    def of_byte(cls, byte: int) -> "Algorithm | None":
        """What a card's algorithm byte means; None if it is none of ours."""
        return ALGORITHM_BYTES.get(byte)


ALGORITHM_BYTES = {
    0x00: Algorithm.TDES,
    0x01: Algorithm.TDES,  # the card of the published log (vector V1)
    0x04: Algorithm.SM4,
    0x40: Algorithm.SM4,  # seen once
}


_INVERTED = bytes(range(0xFF, -1, -1))


def invert(data: bytes) -> bytes:
    """¬F: every bit flipped."""
    return data.translate(_INVERTED)


def pad(data: bytes, block: int) -> bytes:
    """ISO/IEC 9797-1 method 2: 80 00…, always, also when `data` is aligned."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def _tdes_key(key: bytes) -> TripleDES:
    """Two-key EDE from 16 bytes; single DES from 8 (K‖K‖K)."""
    return TripleDES(key + key[:8] if len(key) == KEY_LEN else key * 3)


def tdes_ecb(key: bytes, data: bytes) -> bytes:
    """Encrypt whole blocks; an 8-byte `key` means single DES."""
    encryptor = Cipher(_tdes_key(key), ECB()).encryptor()  # noqa: S305 - PBOC's diversification is ECB
    return encryptor.update(data)


def des_cbc_last(key: bytes, data: bytes, iv: bytes) -> bytes:
    """The last block of single-DES CBC over `data`, which is padded here."""
    return Cipher(_tdes_key(key), CBC(iv)).encryptor().update(pad(data, 8))[-8:]


def tdes_cbc(key: bytes, data: bytes) -> bytes:
    """Encrypt whole blocks, IV zero."""
    return Cipher(_tdes_key(key), CBC(bytes(8))).encryptor().update(data)


def tdes_cbc_decrypt(key: bytes, data: bytes) -> bytes:
    return Cipher(_tdes_key(key), CBC(bytes(8))).decryptor().update(data)


def tdes_ecb_decrypt(key: bytes, data: bytes) -> bytes:
    decryptor = Cipher(_tdes_key(key), ECB()).decryptor()  # noqa: S305 - how GlobalPlatform wraps keys
    return decryptor.update(data)


def retail_mac(key: bytes, data: bytes, iv: bytes) -> bytes:
    """ISO/IEC 9797-1 algorithm 3 over `data`, which is padded here: single DES, and 3DES at the end; 8 bytes."""
    left, right = key[:8], key[8:]
    return tdes_ecb(left, des_decrypt(right, des_cbc_last(left, data, iv)))


def des_decrypt(key: bytes, block: bytes) -> bytes:
    decryptor = Cipher(_tdes_key(key), ECB()).decryptor()  # noqa: S305 - one block, ISO/IEC 9797-1 algorithm 3
    return decryptor.update(block)


def sm4_ecb(key: bytes, data: bytes) -> bytes:
    encryptor = Cipher(SM4(key), ECB()).encryptor()  # noqa: S305 - PBOC's diversification is ECB
    return encryptor.update(data)


def sm4_cbc_last(key: bytes, data: bytes, iv: bytes) -> bytes:
    return Cipher(SM4(key), CBC(iv)).encryptor().update(pad(data, 16))[-16:]


# --- the two suites ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _tdes_master(key: bytes) -> Encrypt:
    """A key that many cards' keys are made of is set up once: that takes longer than the two blocks."""
    return Cipher(_tdes_key(key), ECB()).encryptor().update  # noqa: S305 - PBOC's diversification is ECB


@lru_cache(maxsize=256)
def _sm4_master(key: bytes) -> Encrypt:
    return Cipher(SM4(key), ECB()).encryptor().update  # noqa: S305 - PBOC's diversification is ECB


def _tdes_diversify(master: bytes, factor: bytes) -> bytes:
    return _tdes_master(master)(factor + invert(factor))


def _tdes_session(card_key: bytes, seed: bytes) -> bytes:
    return tdes_ecb(card_key, seed)


def _tdes_mac(session: bytes, data: bytes) -> bytes:
    return des_cbc_last(session, data, bytes(8))[:MAC_LEN]


def _tdes_tac(card_key: bytes, data: bytes) -> bytes:
    # A card key whose halves are equal folds to an all-zero key here; key import refuses such keys.
    folded = bytes(a ^ b for a, b in zip(card_key[:8], card_key[8:], strict=True))
    return des_cbc_last(folded, data, bytes(8))[:MAC_LEN]


def _tdes_secure_mac(card_key: bytes, challenge: bytes, data: bytes) -> bytes:
    """The challenge, zero-filled, is the IV."""
    return retail_mac(card_key, data, challenge.ljust(8, b"\0"))[:MAC_LEN]


def _sm4_diversify(master: bytes, factor: bytes) -> bytes:
    return _sm4_master(master)(factor + invert(factor))


def _sm4_session(card_key: bytes, seed: bytes) -> bytes:
    return sm4_ecb(card_key, seed + invert(seed))


def _sm4_mac(key: bytes, data: bytes) -> bytes:
    return sm4_cbc_last(key, data, bytes(16))[:MAC_LEN]


def _sm4_secure_mac(card_key: bytes, challenge: bytes, data: bytes) -> bytes:
    return sm4_cbc_last(card_key, data, challenge.ljust(16, b"\0"))[:MAC_LEN]


@dataclass(frozen=True, slots=True)
class Suite:
    """What one algorithm does.

    Attributes:
        diversify: (master key 16, factor 8) → card key 16.
        session_key: (card key 16, seed 8) → session key, 8 bytes (3DES) or 16 (SM4).
        mac: (session key, data) → 4 bytes; MAC1 and MAC2 of load and purchase.
        tac: (card's TAC key 16, data) → 4 bytes.
        secure_mac: (card's maintenance key 16, challenge 4 to 16, header‖Lc‖data) → 4 bytes.
        encrypt_block: (key 16, whole blocks) → ECB ciphertext; key check values are made of it.

    """

    diversify: Callable[[bytes, bytes], bytes]
    session_key: Callable[[bytes, bytes], bytes]
    mac: Callable[[bytes, bytes], bytes]
    tac: Callable[[bytes, bytes], bytes]
    secure_mac: Callable[[bytes, bytes, bytes], bytes]
    encrypt_block: Callable[[bytes, bytes], bytes]


SUITES: dict[Algorithm, Suite] = {
    Algorithm.TDES: Suite(_tdes_diversify, _tdes_session, _tdes_mac, _tdes_tac, _tdes_secure_mac, tdes_ecb),
    Algorithm.SM4: Suite(_sm4_diversify, _sm4_session, _sm4_mac, _sm4_mac, _sm4_secure_mac, sm4_ecb),
}


def diversify_chain(suite: Suite, master: bytes, factors: tuple[bytes, ...]) -> bytes:
    """Multi-level diversification: issuer or region code first, then the card's serial; each factor has 8 bytes."""
    key = master
    for factor in factors:
        key = suite.diversify(key, factor)
    return key


def check_value(algorithm: Algorithm, key: bytes) -> bytes:
    """The key check value: the first 3 bytes of a block of zeros encrypted under `key`."""
    block = bytes(8 if algorithm is Algorithm.TDES else 16)
    return SUITES[algorithm].encrypt_block(key, block)[:3]
