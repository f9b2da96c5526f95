"""The certificate that this process serves by itself: that it can be read, belongs to its key, and has not ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tongka.errors import Misconfigured
from tongka.settings import Web

SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Validity:
    """When a certificate is valid."""

    since: datetime
    until: datetime


def read_pair(web: Web) -> Validity | None:
    """The validity of the certificate of `web`; None where TLS ends elsewhere.

    Raises:
        Misconfigured: a file cannot be read, or the key belongs to another certificate; names the setting.

    """
    if not web.tls_certificate:
        return None
    certificate = _certificate(web.tls_certificate)
    if _key(web.tls_key) != certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise Misconfigured(
            f"web.tls_key: {web.tls_key} does not belong to the first certificate of web.tls_certificate"
        )
    return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def complaint(found: Validity | None, now: datetime) -> str:
    """What is wrong with its days, or will be soon; empty if nothing."""
    if found is None or found.since <= now < found.until - SOON:
        return ""
    if now < found.since:
        return f"web.tls_certificate is valid only from {found.since:%Y-%m-%d %H:%M}Z on"
    said = "ended" if now >= found.until else "ends"
    return f"web.tls_certificate {said} at {found.until:%Y-%m-%d %H:%M}Z; renew it and restart"


def _certificate(file: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(Path(file).read_bytes())[0]
    except (OSError, ValueError) as error:
        raise Misconfigured(f"web.tls_certificate: {file} cannot be read as a PEM chain: {error}") from error


def _key(file: str) -> bytes:
    """Its public half."""
    try:
        key = load_pem_private_key(Path(file).read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:  # TypeError: it is encrypted
        raise Misconfigured(f"web.tls_key: {file} cannot be read as an open PEM key: {error}") from error
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
