"""What is wrong with the keys of a payment institution, said before the first payment fails.

Most trouble with them is one of a few mistakes: a public key where a private one belongs, our own public key in the
place of theirs, a certificate where a key is wanted, base64 without its PEM lines, another kind of key. Nothing here
prints a key.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

RSA_MIN_BITS = 2048
API_KEY_LEN = 32
_LABEL = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]{100,}")


class Form(StrEnum):
    """What a text turned out to be."""

    PRIVATE_PKCS1 = "RSA private key, PKCS#1 PEM"
    PRIVATE_PKCS8 = "RSA private key, PKCS#8 PEM"
    PUBLIC_SPKI = "RSA public key, SPKI PEM"
    PUBLIC_PKCS1 = "RSA public key, PKCS#1 PEM"
    CERTIFICATE = "X.509 certificate"
    ENCRYPTED = "encrypted private key"
    BARE = "base64 of a key, without its PEM lines"
    OTHER_KIND = "a key of another kind than RSA"
    UNKNOWN = "no key that is known here"


PRIVATE = frozenset({Form.PRIVATE_PKCS1, Form.PRIVATE_PKCS8})
PUBLIC = frozenset({Form.PUBLIC_SPKI, Form.PUBLIC_PKCS1})

REMEDIES = {
    Form.CERTIFICATE: "a certificate; take the key out of it: openssl x509 -pubkey -noout",
    Form.ENCRYPTED: "encrypted; decrypt it once: openssl pkey -in FILE -out FILE.pem",
    Form.BARE: "base64 alone; put -----BEGIN … KEY----- and -----END … KEY----- around it, in lines of 64",
    Form.OTHER_KIND: "not RSA; both institutions sign with RSA here",
    Form.UNKNOWN: "not a key in PEM; download it again, as text",
}


@dataclass(frozen=True, slots=True)
class Key:
    """A text, and what it is; `numbers` compare two keys of a pair."""

    form: Form
    bits: int = 0
    modulus: int = 0


def recognise(text: str) -> Key:
    """What a key file holds."""
    label = _LABEL.search(text)
    if label is None:
        return Key(Form.BARE if _is_bare(text) else Form.UNKNOWN)
    if label[1] == "ENCRYPTED PRIVATE KEY" or "Proc-Type: 4,ENCRYPTED" in text:
        return Key(Form.ENCRYPTED)
    try:
        return _of_label(label[1], text.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return Key(Form.UNKNOWN)


def _of_label(label: str, pem: bytes) -> Key:
    if label == "CERTIFICATE":
        return _rsa(x509.load_pem_x509_certificate(pem).public_key(), Form.CERTIFICATE)
    if label.endswith("PRIVATE KEY"):
        private = serialization.load_pem_private_key(pem, None)
        return _rsa(private.public_key(), Form.PRIVATE_PKCS1 if label.startswith("RSA") else Form.PRIVATE_PKCS8)
    public = serialization.load_pem_public_key(pem)
    return _rsa(public, Form.PUBLIC_PKCS1 if label.startswith("RSA") else Form.PUBLIC_SPKI)


def _rsa(key: object, form: Form) -> Key:
    if not isinstance(key, rsa.RSAPublicKey):
        return Key(Form.OTHER_KIND, key.curve.key_size if isinstance(key, ec.EllipticCurvePublicKey) else 0)
    return Key(form, key.key_size, key.public_numbers().n)


def _is_bare(text: str) -> bool:
    if not _BASE64.fullmatch(text.strip()):
        return False
    try:
        return base64.b64decode("".join(text.split()), validate=True)[:1] == b"\x30"
    except binascii.Error:
        return False


def complaints(name: str, text: str, wanted: frozenset[Form], ours: Key | None = None) -> Iterator[str]:
    """What is wrong with one key; nothing if all is well.

    Args:
        name: the setting, for the message.
        text: what the file holds.
        wanted: `PRIVATE` or `PUBLIC`.
        ours: our private key, where this is to be theirs.

    """
    key = recognise(text)
    if key.form in REMEDIES:
        yield f"{name}: {REMEDIES[key.form]}"
    elif key.form not in wanted:
        kind = "private" if wanted is PRIVATE else "public"
        yield f"{name}: it holds a {key.form.value}, and a {kind} key belongs here"
    if 0 < key.bits < RSA_MIN_BITS and key.form is not Form.OTHER_KIND:
        yield f"{name}: {key.bits} bits are too few; make one of {RSA_MIN_BITS}"
    if ours and key.modulus and key.modulus == ours.modulus:
        yield f"{name}: it is our own public key; the institution's is shown beside it in its console"


def api_key_complaints(name: str, text: str) -> Iterator[str]:
    """WeChat Pay's APIv3 key: 32 characters that its console was told once."""
    if len(text) != API_KEY_LEN or not text.isascii() or not text.isalnum():
        yield f"{name}: {API_KEY_LEN} letters and digits are expected, not {len(text)} characters"
