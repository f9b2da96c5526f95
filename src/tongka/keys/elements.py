"""What an HSM does with the keys of a secure element: open channels, and wrap a card's keys for it.

Only the keys of one session leave; ENC, MAC and DEK do not. So the channel that is given out cannot encrypt keys.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from tongka.card.apdu import Command
from tongka.card.secure_channel import Channel, InitializeUpdateAnswer, StaticKeys, open_channel
from tongka.crypto.pboc import KEY_LEN, Algorithm, check_value
from tongka.errors import Malformed
from tongka.keys import Purpose

STATIC_LEN = 3 * KEY_LEN
NO_KEY = bytes(KEY_LEN)


def static_keys(block: bytes) -> StaticKeys:
    """ENC‖MAC‖DEK, as they are sealed."""
    if len(block) != STATIC_LEN:
        raise Malformed("keys", f"the keys of a secure element have {STATIC_LEN} bytes")
    return StaticKeys(block[:16], block[16:32], block[32:])


def opened(static: StaticKeys, host_challenge: bytes, answer: bytes) -> tuple[Channel, Command]:
    """A channel and its EXTERNAL AUTHENTICATE.

    Raises:
        MacWrong: the element's cryptogram does not verify.

    """
    channel, command = open_channel(static, host_challenge, answer)
    return replace(channel, keys=replace(channel.keys, dek=NO_KEY)), command


Encrypt = Callable[[bytes], bytes]


def key_encryption(static: StaticKeys, host_challenge: bytes, answer: bytes) -> Encrypt:
    """How keys are encrypted in the channel that began so: under its DEK."""
    told = InitializeUpdateAnswer.parse(answer)
    dek = told.protocol.session_keys(static, host_challenge, told.card_challenge).dek
    return lambda key: told.protocol.encrypt_key(dek, key)


def wrapped(
    version: int, algorithm: Algorithm, keys: Mapping[Purpose, bytes], encrypt: Encrypt
) -> dict[Purpose, bytes]:
    """Version 1‖algorithm 1‖key 16 encrypted‖check value 3, for each key."""
    head = bytes((version, algorithm.value))
    return {purpose: head + encrypt(key) + check_value(algorithm, key) for purpose, key in keys.items()}
