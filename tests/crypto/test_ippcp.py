"""SM2 in ippcp: it agrees with libcrypto, its nonces are fresh and fit, and where it is not right it is not used."""

import os
import platform
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tongka.crypto import ippcp, openssl, sm2

LIBRARY = ippcp.loaded()
ORDER = int.from_bytes(ippcp.ORDER, "big")
needed = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="its wheel is for Linux on x86-64"
)


@needed
def test_it_is_installed_and_right():
    assert LIBRARY is not None
    assert LIBRARY.is_right()


@needed
@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=2000))
def test_both_libraries_verify_what_the_other_signed(message):
    key = sm2.generate()
    public, pkey, digest = key.public_key, key._pkey, sm2._digest(key.public_key, message)
    ours = LIBRARY.sign(key.secret_bytes(), digest)
    assert openssl.verify(pkey, sm2.DEFAULT_ID, message, sm2._der(*sm2._integers(ours)))
    theirs = sm2._raw(openssl.sign(pkey, sm2.DEFAULT_ID, message))
    assert LIBRARY.verify(public.point[1:], digest, theirs)
    assert not LIBRARY.verify(public.point[1:], digest, theirs[32:] + theirs[:32])


@needed
@pytest.mark.parametrize("secret", [1, 2, ORDER - 3, ORDER - 2])
@pytest.mark.parametrize("digest", [0, 1, ORDER - 1, ORDER, 2**256 - 1])
def test_the_ends_of_every_range(secret, digest):
    key = sm2.PrivateKey(secret.to_bytes(32, "big"))
    of = digest.to_bytes(32, "big")
    signature = LIBRARY.sign(key.secret_bytes(), of)
    assert LIBRARY.verify(key.public_key.point[1:], of, signature)


@needed
def test_a_nonce_that_does_not_do_is_drawn_again(monkeypatch):
    """With e = n - x of [k]G, r is 0; the numbers are of the standard's example, whose r is e + x."""
    example = ippcp._EXAMPLE
    r, e = (int.from_bytes(example[name][:32], "big") for name in ("signature", "digest"))
    no_good = ((ORDER - (r - e)) % ORDER).to_bytes(32, "big")
    assert LIBRARY._own().sign(example["secret"], no_good, example["nonce"]) == b""
    drawn = iter([example["nonce"], ippcp.fresh_nonce()])
    monkeypatch.setattr(ippcp, "fresh_nonce", lambda: next(drawn))
    assert LIBRARY.verify(example["point"], no_good, LIBRARY.sign(example["secret"], no_good))
    assert next(drawn, None) is None


@needed
def test_neither_secret_nor_nonce_stays_behind():
    example, own = ippcp._EXAMPLE, LIBRARY._own()
    own.sign(example["secret"], example["digest"], example["nonce"])
    for place in (own._secret, own._nonce):
        left = bytes(ippcp._ffi.buffer(place))
        assert example["secret"][::-1] not in left
        assert example["nonce"][::-1] not in left


def test_a_nonce_is_from_1_to_the_order_less_one(monkeypatch):
    drawn = iter([bytes(32), ippcp.ORDER, b"\xff" * 32, ippcp.ORDER[:-1] + b"\x22"])
    monkeypatch.setattr(os, "urandom", lambda _: next(drawn))
    assert ippcp.fresh_nonce() == ippcp.ORDER[:-1] + b"\x22"


def test_without_the_library_libcrypto_does_the_work(monkeypatch, tmp_path):
    monkeypatch.setattr(ippcp, "_LIBRARY", tmp_path / "libippcp.so.13")
    assert ippcp.loaded.__wrapped__() is None
    (tmp_path / "libippcp.so.13").write_bytes(b"no library")
    assert ippcp.loaded.__wrapped__() is None


@needed
@pytest.mark.parametrize("part", ["secret", "digest", "nonce", "signature", "point"])
def test_a_library_that_answers_otherwise_than_the_standard_is_not_used(monkeypatch, part):
    right = ippcp._EXAMPLE[part]
    monkeypatch.setitem(ippcp._EXAMPLE, part, right[:-1] + bytes((right[-1] ^ 1,)))
    assert ippcp.loaded.__wrapped__() is None


def test_another_library_of_that_name_is_not_used(monkeypatch):
    monkeypatch.setattr(ippcp, "_LIBRARY", openssl.libcrypto().name)
    assert ippcp.loaded.__wrapped__() is None
