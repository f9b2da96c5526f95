"""The secrets of ride codes: master keys, the ministry's CA and issuer, and the keys of riders' phones.

All are derived from one seed, so that a key file holds 32 bytes instead of a key for each rider. A rider's key is the
platform's only where the platform itself shows his code (the code page, the sandbox); a phone of its own keeps its own.
"""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from coincurve import PrivateKey as Secp256k1Secret

from tongka.crypto import sm2
from tongka.crypto.ecdsa import secp192k1_public_key, sign_secp192k1, sign_secp256k1
from tongka.errors import KeyNotFound
from tongka.keys import RideKey, RideKeyKind

SEED_LEN: Final = 32
CACHED = 4096
"""Public keys kept: each costs a multiplication on its curve."""


@dataclass(frozen=True, slots=True)
class RideSecrets:
    """Every secret of ride codes; the same seed has the same ones."""

    seed: bytes = field(repr=False)

    def public_key(self, key: RideKey) -> bytes:
        """Compressed: 33 bytes, of a rider's Alipay key 25."""
        return _public_key(self.seed, key)

    def sign(self, key: RideKey, message: bytes) -> bytes:
        """As the key's format has it: DER (Alipay), raw r‖s (ministry)."""
        if key.kind is RideKeyKind.MASTER:
            return sign_secp256k1(self.secret(key), message)
        if key.kind is RideKeyKind.USER:
            return sign_secp192k1(self.secret(key), message)
        return sm2.sign(self.sm2(key), message)

    def secret(self, key: RideKey) -> bytes:
        """Of a master key 32 bytes, of a rider's Alipay key 24: below the order of the curve."""
        if key.kind is RideKeyKind.USER:
            return b"\x00" + self._derive(key, 23)
        return self._derive(key, 32)

    def sm2(self, key: RideKey) -> sm2.PrivateKey:
        """Below the order of the curve, whatever the hash says."""
        return sm2.PrivateKey(b"\x00" + self._derive(key, 31))

    def _derive(self, key: RideKey, size: int) -> bytes:
        if len(self.seed) != SEED_LEN:
            raise KeyNotFound("the key store has no keys of ride codes")
        return hashlib.shake_256(self.seed + key.role.encode()).digest(size)


@lru_cache(maxsize=CACHED)
def _public_key(seed: bytes, key: RideKey) -> bytes:
    secrets = RideSecrets(seed)
    if key.kind is RideKeyKind.MASTER:
        return Secp256k1Secret(secrets.secret(key)).public_key.format()
    if key.kind is RideKeyKind.USER:
        return secp192k1_public_key(secrets.secret(key))
    return secrets.sm2(key).public_key.compressed
