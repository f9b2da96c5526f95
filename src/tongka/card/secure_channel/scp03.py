"""SCP03 with the option i=70: AES-128, challenges and MACs of 8 bytes (S8), pseudo-random card challenge.

Source: GlobalPlatform Card Specification 2.3, Amendment D.
"""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from tongka.card.secure_channel.protocol import Protocol, SessionKeys, StaticKeys, unpad
from tongka.crypto.pboc import KEY_LEN, pad

BLOCK = 16
OPTION = 0x70
_CARD_CRYPTOGRAM, _HOST_CRYPTOGRAM, _CARD_CHALLENGE = 0x00, 0x01, 0x02  # Amendment D 4.1.5, table 4-1
_S_ENC, _S_MAC, _S_RMAC = 0x04, 0x06, 0x07


def _cmac(key: bytes, data: bytes) -> bytes:
    code = CMAC(AES(key))
    code.update(data)
    return code.finalize()


def _derive(key: bytes, constant: int, context: bytes, length: int) -> bytes:
    """4.1.5: NIST SP 800-108 in counter mode; `length` up to one block, so the counter stays 1."""
    label = bytes(11) + bytes((constant,))
    return _cmac(key, label + b"\0" + (8 * length).to_bytes(2, "big") + b"\x01" + context)[:length]


def session_keys(static: StaticKeys, host_challenge: bytes, card_challenge: bytes) -> SessionKeys:
    """6.2.1; keys are sent under the static DEK (6.2.8)."""
    context = host_challenge + card_challenge
    return SessionKeys(
        enc=_derive(static.enc, _S_ENC, context, KEY_LEN),
        mac=_derive(static.mac, _S_MAC, context, KEY_LEN),
        rmac=_derive(static.mac, _S_RMAC, context, KEY_LEN),
        dek=static.dek,
    )


def card_cryptogram(keys: SessionKeys, host_challenge: bytes, card_challenge: bytes) -> bytes:
    """6.2.2.2."""
    return _derive(keys.mac, _CARD_CRYPTOGRAM, host_challenge + card_challenge, 8)


def host_cryptogram(keys: SessionKeys, host_challenge: bytes, card_challenge: bytes) -> bytes:
    """6.2.2.3."""
    return _derive(keys.mac, _HOST_CRYPTOGRAM, host_challenge + card_challenge, 8)


def pseudo_random_challenge(static: StaticKeys, sequence: bytes, aid: bytes) -> bytes:
    """6.2.2.1: what a card with option 70 answers; `sequence` has 3 bytes, `aid` is the security domain's."""
    return _derive(static.enc, _CARD_CHALLENGE, sequence + aid, 8)


def mac(key: bytes, chain: bytes, covered: bytes) -> bytes:
    """6.2.4; also of answers (6.2.5)."""
    return _cmac(key, chain + covered)


def _cbc(key: bytes, counter: int, *, answer: bool) -> "Cipher[CBC]":
    """6.2.6 and 6.2.7: the IV is the command's number, encrypted; its first bit tells answers from commands."""
    number = ((0x80 << 120) if answer else 0) | counter
    first = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - one block, which becomes an IV
    return Cipher(AES(key), CBC(first.update(number.to_bytes(BLOCK, "big"))))


def encrypt(key: bytes, counter: int, data: bytes, *, answer: bool = False) -> bytes:
    return _cbc(key, counter, answer=answer).encryptor().update(pad(data, BLOCK))


def decrypt(key: bytes, counter: int, data: bytes, *, answer: bool = False) -> bytes:
    return unpad(_cbc(key, counter, answer=answer).decryptor().update(data))


def _encrypt_key(dek: bytes, key: bytes) -> bytes:
    """6.2.8: CBC, IV zero."""
    return Cipher(AES(dek), CBC(bytes(BLOCK))).encryptor().update(key)


def _decrypt_key(dek: bytes, encrypted: bytes) -> bytes:
    return Cipher(AES(dek), CBC(bytes(BLOCK))).decryptor().update(encrypted)


SCP03 = Protocol(
    number=3,
    encrypts_first=True,
    protects_answers=True,
    first_chain=bytes(BLOCK),
    session_keys=session_keys,
    card_cryptogram=card_cryptogram,
    host_cryptogram=host_cryptogram,
    mac=mac,
    encrypt=encrypt,
    decrypt=decrypt,
    encrypt_key=_encrypt_key,
    decrypt_key=_decrypt_key,
)
