"""What is wrong with the certificates of Alipay's certificate mode.

Three files come from its console: our application's certificate, Alipay's own, and a file of roots. A certificate that
is not of our key, has run out, or is not under those roots makes every request fail, without saying why.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import Certificate

from tongka.payments.check_keys import RSA_MIN_BITS, Form, Key, recognise

RSA_SIGNATURES = "1.2.840.113549.1.1."
"""Object identifiers of RSA signatures begin so (RFC 8017)."""
CHAIN_MAX = 5
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
CONSOLE = "download it again from the application's page in Alipay's console"


def certificates_in(text: str) -> list[str]:
    """Each certificate of a PEM text, by itself."""
    return [one.replace("\r\n", "\n") for one in _CERTIFICATE.findall(text)]


def own_complaints(name: str, text: str, ours: Key | None, now: datetime) -> Iterator[str]:
    """Of our application's certificate: it has to be of our private key."""
    found = _read(text)
    if not found:
        yield _no_certificate(name, text)
        return
    yield from _unfit(name, found[0], now)
    if ours and _modulus(found[0]) != ours.modulus:
        yield f"{name}: it is not of the private key in alipay.app_key_file; one of the two belongs to another"


def chain_complaints(
    names: tuple[str, str], texts: tuple[str, str], ours: Key | None, now: datetime
) -> Iterator[str]:  # fmt: skip
    """Of Alipay's certificate and its roots: the one has to be under the others."""
    (own_name, root_name), (own, roots) = names, [_read(text) for text in texts]
    for name, text, found in ((own_name, texts[0], own), (root_name, texts[1], roots)):
        if not found:
            yield _no_certificate(name, text)
    if roots and not any(one.signature_algorithm_oid.dotted_string.startswith(RSA_SIGNATURES) for one in roots):
        yield f"{root_name}: none of its certificates has an RSA signature; {CONSOLE}"
    if not own:
        return
    yield from _unfit(own_name, own[0], now)
    if ours and _modulus(own[0]) == ours.modulus:
        yield f"{own_name}: it is our own certificate; Alipay's is beside it in the console"
    elif roots and not _is_under(own, roots):
        yield f"{own_name}: none of {root_name} has issued it; {CONSOLE}, both of them"


def _read(text: str) -> list[Certificate]:
    """Those that can be read; none of them, if it is no certificate."""
    try:
        return [x509.load_pem_x509_certificate(one.encode()) for one in certificates_in(text)]
    except ValueError:
        return []


def _no_certificate(name: str, text: str) -> str:
    form = recognise(text).form
    what = "a certificate that cannot be read" if form is Form.CERTIFICATE else form.value
    return f"{name}: it holds {what}, and a certificate in PEM belongs here; {CONSOLE}"


def _unfit(name: str, certificate: Certificate, now: datetime) -> Iterator[str]:
    key = _rsa(certificate)
    if key is None:
        yield f"{name}: it is of another kind of key than RSA; choose RSA2 in the console"
    elif key.key_size < RSA_MIN_BITS:
        yield f"{name}: {key.key_size} bits are too few; make a key of {RSA_MIN_BITS}, and let it be certified"
    if now >= certificate.not_valid_after_utc:
        yield f"{name}: it ran out on {certificate.not_valid_after_utc:%Y-%m-%d}; {CONSOLE}"
    if now < certificate.not_valid_before_utc:
        yield f"{name}: it is good from {certificate.not_valid_before_utc:%Y-%m-%d} on; is the clock right?"


def _is_under(chain: Sequence[Certificate], roots: Sequence[Certificate]) -> bool:
    """Whether the first of a chain was issued by a root, directly or through the others."""
    current = chain[0]
    for _ in range(CHAIN_MAX):
        if any(_issued(current, root) for root in roots):
            return True
        above = next((one for one in chain if one is not current and _issued(current, one)), None)
        if above is None:
            return False
        current = above
    return False


def _issued(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _rsa(certificate: Certificate) -> rsa.RSAPublicKey | None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):  # a curve that the library does not know
        return None
    return key if isinstance(key, rsa.RSAPublicKey) else None


def _modulus(certificate: Certificate) -> int:
    key = _rsa(certificate)
    return key.public_numbers().n if key else 0
