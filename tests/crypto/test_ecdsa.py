"""ECDSA on secp256k1 and secp192k1: a known answer of another implementation, either sign of s, and refusals."""

import hashlib

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from tongka.crypto.ecdsa import (
    secp192k1_public_key,
    secp256k1_key,
    sign_secp192k1,
    sign_secp256k1,
    verify_secp192k1,
    verify_secp256k1,
)
from tongka.errors import BadSignature, Malformed

N256 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
N192 = 0xFFFFFFFFFFFFFFFFFFFFFFFE26F2FC170F69466A74DEFD8D
SECRET = bytes(range(1, 33))
USER_SECRET = bytes(range(1, 25))
KEY = secp256k1_key(PrivateKey(SECRET).public_key.format())
USER_KEY = secp192k1_public_key(USER_SECRET)


def test_another_implementation_accepts_ours_and_makes_what_we_accept() -> None:
    theirs = ec.derive_private_key(int.from_bytes(SECRET, "big"), ec.SECP256K1())
    algorithm = ec.ECDSA(hashes.SHA1())  # noqa: S303 - the format's
    theirs.public_key().verify(sign_secp256k1(SECRET, b"message"), b"message", algorithm)
    for _ in range(8):  # about half of them with the higher s
        verify_secp256k1(KEY, theirs.sign(b"message", algorithm), b"message")


def test_the_generator_is_the_public_key_of_one() -> None:
    """SEC 2, 2.2.1: secp192k1's base point."""
    one = secp192k1_public_key(bytes(23) + b"\1")
    assert one.hex().upper() == "03DB4FF10EC057E9AE26B07D0280B7F4341DA5D1B1EAE06C7D"


@pytest.mark.parametrize(
    ("verify", "key", "sign", "secret", "order"),
    [
        (verify_secp256k1, KEY, sign_secp256k1, SECRET, N256),
        (verify_secp192k1, USER_KEY, sign_secp192k1, USER_SECRET, N192),
    ],
)
def test_either_sign_of_s_verifies_and_nothing_else_does(verify, key, sign, secret, order) -> None:
    signature = sign(secret, b"message")
    r, s = decode_dss_signature(signature)
    verify(key, signature, b"message")
    verify(key, encode_dss_signature(r, order - s), b"message")
    refused = {
        "another text": (signature, b"messagf"),
        "a byte behind": (signature + b"\0", b"message"),
        "nothing": (b"", b"message"),
        "r = 0": (encode_dss_signature(0, s), b"message"),
        "s = 0": (encode_dss_signature(r, 0), b"message"),
        "r = n": (encode_dss_signature(order, s), b"message"),
        "s + n": (encode_dss_signature(r, s + order), b"message"),
        "a length in long form": (b"\x30\x81" + signature[1:], b"message"),
    }
    for changed, message in refused.values():
        with pytest.raises(BadSignature):
            verify(key, changed, message)


@given(st.binary(max_size=80))
@settings(max_examples=50)
def test_any_bytes_are_no_signature(signature: bytes) -> None:
    with pytest.raises(BadSignature):
        verify_secp192k1(USER_KEY, signature, b"message")
    with pytest.raises(BadSignature):
        verify_secp256k1(KEY, signature, b"message")


@pytest.mark.parametrize("key", [b"", USER_KEY[:-1], USER_KEY + b"\0", b"\x05" + USER_KEY[1:], b"\x02" + b"\xff" * 24])
def test_a_user_key_that_is_no_point_verifies_nothing(key: bytes) -> None:
    with pytest.raises(BadSignature, match="not a point"):
        verify_secp192k1(key, sign_secp192k1(USER_SECRET, b"message"), b"message")


@pytest.mark.parametrize("key", [b"", bytes(33), b"\x02" + b"\xff" * 32, b"\x02" + bytes(31) + b"\x05", bytes(65)])
def test_a_master_key_that_is_no_point_is_refused(key: bytes) -> None:
    with pytest.raises(Malformed):
        secp256k1_key(key)


@pytest.mark.parametrize(
    "secret", [b"", bytes(24), N192.to_bytes(24, "big"), b"\xff" * 24, b"\1" * 23, b"\0" + b"\1" * 24]
)
def test_a_secret_out_of_range_is_refused(secret: bytes) -> None:
    with pytest.raises(Malformed):
        secp192k1_public_key(secret)


def test_a_sha1_digest_counts_as_a_number() -> None:
    """SEC 1, 4.1.3: 20 bytes stand at the right of the curve's 32."""
    signature = PrivateKey(SECRET).sign(bytes(12) + hashlib.sha1(b"message").digest(), hasher=None)  # noqa: S324
    verify_secp256k1(KEY, signature, b"message")
