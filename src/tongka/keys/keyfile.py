"""The encrypted key file: Argon2id makes a key of the passphrase, AES-256-GCM seals the ring.

The header says whether these are sandbox keys, and is authenticated with the contents, so that production mode can
refuse them by their own word.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from tongka.crypto import sm2
from tongka.crypto.pboc import Algorithm
from tongka.errors import Misconfigured
from tongka.keys import Purpose
from tongka.keys.keyring import KeyRing, MasterKey

__all__ = ["KeyRing", "read_keyfile", "write_keyfile"]

FORMAT = 1
SALT_LEN, NONCE_LEN = 16, 12
COST = (3, 4, 64 * 1024)
"""Argon2id's iterations, lanes and KiB of memory: RFC 9106's second recommended choice. A file names its own."""
DEAREST = (100, 64, 4 << 20)
"""What a file may ask for at most."""


def write_keyfile(path: Path, ring: KeyRing, passphrase: bytes, *, sandbox: bool) -> None:
    """Write the file whole or not at all, readable by its owner only."""
    salt, nonce = os.urandom(SALT_LEN), os.urandom(NONCE_LEN)
    header = {"format": FORMAT, "sandbox": sandbox, "argon2id": COST, "salt": salt.hex(), "nonce": nonce.hex()}
    sealed = AESGCM(_derive(passphrase, salt, COST)).encrypt(nonce, json.dumps(_plain(ring)).encode(), _bound(header))
    _replace(path, json.dumps(header | {"sealed": sealed.hex()}, indent=1).encode())


def read_keyfile(path: Path, passphrase: bytes) -> tuple[KeyRing, bool]:
    """The ring, and whether it holds sandbox keys.

    Raises:
        Misconfigured: no such file, another format, a wrong passphrase, or a changed file.

    """
    try:
        document = json.loads(path.read_bytes())
        sealed = bytes.fromhex(document.pop("sealed"))
        salt, nonce = bytes.fromhex(document["salt"]), bytes.fromhex(document["nonce"])
        plain = AESGCM(_derive(passphrase, salt, _cost(document))).decrypt(nonce, sealed, _bound(document))
    except InvalidTag as error:
        raise Misconfigured(f"keys.uri: the passphrase does not open {path}, or the file was changed") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Misconfigured(f"keys.uri: {path} is not a readable key file: {error}") from error
    if document["format"] != FORMAT:
        raise Misconfigured(f"keys.uri: {path} has format {document['format']}, this version reads {FORMAT}")
    return _ring(json.loads(plain)), bool(document["sandbox"])


def _cost(header: dict[str, Any]) -> tuple[int, int, int]:
    """A file's own; those of the first versions name none."""
    iterations, lanes, memory_kib = cost = tuple(header.get("argon2id", COST))
    if not all(0 < asked <= most for asked, most in zip(cost, DEAREST, strict=True)):
        raise ValueError(f"Argon2id with {iterations} iterations, {lanes} lanes and {memory_kib} KiB")
    return iterations, lanes, memory_kib


def _derive(passphrase: bytes, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    iterations, lanes, memory_kib = cost
    return Argon2id(salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory_kib).derive(passphrase)


def _bound(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True).encode()


def _plain(ring: KeyRing) -> dict[str, Any]:
    return {
        "masters": [
            [profile, purpose.value, version, key.algorithm.value, key.value.hex()]
            for (profile, purpose, version), key in ring.masters.items()
        ],
        "endpoints": {name: key.secret_bytes().hex() for name, key in ring.endpoints.items()},
        "data": {str(number): key.hex() for number, key in ring.data.items()},
        "rsa": {name: _der(key).hex() for name, key in ring.rsa.items()},
        "ride_seed": ring.ride_seed.hex(),
    }


def _ring(plain: dict[str, Any]) -> KeyRing:
    return KeyRing(
        {
            (profile, Purpose(purpose), version): MasterKey(Algorithm(algorithm), bytes.fromhex(value))
            for profile, purpose, version, algorithm, value in plain["masters"]
        },
        {name: sm2.PrivateKey(bytes.fromhex(value)) for name, value in plain["endpoints"].items()},
        {int(number): bytes.fromhex(value) for number, value in plain["data"].items()},
        {name: _rsa_key(bytes.fromhex(value)) for name, value in plain.get("rsa", {}).items()},
        bytes.fromhex(plain.get("ride_seed", "")),
    )


def _der(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _rsa_key(der: bytes) -> RSAPrivateKey:
    key = load_der_private_key(der, None)
    if not isinstance(key, RSAPrivateKey):
        raise Misconfigured("keys.uri: the gateway's key in the key file is not RSA")
    return key


def _replace(path: Path, contents: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # for its owner only
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
