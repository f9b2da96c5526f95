"""SM3withSM2 signatures: generate, public_key, sign, verify.

Sources: GB/T 32918.2 (the algorithm), GB/T 32918.5 (the curve). On the wire a signature is raw r‖s, 64 bytes, and a
public key is a point, compressed (33 bytes) or not (65). The arithmetic is `tongka.crypto.ippcp`'s where it is
installed and `tongka.crypto.openssl`'s elsewhere; what is ours is only the strict reading of keys and signatures.
"""

from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SM3, Hash

from tongka.crypto import ippcp, openssl
from tongka.errors import BadSignature, Malformed

SIGNATURE_LEN = 64
SECRET_LEN = 32
COMPRESSED_LEN = 33
POINT_LEN = 65
DEFAULT_ID = b"1234567812345678"
"""The signer's identity when the parties agreed on none (GM/T 0009)."""

_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
"""The order of the curve's base point."""
_CURVE = bytes.fromhex(
    "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"
    "28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93"
    "32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"
    "BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0"
)
"""a, b, and the base point's x and y."""

_FORMS = {(COMPRESSED_LEN, b"\x02"), (COMPRESSED_LEN, b"\x03"), (POINT_LEN, b"\x04")}


class PublicKey:
    """A point on the curve, held by libcrypto and ready to verify; safe to share between threads.

    Attributes:
        point: 04‖x‖y, whichever form was read.

    """

    __slots__ = ("_pkey", "point")

    def __init__(self, encoded: bytes, field: str = "public key") -> None:
        """Read 33 bytes (02 or 03‖x) or 65 (04‖x‖y).

        Raises:
            Malformed: another form, or not a point of the curve; names `field`.

        """
        if (len(encoded), encoded[:1]) not in _FORMS:
            raise Malformed(field, "an SM2 public key is 33 bytes (02 or 03, x) or 65 (04, x, y)")
        self._pkey = openssl.load_public(encoded)
        if self._pkey is None:
            raise Malformed(field, "this is not a point of the SM2 curve")
        self.point = b"\x04" + b"".join(openssl.point_of(self._pkey))

    @property
    def compressed(self) -> bytes:
        """02 or 03‖x, as partners exchange it."""
        return bytes((2 + (self.point[-1] & 1),)) + self.point[1:COMPRESSED_LEN]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.point == other.point

    def __hash__(self) -> int:
        return hash(self.point)

    def __repr__(self) -> str:
        return f"PublicKey({self.compressed.hex().upper()})"


class PrivateKey:
    """A private key, held by libcrypto and ready to sign; safe to share between threads, and never shown."""

    __slots__ = ("_pkey", "_secret", "public_key")

    def __init__(self, secret: bytes, field: str = "private key") -> None:
        """Read 32 bytes.

        Raises:
            Malformed: another length, or outside 1 … n-2; names `field`.

        """
        if len(secret) != SECRET_LEN or not 1 <= int.from_bytes(secret, "big") <= _N - 2:
            raise Malformed(field, f"an SM2 private key is {SECRET_LEN} bytes, from 1 to n-2")
        self._secret = secret
        self._pkey = openssl.load_private(secret)
        self.public_key = PublicKey(b"\x04" + b"".join(openssl.point_of(self._pkey)))

    def secret_bytes(self) -> bytes:
        """The 32 bytes themselves, for whoever stores the key."""
        return self._secret

    def __repr__(self) -> str:
        return f"PrivateKey(of {self.public_key!r})"


def generate() -> PrivateKey:
    """A new key from libcrypto's generator."""
    return PrivateKey(openssl.generate())


def public_key(key: PrivateKey) -> PublicKey:
    """The public half of `key`."""
    return key.public_key


def sign(key: PrivateKey, message: bytes) -> bytes:
    """SM3withSM2 over `message`, raw r‖s."""
    fast = ippcp.loaded()
    if fast:
        return fast.sign(key.secret_bytes(), _digest(key.public_key, message))
    return _raw(openssl.sign(key._pkey, DEFAULT_ID, message))  # noqa: SLF001 - one module, two kinds of key


def verify(key: PublicKey, message: bytes, signature: bytes) -> None:
    """Check raw r‖s over `message`.

    Raises:
        BadSignature: another length, r or s outside 1 … n-1, r + s = n, or not this key's over this message.

    """
    r, s = _integers(signature)
    fast = ippcp.loaded()
    if fast:
        good = fast.verify(key.point[1:], _digest(key, message), signature)
    else:
        good = openssl.verify(key._pkey, DEFAULT_ID, message, _der(r, s))  # noqa: SLF001 - one module, two kinds of key
    if not good:
        raise BadSignature("the SM2 signature does not verify: another key, or another text")


def _digest(key: PublicKey, message: bytes) -> bytes:
    """What is signed in the end (GB/T 32918.2 6.1, steps A1 and A2)."""
    digest = _begun(key.point).copy()
    digest.update(message)
    return digest.finalize()


@lru_cache(maxsize=1024)
def _begun(point: bytes) -> Hash:
    """SM3 that has taken in Z: the signer's identity, the curve and the public key (GB/T 32918.2 5.5)."""
    signer = Hash(SM3())
    signer.update((8 * len(DEFAULT_ID)).to_bytes(2, "big") + DEFAULT_ID + _CURVE + point[1:])
    begun = Hash(SM3())
    begun.update(signer.finalize())
    return begun


def _integers(signature: bytes) -> tuple[int, int]:
    """R and s of a raw signature that GB/T 32918.2 7.1 lets through (steps B1, B2 and B5)."""
    if len(signature) != SIGNATURE_LEN:
        raise BadSignature(f"an SM2 signature is {SIGNATURE_LEN} bytes, r and s, not {len(signature)}")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (1 <= r < _N and 1 <= s < _N) or r + s == _N:
        raise BadSignature("the SM2 signature's r and s are outside 1 to n-1, or cancel each other")
    return r, s


def _der(r: int, s: int) -> bytes:
    """SEQUENCE { INTEGER r, INTEGER s }."""
    body = _der_integer(r) + _der_integer(s)
    return bytes((0x30, len(body))) + body


def _der_integer(number: int) -> bytes:
    length = number.bit_length() // 8 + 1
    return bytes((0x02, length)) + number.to_bytes(length, "big")


def _raw(der: bytes) -> bytes:
    """r‖s of the DER that libcrypto made."""
    s_at = 4 + der[3]
    r, s = der[4:s_at], der[s_at + 2 :]
    return int.from_bytes(r, "big").to_bytes(32, "big") + int.from_bytes(s, "big").to_bytes(32, "big")
