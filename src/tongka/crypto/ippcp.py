"""SM2 in Intel's Cryptography Primitives Library, through cffi's ABI mode: twelve times libcrypto's speed at signing.

The wheel of PyPI's `ipp-crypto` (Apache-2.0, x86-64 only) brings the library and nothing else. It picks the arithmetic
for the processor by itself, Intel's or another's. Where it is missing, or does not answer the published example of GB/T
32918.5 with the published numbers, `loaded` is None, and libcrypto does the work.

Unlike libcrypto it takes the nonce from its caller: 32 bytes of the operating system's generator, drawn again until
they are a number from 1 to n-1. What the library works in may not be shared, so each thread has its own.
"""

import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from cffi import FFI

from tongka.errors import Misconfigured

SECRET_LEN = 32
POINT_LEN = 64
SIGNATURE_LEN = 64
ORDER = bytes.fromhex("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123")
NOTHING = bytes(SECRET_LEN)

_LIBRARY = Path(sys.prefix, "lib", "libippcp.so.13")
"""Where the wheel puts it: its 13th binary interface, whose functions are declared below."""
_BITS = 256
_WORDS = 8
_OK = _VALID = 0
_OTHER_NONCE = -1011
"""This nonce gives r = 0, s = 0 or r + k = n: once in 2^255 times."""

_ffi = FFI()
_ffi.cdef("""
    int ippcpInit(void);
    const void *ippsGFpMethod_p256sm2(void);
    int ippsGFpGetSize(int bits, int *size);
    int ippsGFpInitFixed(int bits, const void *method, void *field);
    int ippsGFpECGetSize(const void *field, int *size);
    int ippsGFpECInitStdSM2(const void *field, void *curve);
    int ippsGFpECBindGxyTblStdSM2(void *curve);
    int ippsGFpECScratchBufferSize(int scalars, const void *curve, int *size);
    int ippsGFpECPointGetSize(const void *curve, int *size);
    int ippsGFpECPointInit(const void *x, const void *y, void *point, void *curve);
    int ippsGFpECSetPointOctString(const unsigned char *xy, int length, void *point, void *curve);
    int ippsBigNumGetSize(int words, int *size);
    int ippsBigNumInit(int words, void *number);
    int ippsSetOctString_BN(const unsigned char *octets, int length, void *number);
    int ippsGetOctString_BN(unsigned char *octets, int length, const void *number);
    int ippsGFpECSignSM2(const void *digest, const void *secret, void *nonce, void *r, void *s, void *curve,
                         void *scratch);
    int ippsGFpECVerifySM2(const void *digest, const void *public_point, const void *r, const void *s, int *result,
                           void *curve, void *scratch);
""")

# GB/T 32918.5 A.2: an example with its nonce, so that signing is checked as well as verifying.
_EXAMPLE = {
    name: bytes.fromhex(value)
    for name, value in {
        "secret": "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8",
        "point": "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
        "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13",
        "digest": "F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640",
        "nonce": "59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21",
        "signature": "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
        "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA",
    }.items()
}


class Ippcp:
    """The loaded library: signatures as raw r‖s over digests; safe to share between threads."""

    def __init__(self, library: Any) -> None:
        self._c = library
        self._threads = threading.local()

    def sign(self, secret: bytes, digest: bytes) -> bytes:
        """Sign with a fresh nonce.

        Args:
            secret: 32 bytes, from 1 to n-2.
            digest: of the identity, the public key and the message, 32 bytes (GB/T 32918.2 6.1, step A2).

        """
        own = self._own()
        while not (signature := own.sign(secret, digest, fresh_nonce())):
            pass
        return signature

    def verify(self, point: bytes, digest: bytes, signature: bytes) -> bool:
        """Whether r‖s, both from 1 to n-1, is the key's; `point` is x‖y of a point of the curve."""
        return self._own().verify(point, digest, signature)

    def is_right(self) -> bool:
        """Whether it signs the standard's example to the bit, verifies it, and refuses it with one bit flipped."""
        point, digest, signature = _EXAMPLE["point"], _EXAMPLE["digest"], _EXAMPLE["signature"]
        flipped = signature[:-1] + bytes((signature[-1] ^ 1,))
        return (
            self._own().sign(_EXAMPLE["secret"], digest, _EXAMPLE["nonce"]) == signature
            and self.verify(point, digest, signature)
            and not self.verify(point, digest, flipped)
        )

    def _own(self) -> "_Workspace":
        own: _Workspace | None = getattr(self._threads, "workspace", None)
        if own is None:
            own = self._threads.workspace = _Workspace(self._c)
        return own


@cache
def loaded() -> Ippcp | None:
    """The library, or None where it is not installed, is another, or answers wrongly."""
    try:
        library: Any = _ffi.dlopen(str(_LIBRARY))
        _must(library.ippcpInit())
        found = Ippcp(library)
        return found if found.is_right() else None
    except (OSError, AttributeError, Misconfigured):
        return None


def fresh_nonce() -> bytes:
    """A number from 1 to n-1 of the operating system's generator, each as likely as any other."""
    while not NOTHING < (nonce := os.urandom(SECRET_LEN)) < ORDER:
        pass  # once in 2^32 times
    return nonce


class _Workspace:
    """The curve, a point and the numbers of one thread."""

    def __init__(self, c: Any) -> None:
        self._c = c
        self._field = self._made(lambda size: c.ippsGFpGetSize(_BITS, size))
        _must(c.ippsGFpInitFixed(_BITS, c.ippsGFpMethod_p256sm2(), self._field))
        self._curve = self._made(lambda size: c.ippsGFpECGetSize(self._field, size))
        _must(c.ippsGFpECInitStdSM2(self._field, self._curve))
        _must(c.ippsGFpECBindGxyTblStdSM2(self._curve))
        self._scratch = self._made(lambda size: c.ippsGFpECScratchBufferSize(2, self._curve, size))
        self._point = self._made(lambda size: c.ippsGFpECPointGetSize(self._curve, size))
        _must(c.ippsGFpECPointInit(_ffi.NULL, _ffi.NULL, self._point, self._curve))
        self._digest, self._secret, self._nonce, self._r, self._s = (self._number() for _ in range(5))
        self._result = _ffi.new("int *")
        self._out = _ffi.new("unsigned char[32]")

    def sign(self, secret: bytes, digest: bytes, nonce: bytes) -> bytes:
        """Raw r‖s; empty where the nonce does not do."""
        self._set(self._digest, digest)
        self._set(self._secret, secret)
        self._set(self._nonce, nonce)
        status = self._c.ippsGFpECSignSM2(
            self._digest, self._secret, self._nonce, self._r, self._s, self._curve, self._scratch
        )
        self._set(self._secret, NOTHING)
        self._set(self._nonce, NOTHING)
        if status == _OTHER_NONCE:
            return b""
        _must(status)
        return self._get(self._r) + self._get(self._s)

    def verify(self, point: bytes, digest: bytes, signature: bytes) -> bool:
        _must(self._c.ippsGFpECSetPointOctString(point, POINT_LEN, self._point, self._curve))
        self._set(self._digest, digest)
        self._set(self._r, signature[:SECRET_LEN])
        self._set(self._s, signature[SECRET_LEN:])
        _must(
            self._c.ippsGFpECVerifySM2(
                self._digest, self._point, self._r, self._s, self._result, self._curve, self._scratch
            )
        )
        valid: bool = self._result[0] == _VALID
        return valid

    def _made(self, size_of: Callable[[Any], int]) -> Any:
        size = _ffi.new("int *")
        _must(size_of(size))
        return _ffi.new("unsigned char[]", size[0])

    def _number(self) -> Any:
        number = self._made(lambda size: self._c.ippsBigNumGetSize(_WORDS, size))
        _must(self._c.ippsBigNumInit(_WORDS, number))
        return number

    def _set(self, number: Any, octets: bytes) -> None:
        _must(self._c.ippsSetOctString_BN(octets, SECRET_LEN, number))

    def _get(self, number: Any) -> bytes:
        _must(self._c.ippsGetOctString_BN(self._out, SECRET_LEN, number))
        return bytes(_ffi.buffer(self._out))


def _must(status: int) -> None:
    if status != _OK:
        raise Misconfigured(f"libippcp answers status {status} where none can come: reinstall ipp-crypto, or remove it")
