"""The sandbox's certificates for certificate mode: a root made for the occasion, the gateway's, the merchant's own."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate, load_pem_x509_certificates
from cryptography.x509.oid import NameOID

from tongka.keys.keyring import RSA_BITS, RSA_EXPONENT

FROM, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2056, 1, 1, tzinfo=UTC)


def gateway_chain(gateway_key: RSAPublicKey) -> str:
    """PEM: a certificate of the gateway's key, then that of a root whose key nobody has kept."""
    root, above = rsa.generate_private_key(RSA_EXPONENT, RSA_BITS), _name("Sandbox Root")
    own = _signed(gateway_key, _name("Sandbox Gateway"), above, root)
    return own + _signed(root.public_key(), above, above, root)


def is_of(chain: str, gateway_key: RSAPublicKey) -> bool:
    """Whether a chain certifies this key."""
    return load_pem_x509_certificate(chain.encode()).public_key() == gateway_key


def application_certificate(app_key_pem: str) -> str:
    """PEM, signed with the application's own key."""
    key = load_pem_private_key(app_key_pem.encode(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("the sandbox's keys are RSA keys")
    name = _name("Huzhou transit")
    return _signed(key.public_key(), name, name, key)


def split(chain: str) -> tuple[str, str]:
    """The gateway's certificate and the root's."""
    own, root = load_pem_x509_certificates(chain.encode())
    return own.public_bytes(Encoding.PEM).decode(), root.public_bytes(Encoding.PEM).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tongka"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _signed(key: RSAPublicKey, subject: x509.Name, issuer: x509.Name, signer: RSAPrivateKey) -> str:
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(FROM)
        .not_valid_after(UNTIL)
    )
    return unsigned.sign(signer, SHA256()).public_bytes(Encoding.PEM).decode()
