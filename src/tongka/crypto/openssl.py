"""SM2 in the system's OpenSSL libcrypto, through cffi's ABI mode: how it is found, and SM2's part of it.

The wheels of `cryptography` bring an OpenSSL of their own whose SM2 they do not expose, so the system's library is
used; it is maintained, is everywhere, and draws its nonces from its own generator. cffi releases the interpreter lock
during each call, and an ``EVP_PKEY`` may be used by several threads at once: signing and verifying run in parallel.
"""

import ctypes.util
from collections.abc import Iterator
from functools import cache
from typing import Any

from cffi import FFI

from tongka.errors import Misconfigured

Pkey = Any
"""A key held by libcrypto; it is freed when Python forgets it."""

SIGNATURE_MAX = 72
"""DER of two integers of at most 33 bytes."""

_OLDEST = 0x30000000
_ALGORITHM_NAME = b"SM2"
_LIBRARIES = ("libcrypto.so.3", "libcrypto.so", "libcrypto.3.dylib")
_REMEDY = "install OpenSSL 3.0 or newer built with SM2 (Debian: libssl3)"

_ffi = FFI()
_ffi.cdef("""
    typedef ... EVP_PKEY;
    typedef ... EVP_PKEY_CTX;
    typedef ... EVP_MD;
    typedef ... EVP_MD_CTX;
    unsigned long OpenSSL_version_num(void);
    void ERR_clear_error(void);
    EVP_MD *EVP_MD_fetch(void *, const char *, const char *);
    EVP_PKEY *d2i_PUBKEY(EVP_PKEY **, const unsigned char **, long);
    EVP_PKEY *d2i_AutoPrivateKey(EVP_PKEY **, const unsigned char **, long);
    void EVP_PKEY_free(EVP_PKEY *);
    int EVP_PKEY_get_bn_param(const EVP_PKEY *, const char *, void **);
    int BN_bn2binpad(const void *, unsigned char *, int);
    void BN_clear_free(void *);
    EVP_PKEY_CTX *EVP_PKEY_CTX_new_from_name(void *, const char *, const char *);
    EVP_PKEY_CTX *EVP_PKEY_CTX_new_from_pkey(void *, EVP_PKEY *, const char *);
    void EVP_PKEY_CTX_free(EVP_PKEY_CTX *);
    int EVP_PKEY_CTX_set1_id(EVP_PKEY_CTX *, const void *, int);
    int EVP_PKEY_keygen_init(EVP_PKEY_CTX *);
    int EVP_PKEY_generate(EVP_PKEY_CTX *, EVP_PKEY **);
    EVP_MD_CTX *EVP_MD_CTX_new(void);
    void EVP_MD_CTX_free(EVP_MD_CTX *);
    void EVP_MD_CTX_set_pkey_ctx(EVP_MD_CTX *, EVP_PKEY_CTX *);
    int EVP_DigestSignInit(EVP_MD_CTX *, EVP_PKEY_CTX **, const EVP_MD *, void *, EVP_PKEY *);
    int EVP_DigestSign(EVP_MD_CTX *, unsigned char *, size_t *, const unsigned char *, size_t);
    int EVP_DigestVerifyInit(EVP_MD_CTX *, EVP_PKEY_CTX **, const EVP_MD *, void *, EVP_PKEY *);
    int EVP_DigestVerify(EVP_MD_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);
""")
_NULL = _ffi.NULL

# AlgorithmIdentifier { id-ecPublicKey, sm2p256v1 (1.2.156.10197.1.301) }, and the two structures around a key
_ALGORITHM = bytes.fromhex("301306072A8648CE3D020106082A811CCF5501822D")
_PUBLIC_HEADS = {  # SubjectPublicKeyInfo, by the length of the point that follows
    33: bytes.fromhex("3039") + _ALGORITHM + bytes.fromhex("032200"),
    65: bytes.fromhex("3059") + _ALGORITHM + bytes.fromhex("034200"),
}
_PRIVATE_HEAD = bytes.fromhex("3041020100") + _ALGORITHM + bytes.fromhex("042730250201010420")  # PKCS#8, then d


class Libcrypto:
    """The loaded library, with SM3 fetched once; `name` is for modules that declare other functions of it."""

    def __init__(self, name: str, library: Any) -> None:
        self.name = name
        self.c = library
        self.sm3 = library.EVP_MD_fetch(_NULL, b"SM3", _NULL)

    def has_sm2(self) -> bool:
        """Some distributions build libcrypto without SM2 or SM3."""
        context = self.c.EVP_PKEY_CTX_new_from_name(_NULL, _ALGORITHM_NAME, _NULL)
        self.c.EVP_PKEY_CTX_free(context)
        self.c.ERR_clear_error()
        return _NULL not in (context, self.sm3)

    def own(self, pkey: Pkey) -> Pkey | None:
        """`pkey`, freed with its last Python reference; None for NULL."""
        if pkey == _NULL:
            self.c.ERR_clear_error()
            return None
        return _ffi.gc(pkey, self.c.EVP_PKEY_free)


@cache
def libcrypto() -> Libcrypto:
    """Find and load the library once.

    Raises:
        Misconfigured: no libcrypto, an older one than 3.0, or one built without SM2.

    """
    seen = "none was found"
    for name in _names():
        try:
            library: Any = _ffi.dlopen(name)
        except OSError:
            continue
        if library.OpenSSL_version_num() < _OLDEST:
            seen = f"{name} is older"
        elif not (loaded := Libcrypto(name, library)).has_sm2():
            seen = f"{name} was built without SM2"
        else:
            return loaded
    raise Misconfigured(f"libcrypto: {_REMEDY}; {seen}")


def _names() -> Iterator[str]:
    """Where the library may be; the search that starts other programs comes last."""
    yield from _LIBRARIES
    if found := ctypes.util.find_library("crypto"):
        yield found


def _decode(reader: str, der: bytes) -> Pkey | None:
    lib = libcrypto()
    buffer = _ffi.from_buffer(der)
    place = _ffi.new("const unsigned char *[1]", [_ffi.cast("const unsigned char *", buffer)])
    return lib.own(getattr(lib.c, reader)(_NULL, place, len(der)))


def load_public(point: bytes) -> Pkey | None:
    """`point`: 02 or 03‖x, or 04‖x‖y. None when it is another length or not on the curve."""
    head = _PUBLIC_HEADS.get(len(point))
    return head and _decode("d2i_PUBKEY", head + point)


def load_private(secret: bytes) -> Pkey | None:
    """`secret`: 32 bytes, already known to be in range; libcrypto computes the public point."""
    return _decode("d2i_AutoPrivateKey", _PRIVATE_HEAD + secret)


def point_of(pkey: Pkey) -> tuple[bytes, bytes]:
    """The public point of a key: x and y, 32 bytes each."""
    return _number(pkey, b"qx"), _number(pkey, b"qy")


def generate() -> bytes:
    """A new private key, 32 bytes."""
    c = libcrypto().c
    context = _ffi.gc(c.EVP_PKEY_CTX_new_from_name(_NULL, _ALGORITHM_NAME, _NULL), c.EVP_PKEY_CTX_free)
    place = _ffi.new("EVP_PKEY *[1]")
    _must(c.EVP_PKEY_keygen_init(context))
    _must(c.EVP_PKEY_generate(context, place))
    return _number(libcrypto().own(place[0]), b"priv")


def _number(pkey: Pkey, name: bytes) -> bytes:
    """One of the numbers that a key consists of, 32 bytes."""
    c = libcrypto().c
    place = _ffi.new("void *[1]")
    _must(c.EVP_PKEY_get_bn_param(pkey, name, place))
    number = _ffi.gc(place[0], c.BN_clear_free)
    out = _ffi.new("unsigned char[32]")
    _must(c.BN_bn2binpad(number, out, len(out)) == len(out))
    return bytes(_ffi.buffer(out))


def sign(pkey: Pkey, identity: bytes, message: bytes) -> bytes:
    """SM3withSM2 over `message`; DER of r and s."""
    lib = libcrypto()
    c = lib.c
    key_context, context = _contexts(c, pkey, identity)
    try:
        out = _ffi.new("unsigned char[]", SIGNATURE_MAX)
        length = _ffi.new("size_t *", SIGNATURE_MAX)
        _must(c.EVP_DigestSignInit(context, _NULL, lib.sm3, _NULL, pkey))
        _must(c.EVP_DigestSign(context, out, length, message, len(message)))
        return bytes(_ffi.buffer(out, length[0]))
    finally:
        c.EVP_MD_CTX_free(context)
        c.EVP_PKEY_CTX_free(key_context)


def verify(pkey: Pkey, identity: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the DER `signature` is the key's over `message`."""
    lib = libcrypto()
    c = lib.c
    key_context, context = _contexts(c, pkey, identity)
    try:
        _must(c.EVP_DigestVerifyInit(context, _NULL, lib.sm3, _NULL, pkey))
        good: bool = c.EVP_DigestVerify(context, signature, len(signature), message, len(message)) == 1
        if not good:
            c.ERR_clear_error()
        return good
    finally:
        c.EVP_MD_CTX_free(context)
        c.EVP_PKEY_CTX_free(key_context)


def _contexts(c: Any, pkey: Pkey, identity: bytes) -> tuple[Any, Any]:
    """A key context that knows the signer's identity, and a digest context that uses it; the caller frees both."""
    key_context = c.EVP_PKEY_CTX_new_from_pkey(_NULL, pkey, _NULL)
    context = c.EVP_MD_CTX_new()
    _must(c.EVP_PKEY_CTX_set1_id(key_context, identity, len(identity)))
    c.EVP_MD_CTX_set_pkey_ctx(context, key_context)
    return key_context, context


def _must(done: int) -> None:
    """Out of memory, or a library that contradicts its manual: nothing a caller could answer."""
    if done != 1:
        libcrypto().c.ERR_clear_error()
        raise RuntimeError("libcrypto refused an operation that cannot fail with a valid key")
