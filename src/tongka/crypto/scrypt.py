"""How people's passwords are kept: scrypt, salted."""

import hashlib

SALT_BYTES = 16
PARAMETERS = {"n": 1 << 14, "r": 8, "p": 1, "dklen": 32}
"""16 MiB and some 40 ms: what one look may cost the server."""


def hashed(password: str, salt: bytes) -> bytes:
    """32 bytes."""
    return hashlib.scrypt(password.encode(), salt=salt, **PARAMETERS)
