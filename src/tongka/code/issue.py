"""Making ride codes: the platform signs a credential for days, the phone signs each code that it shows.

A signer is a function from the message to its signature in the form that the format has (DER, or raw r‖s for SM2 in a
ministry code): so the key itself may be in a HSM or a phone. Where signing has to be waited for, `signed_by_…` say what
is to be signed. `dataclasses` of `tongka.code.layout` carry the contents.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tongka.code.layout import (
    CERTIFICATE_SIGNED,
    MINISTRY_HEAD_LEN,
    MINISTRY_TAIL_LEN,
    Algorithm,
    AlipayCode,
    Certificate,
    Credential,
    MinistryCode,
)
from tongka.crypto import ecdsa, sm2

Signer = Callable[[bytes], bytes]

NOT_YET: Final = bytes(sm2.SIGNATURE_LEN)


# --- signers of keys that are at hand ---------------------------------------------------------------------------------


def secp256k1_signer(secret: bytes) -> Signer:
    """A master key, algorithm 1: DER."""
    return partial(ecdsa.sign_secp256k1, secret)


def sm2_der_signer(key: sm2.PrivateKey) -> Signer:
    """A master key, algorithm 2: DER."""
    return lambda message: _der(sm2.sign(key, message))


def sm2_signer(key: sm2.PrivateKey) -> Signer:
    """CA, issuer or user of a ministry code: raw r‖s."""
    return partial(sm2.sign, key)


def secp192k1_signer(secret: bytes) -> Signer:
    """A user's key: DER."""
    return partial(ecdsa.sign_secp192k1, secret)


def _der(raw: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


# --- Alipay and operator ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignedCredential:
    """A credential with its master signature: what a phone keeps for days and makes codes of."""

    algorithm: Algorithm
    key_id: int
    credential: bytes
    master_signature: bytes


def sign_credential(credential: Credential, *, algorithm: Algorithm, key_id: int, master: Signer) -> SignedCredential:
    """Vouch for a user.

    Raises:
        Malformed: a value does not fit its field.

    """
    contents = credential.build()
    return SignedCredential(algorithm, key_id, contents, master(contents))


def make_code(held: SignedCredential, *, generated: int, user: Signer, prefix: bytes = b"") -> bytes:
    """The code to show: an Alipay code, or behind one of `OPERATOR_PREFIXES` an operator's.

    Args:
        held: what the platform issued.
        generated: unix seconds.
        user: signs with the key that the credential names.
        prefix: empty, or two bytes.

    """
    code = unsigned_code(held, generated)
    return prefix + replace(code, user_signature=user(signed_by_user(code))).build()


def unsigned_code(held: SignedCredential, generated: int) -> AlipayCode:
    """The code without its user's signature."""
    return AlipayCode(
        algorithm=held.algorithm,
        key_id=held.key_id,
        credential=held.credential,
        master_signature=held.master_signature,
        generated=generated,
        user_signature=b"",
    )


def signed_by_user(code: AlipayCode | MinistryCode) -> bytes:
    """What the user's key signs of a code: all before its own signature with length or tag."""
    return code.build()[: -1 - len(code.user_signature)]


# --- ministry ---------------------------------------------------------------------------------------------------------


def sign_certificate(certificate: Certificate, authority: Signer) -> bytes:
    """The issuer's certificate, 117 bytes, signed by the CA; the signature in `certificate` is replaced."""
    return replace(certificate, signature=authority(signed_by_authority(certificate))).build()


def signed_by_authority(certificate: Certificate) -> bytes:
    """What the CA signs of a certificate."""
    return certificate.build()[CERTIFICATE_SIGNED]


def make_ministry_code(contents: MinistryCode, *, issuer: Signer, user: Signer) -> bytes:
    """Sign a ministry code as issuer and as user; `length` and both signatures in `contents` are replaced."""
    return sign_ministry_code(authorise_ministry_code(contents, issuer), contents.generated, user)


def authorise_ministry_code(contents: MinistryCode, issuer: Signer) -> MinistryCode:
    """The issuer's part, which a phone keeps for days."""
    unsigned = unsigned_ministry_code(contents)
    return replace(unsigned, issuer_signature=issuer(signed_by_issuer(unsigned)))


def unsigned_ministry_code(contents: MinistryCode) -> MinistryCode:
    """With its right length, and zeros for both signatures."""
    unsigned = replace(contents, length=0, issuer_signature=NOT_YET, user_signature=NOT_YET)
    return replace(unsigned, length=len(unsigned.build()) - MINISTRY_HEAD_LEN)


def signed_by_issuer(code: MinistryCode) -> bytes:
    """What the issuer signs of a code."""
    return code.build()[MINISTRY_HEAD_LEN:-MINISTRY_TAIL_LEN]


def sign_ministry_code(held: MinistryCode, generated: int, user: Signer) -> bytes:
    """The code to show, generated at `generated`, unix seconds."""
    code = replace(held, generated=generated)
    return replace(code, user_signature=user(signed_by_user(code))).build()
