"""SCP02 with the options i=15 and i=55: 3DES, explicit initiation, C-MAC over the modified command, ICV encrypted.

Source: GlobalPlatform Card Specification 2.3, appendix E. The two options differ in the card's challenge only: with 55
it follows from the sequence counter and the AID (E.4.2.3), which `pseudo_random_challenge` computes.
"""

from tongka.card.secure_channel.protocol import Protocol, SessionKeys, StaticKeys, unpad
from tongka.crypto.pboc import (
    pad,
    retail_mac,
    tdes_cbc,
    tdes_cbc_decrypt,
    tdes_ecb,
    tdes_ecb_decrypt,
)

SEQUENCE_LEN = 2
_C_MAC, _R_MAC, _DEK, _ENC = (bytes.fromhex(constant) for constant in ("0101", "0102", "0181", "0182"))  # E.4.1


def session_keys(static: StaticKeys, _host_challenge: bytes, card_challenge: bytes) -> SessionKeys:
    """E.4.1: the constant and the sequence counter, filled up with zeros, encrypted under the static key."""
    sequence = card_challenge[:SEQUENCE_LEN]
    return SessionKeys(
        enc=_session_key(static.enc, _ENC, sequence),
        mac=_session_key(static.mac, _C_MAC, sequence),
        rmac=_session_key(static.mac, _R_MAC, sequence),
        dek=_session_key(static.dek, _DEK, sequence),
    )


def _session_key(static: bytes, constant: bytes, sequence: bytes) -> bytes:
    return tdes_cbc(static, (constant + sequence).ljust(16, b"\0"))


def card_cryptogram(keys: SessionKeys, host_challenge: bytes, card_challenge: bytes) -> bytes:
    """E.4.2.1."""
    return tdes_cbc(keys.enc, pad(host_challenge + card_challenge, 8))[-8:]


def host_cryptogram(keys: SessionKeys, host_challenge: bytes, card_challenge: bytes) -> bytes:
    """E.4.2.2."""
    return tdes_cbc(keys.enc, pad(card_challenge + host_challenge, 8))[-8:]


def pseudo_random_challenge(keys: SessionKeys, aid: bytes) -> bytes:
    """The 6 bytes that a card with option 55 answers after its sequence counter; `aid` of the security domain."""
    return retail_mac(keys.mac, aid, bytes(8))[:6]


def mac(key: bytes, chain: bytes, covered: bytes) -> bytes:
    """E.4.4: the last MAC, encrypted under single DES, is the IV of the next; the first IV is zero."""
    return retail_mac(key, covered, tdes_ecb(key[:8], chain) if chain else bytes(8))


def encrypt(key: bytes, _counter: int, data: bytes) -> bytes:
    """E.4.6."""
    return tdes_cbc(key, pad(data, 8))


def decrypt(key: bytes, _counter: int, data: bytes) -> bytes:
    return unpad(tdes_cbc_decrypt(key, data))


SCP02 = Protocol(
    number=2,
    encrypts_first=False,
    protects_answers=False,
    first_chain=b"",
    session_keys=session_keys,
    card_cryptogram=card_cryptogram,
    host_cryptogram=host_cryptogram,
    mac=mac,
    encrypt=encrypt,
    decrypt=decrypt,
    encrypt_key=tdes_ecb,  # E.4.7
    decrypt_key=tdes_ecb_decrypt,
)
