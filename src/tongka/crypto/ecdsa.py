"""ECDSA with SHA-1 on secp256k1 and secp192k1: the legacy of the Alipay code format, version 2.

Master keys sign on secp256k1 (libsecp256k1, through coincurve), users' keys on secp192k1 (libcrypto). Signatures are
DER. Either sign of s is valid in these codes, while libsecp256k1 takes the lower one only: so it is normalised first.
SHA-1 and a 192-bit curve are kept for interoperation alone; nothing else in this system uses them.
"""

import hashlib
from functools import cache
from typing import Any, Final

from cffi import FFI
from coincurve import PrivateKey, PublicKey
from coincurve.ecdsa import cdata_to_der, der_to_cdata, signature_normalize

from tongka.crypto.openssl import libcrypto
from tongka.errors import BadSignature, Failed, Malformed, Misconfigured

SECP256K1_KEY_LEN: Final = 33
SECP192K1_KEY_LEN: Final = 25
SECP192K1_SECRET_LEN: Final = 24
DER_MAX: Final = 72

_NID_SECP192K1 = 711
_COMPRESSED = 2


def sha1(message: bytes) -> bytes:
    return hashlib.sha1(message, usedforsecurity=False).digest()


# --- secp256k1 --------------------------------------------------------------------------------------------------------


def secp256k1_key(public_key: bytes) -> PublicKey:
    """Read a compressed point.

    Raises:
        Malformed: another length, or not a point of the curve.

    """
    if len(public_key) != SECP256K1_KEY_LEN:
        raise Malformed("public_key", f"a compressed secp256k1 point has {SECP256K1_KEY_LEN} bytes")
    try:
        return PublicKey(public_key)
    except ValueError as error:
        raise Malformed("public_key", "not a point of secp256k1") from error


def verify_secp256k1(key: PublicKey, signature: bytes, message: bytes) -> None:
    """Check a DER signature, of either sign of s, over SHA-1 of `message`.

    Raises:
        BadSignature: it does not verify.

    """
    try:
        _, lower = signature_normalize(der_to_cdata(signature))
    except ValueError as error:
        raise BadSignature("the master signature is not DER") from error
    if not key.verify(cdata_to_der(lower), _sha1_wide(message), hasher=None):
        raise BadSignature("the master signature does not verify")


def sign_secp256k1(secret: bytes, message: bytes) -> bytes:
    """DER, lower s, nonce after RFC 6979."""
    return PrivateKey(secret).sign(_sha1_wide(message), hasher=None)


def _sha1_wide(message: bytes) -> bytes:
    """A shorter digest counts as a number (SEC 1, 4.1.3): zeros on the left to the curve's 32 bytes."""
    return sha1(message).rjust(32, b"\0")


# --- secp192k1 --------------------------------------------------------------------------------------------------------

_ffi = FFI()
_ffi.cdef("""
    typedef struct ec_group_st EC_GROUP;
    typedef struct ec_point_st EC_POINT;
    typedef struct ec_key_st EC_KEY;
    typedef struct bignum_st BIGNUM;
    EC_GROUP *EC_GROUP_new_by_curve_name(int nid);
    EC_POINT *EC_POINT_new(const EC_GROUP *group);
    void EC_POINT_free(EC_POINT *point);
    int EC_POINT_oct2point(const EC_GROUP *g, EC_POINT *p, const unsigned char *buf, size_t len, void *ctx);
    size_t EC_POINT_point2oct(const EC_GROUP *g, const EC_POINT *p, int form, unsigned char *buf, size_t len, void *);
    int EC_POINT_mul(const EC_GROUP *g, EC_POINT *r, const BIGNUM *n, const EC_POINT *q, const BIGNUM *m, void *ctx);
    EC_KEY *EC_KEY_new(void);
    void EC_KEY_free(EC_KEY *key);
    int EC_KEY_set_group(EC_KEY *key, const EC_GROUP *group);
    int EC_KEY_set_public_key(EC_KEY *key, const EC_POINT *point);
    int EC_KEY_set_private_key(EC_KEY *key, const BIGNUM *secret);
    int EC_KEY_check_key(const EC_KEY *key);
    BIGNUM *BN_bin2bn(const unsigned char *buf, int len, BIGNUM *to);
    void BN_clear_free(BIGNUM *number);
    int ECDSA_sign(int type, const unsigned char *digest, int len, unsigned char *sig, unsigned int *sig_len, EC_KEY *);
    int ECDSA_verify(int type, const unsigned char *digest, int len, const unsigned char *sig, int sig_len, EC_KEY *);
    void ERR_clear_error(void);
""")


@cache
def _lib() -> Any:
    return _ffi.dlopen(libcrypto().name)


@cache
def _group() -> Any:
    group = _lib().EC_GROUP_new_by_curve_name(_NID_SECP192K1)
    if not group:
        raise Misconfigured("this libcrypto was built without secp192k1; install one that has it (Debian: libssl3)")
    return group


def _point(encoded: bytes) -> Any:
    """An EC_POINT, or None if `encoded` is not a compressed point of the curve."""
    if len(encoded) != SECP192K1_KEY_LEN:
        return None
    lib, group = _lib(), _group()
    point = _ffi.gc(lib.EC_POINT_new(group), lib.EC_POINT_free)
    if lib.EC_POINT_oct2point(group, point, encoded, len(encoded), _ffi.NULL) == 1:
        return point
    lib.ERR_clear_error()
    return None


def _secp192k1_key(point: Any) -> Any:
    lib = _lib()
    key = _ffi.gc(lib.EC_KEY_new(), lib.EC_KEY_free)
    if lib.EC_KEY_set_group(key, _group()) != 1 or lib.EC_KEY_set_public_key(key, point) != 1:
        raise Failed("libcrypto did not take a secp192k1 key")
    return key


def verify_secp192k1(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Check a DER signature over SHA-1 of `message` under a compressed point of 25 bytes.

    Raises:
        BadSignature: it does not verify, or the key is not a point of the curve.

    """
    point = _point(public_key)
    if point is None:
        raise BadSignature("the user's key is not a point of secp192k1")
    digest = sha1(message)
    if _lib().ECDSA_verify(0, digest, len(digest), signature, len(signature), _secp192k1_key(point)) != 1:
        _lib().ERR_clear_error()
        raise BadSignature("the user's signature does not verify")


def _secp192k1_pair(secret: bytes) -> tuple[Any, Any]:
    """The EC_KEY of a secret, and its public point.

    Raises:
        Malformed: not 24 bytes, zero, or not below the curve's order.

    """
    lib, group = _lib(), _group()
    number = _ffi.gc(lib.BN_bin2bn(secret, len(secret), _ffi.NULL), lib.BN_clear_free)
    point = _ffi.gc(lib.EC_POINT_new(group), lib.EC_POINT_free)
    lib.EC_POINT_mul(group, point, number, _ffi.NULL, _ffi.NULL, _ffi.NULL)
    key = _secp192k1_key(point)
    usable = lib.EC_KEY_set_private_key(key, number) == 1 and lib.EC_KEY_check_key(key) == 1
    if len(secret) != SECP192K1_SECRET_LEN or not usable:
        lib.ERR_clear_error()
        raise Malformed("secret", "a secp192k1 secret is 24 bytes, above zero and below the curve's order")
    return key, point


def secp192k1_public_key(secret: bytes) -> bytes:
    """The compressed point, 25 bytes."""
    _, point = _secp192k1_pair(secret)
    encoded = _ffi.new("unsigned char[]", SECP192K1_KEY_LEN)
    _lib().EC_POINT_point2oct(_group(), point, _COMPRESSED, encoded, len(encoded), _ffi.NULL)
    return bytes(encoded)


def sign_secp192k1(secret: bytes, message: bytes) -> bytes:
    """DER, over SHA-1 of `message`; the nonce is libcrypto's own."""
    key, _ = _secp192k1_pair(secret)
    digest = sha1(message)
    signature, length = _ffi.new("unsigned char[]", DER_MAX), _ffi.new("unsigned int *")
    if _lib().ECDSA_sign(0, digest, len(digest), signature, length, key) != 1:
        raise Failed("libcrypto did not sign")
    return bytes(_ffi.buffer(signature, length[0]))
