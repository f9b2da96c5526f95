"""SM3withSM2 by both libraries: the published vector, the round trip, and everything that must not verify."""

import json
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tongka.crypto import ippcp, openssl, sm2
from tongka.errors import BadSignature, Malformed, Misconfigured

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sm2.json").read_text("utf-8"))
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
PUBLISHED = {
    name: value if name == "message" else bytes.fromhex(value) for name, value in VECTORS["gbt32918_5"].items()
}
MESSAGE = PUBLISHED["message"].encode()
SIGNATURE = PUBLISHED["r"] + PUBLISHED["s"]
PUBLIC = sm2.PublicKey(b"\x04" + PUBLISHED["x"] + PUBLISHED["y"])
PRIVATE = sm2.PrivateKey(PUBLISHED["private_key"])


INSTALLED = ["libcrypto"] + ["ippcp"] * (ippcp.loaded() is not None)


@pytest.fixture(autouse=True, params=INSTALLED)
def library(request, monkeypatch) -> str:
    """Every test runs with each library that does the arithmetic."""
    if request.param == "libcrypto":
        monkeypatch.setattr(ippcp, "loaded", lambda: None)
    return request.param


def scalar(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_the_published_signature_verifies():
    sm2.verify(PUBLIC, MESSAGE, SIGNATURE)


def test_the_published_public_key_belongs_to_the_published_private_key():
    assert sm2.public_key(PRIVATE) == PUBLIC
    assert PRIVATE.secret_bytes() == PUBLISHED["private_key"]


def test_the_huzhou_sample_has_the_form_but_does_not_verify():
    sample = VECTORS["huzhou_sample"]
    key = sm2.PublicKey(bytes.fromhex(sample["public_key"]))
    assert sample["verifies"] is False
    with pytest.raises(BadSignature, match="does not verify"):
        sm2.verify(key, sample["message"].encode(), bytes.fromhex(sample["signature"]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_what_is_signed_verifies(message):
    key = sm2.generate()
    signature = sm2.sign(key, message)
    assert len(signature) == sm2.SIGNATURE_LEN
    sm2.verify(key.public_key, message, signature)
    with pytest.raises(BadSignature):
        sm2.verify(key.public_key, message + b"\0", signature)


def test_a_generated_key_is_made_again_from_its_bytes():
    key = sm2.generate()
    assert sm2.PrivateKey(key.secret_bytes()).public_key == key.public_key
    assert sm2.generate().secret_bytes() != key.secret_bytes()


def test_every_signature_has_a_fresh_nonce():
    assert len({sm2.sign(PRIVATE, MESSAGE)[:32] for _ in range(50)}) == 50


@pytest.mark.parametrize("number", [1, 0x7F, 0x80, 0xFF, 0x100, 1 << 247, 1 << 248, 1 << 255, ORDER - 1])
def test_integers_travel_through_der_unharmed(number):
    """Leading zeros stay on the wire; DER drops them and adds a sign byte where needed."""
    raw = scalar(number) + scalar(ORDER - 2)
    assert sm2._raw(sm2._der(*sm2._integers(raw))) == raw


R, S = PUBLISHED["r"], PUBLISHED["s"]
MALFORMED_SIGNATURES = {
    "empty": b"",
    "one byte short": SIGNATURE[:-1],
    "one byte more": SIGNATURE + b"\0",
    "hex instead of bytes": SIGNATURE.hex().encode(),
    "r is 0": scalar(0) + S,
    "s is 0": R + scalar(0),
    "both are 0": bytes(64),
    "r is n": scalar(ORDER) + S,
    "s is n": R + scalar(ORDER),
    "r above n": scalar(2**256 - 1) + S,
    "r + s is n": R + scalar(ORDER - int.from_bytes(R, "big")),
    "r and s swapped": S + R,
    "s negated": R + scalar(ORDER - int.from_bytes(S, "big")),
}


@pytest.mark.parametrize("signature", MALFORMED_SIGNATURES.values(), ids=MALFORMED_SIGNATURES)
def test_a_bad_signature_is_refused(signature):
    with pytest.raises(BadSignature):
        sm2.verify(PUBLIC, MESSAGE, signature)


def test_every_flipped_bit_of_the_signature_is_refused():
    for bit in range(512):
        flipped = bytearray(SIGNATURE)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadSignature):
            sm2.verify(PUBLIC, MESSAGE, bytes(flipped))


def test_another_key_is_refused():
    with pytest.raises(BadSignature):
        sm2.verify(sm2.generate().public_key, MESSAGE, SIGNATURE)


def test_a_public_key_reads_compressed_and_not():
    assert PUBLIC.compressed == b"\x03" + PUBLISHED["x"]
    assert sm2.PublicKey(PUBLIC.compressed).point == PUBLIC.point
    assert hash(sm2.PublicKey(PUBLIC.compressed)) == hash(PUBLIC)
    assert sm2.generate().public_key != PUBLIC


BAD_PUBLIC_KEYS = {
    "empty": b"",
    "infinity": b"\0",
    "x alone": PUBLISHED["x"],
    "without its prefix": PUBLIC.point[1:],
    "one byte more": PUBLIC.point + b"\0",
    "compressed, one byte less": PUBLIC.compressed[:-1],
    "hybrid form": b"\x07" + PUBLIC.point[1:],
    "prefix and length disagree": b"\x04" + PUBLISHED["x"],
    "off the curve": PUBLIC.point[:-1] + bytes((PUBLIC.point[-1] ^ 1,)),
    "no y for this x": b"\x02" + scalar(5),
    "x is not below p": b"\x02" + b"\xff" * 32,
}


@pytest.mark.parametrize("encoded", BAD_PUBLIC_KEYS.values(), ids=BAD_PUBLIC_KEYS)
def test_what_is_no_point_is_refused(encoded):
    with pytest.raises(Malformed, match=r"^huzhou\.public_key: "):
        sm2.PublicKey(encoded, "huzhou.public_key")


@pytest.mark.parametrize(
    "secret", [b"", bytes(31), bytes(33), bytes(32), scalar(ORDER - 1), scalar(ORDER), b"\xff" * 32]
)
def test_what_is_no_private_key_is_refused(secret):
    with pytest.raises(Malformed, match=r"^private key: "):
        sm2.PrivateKey(secret)


@pytest.mark.parametrize("secret", [scalar(1), scalar(ORDER - 2)])
def test_the_ends_of_the_range_are_keys(secret):
    key = sm2.PrivateKey(secret)
    sm2.verify(key.public_key, b"", sm2.sign(key, b""))


def test_a_private_key_never_shows_itself():
    key = sm2.generate()
    for text in (repr(key), str(key), f"{key}", repr([key])):
        assert key.secret_bytes().hex().upper() not in text.upper()


def test_one_key_serves_many_threads():
    failures: list[Exception] = []

    def work() -> None:
        try:
            for n in range(30):
                message = b"%d" % n
                sm2.verify(PUBLIC, message, sm2.sign(PRIVATE, message))
        except Exception as failure:  # noqa: BLE001 - whatever happens in a thread is told below
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_failed_verification_leaves_no_trace_for_the_next():
    for _ in range(3):
        with pytest.raises(BadSignature):
            sm2.verify(PUBLIC, b"another text", SIGNATURE)
        sm2.verify(PUBLIC, MESSAGE, SIGNATURE)


def test_a_missing_library_is_told_with_its_remedy(monkeypatch):
    monkeypatch.setattr(openssl, "_names", lambda: iter(["libtongka-does-not-exist.so"]))
    with pytest.raises(Misconfigured, match=r"install OpenSSL 3\.0 or newer"):
        openssl.libcrypto.__wrapped__()


@pytest.mark.parametrize(
    ("limits", "why"), [({"_OLDEST": 0xF0000000}, "is older"), ({"_ALGORITHM_NAME": b"SM0"}, "without SM2")]
)
def test_an_unfit_library_is_told_with_its_remedy(monkeypatch, limits, why):
    for name, value in limits.items():
        monkeypatch.setattr(openssl, name, value)
    with pytest.raises(Misconfigured, match=why):
        openssl.libcrypto.__wrapped__()
