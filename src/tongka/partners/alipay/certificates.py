"""Certificate mode of the open gateway: serial numbers of certificates, and the platform's own chain.

A serial is the MD5 of the issuer's name (RFC 2253, the last part first) and the serial number in decimal; that of a
root file joins those of its RSA certificates with `_`. It names a certificate and proves nothing: the signature does.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate, load_pem_x509_certificate, load_pem_x509_certificates

from tongka.errors import Misconfigured

SETTING = "rides.certificate_file"


@dataclass(frozen=True, slots=True)
class Chain:
    """The gateway's certificate and what is above it, as serials; empty in public-key mode."""

    cert_sn: str = ""
    root_sn: str = ""


def serial(certificate: Certificate) -> str:
    """32 hex digits."""
    text = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


RSA_SIGNATURES = "1.2.840.113549.1.1."
"""Object identifiers of RSA signatures begin so (RFC 8017)."""


def root_serial(certificates: Sequence[Certificate]) -> str:
    """Of those with an RSA signature."""
    return "_".join(
        serial(one) for one in certificates if one.signature_algorithm_oid.dotted_string.startswith(RSA_SIGNATURES)
    )


def public_key_of(certificate: Certificate) -> bytes | None:
    """SubjectPublicKeyInfo in DER, of an RSA certificate."""
    key = certificate.public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) if isinstance(key, RSAPublicKey) else None


def read_certificate(pem: bytes) -> Certificate:
    """The first certificate of a PEM text; ValueError if there is none."""
    return load_pem_x509_certificate(pem)


def read_chain(path: str) -> Chain:
    """The platform's chain: a PEM file with the gateway's certificate first, then its roots; no path: public-key mode.

    Raises:
        Misconfigured: the file cannot be read, or holds another thing.

    """
    if not path:
        return Chain()
    try:
        own, *roots = load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{SETTING} cannot be read: {error}") from error
    if public_key_of(own) is None or not roots:
        raise Misconfigured(f"{SETTING} holds the gateway's RSA certificate, then its root")
    return Chain(serial(own), root_serial(roots))
