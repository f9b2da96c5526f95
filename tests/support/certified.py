"""Certificates as Alipay's console hands them out: an application's, Alipay's own under an intermediate, the roots."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def name_of(common_name: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ant"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "CA"),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ])  # fmt: skip


def certificate(
    public, subject: str, issuer: str, signer, *, since: datetime = NOW - timedelta(days=1), days: int = 90
):
    return (
        x509.CertificateBuilder(name_of(issuer), name_of(subject), public, x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=days))
        .sign(signer, hashes.SHA256())
    )


def pem(*certificates: x509.Certificate) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


@dataclass(frozen=True)
class Console:
    """What an application's page offers to download.

    Attributes:
        app, alipay, root: the three files, as PEM texts.
        roots: the certificates of the last.

    """

    app: str
    alipay: str
    root: str
    app_certificate: x509.Certificate
    alipay_certificate: x509.Certificate
    roots: list[x509.Certificate]


def console(app_key, alipay_key, **validity) -> Console:
    """Alipay's certificate stands with its intermediate in one file; the root file also has one that is not RSA."""
    root, middle, old = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    curve = ec.generate_private_key(ec.SECP256R1())
    roots = [
        certificate(curve.public_key(), "Curve root", "Curve root", curve),
        certificate(root.public_key(), "Root", "Root", root),
        certificate(old.public_key(), "Old root", "Old root", old),
    ]
    above = certificate(middle.public_key(), "Class 2", "Root", root)
    own = certificate(alipay_key.public_key(), "Alipay", "Class 2", middle, **validity)
    app = certificate(app_key.public_key(), "City", "Class 2", middle, **validity)
    return Console(pem(app), pem(own, above), pem(*roots).replace("\n", "\r\n"), app, own, roots)
