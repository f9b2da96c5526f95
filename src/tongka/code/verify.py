"""Every check of a ride code, in one place and in the one order that the C SDK has too.

A code's fields mean nothing until its signatures hold: so a bit that flipped anywhere is a malformed code (−1), never
an expired one. Pure: the moment, the keys and the terms are arguments, and nothing is remembered here. "This code was
seen" is decided by `RideCode.identity`, which callers store; the SDK keeps a memory of its own (−12).
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Final

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tongka.code.keys import MasterKey, MasterKeys
from tongka.code.layout import (
    CERTIFICATE_SIGNED,
    MINISTRY_HEAD_LEN,
    MINISTRY_TAIL_LEN,
    Algorithm,
    AlipayCode,
    Certificate,
    Format,
    MinistryCode,
    RideCode,
    format_of,
    parse_code,
)
from tongka.code.reasons import CodeRefused, Reason
from tongka.code.record import OfflineRecord, record_mac
from tongka.crypto import sm2
from tongka.crypto.ecdsa import verify_secp192k1, verify_secp256k1
from tongka.errors import BadSignature, MacWrong, Malformed, Stale

CITY_ZONE: Final = timezone(timedelta(hours=8))
"""Asia/Shanghai, which has had no summer time since 1991; the gate's C reckons months with the same eight hours."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far clocks may differ, in seconds: a code may be this much too new, or this much too old."""

    early_s: int
    late_s: int


AT_THE_GATE: Final = Tolerance(early_s=20, late_s=0)
"""A gate refuses a code as soon as its own clock says that the validity is over: the phone has a fresh one by then."""

AT_SETTLEMENT: Final = Tolerance(early_s=20, late_s=20)
"""A record's time is a gate's clock, and it may be wrong either way."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a code is held against.

    Attributes:
        at: unix seconds; the gate's clock, or the record's time.
        card_types: those taken here; None takes all.
        amount_fen: the fare; 0 where it is known at the exit only, and then not compared.

    """

    keys: MasterKeys
    at: int
    card_types: frozenset[str] | None = None
    amount_fen: int = 0
    tolerance: Tolerance = AT_THE_GATE


def verify_code(code: bytes, terms: Terms) -> RideCode:
    """Parse a code and make every check but the one for a repeat.

    Raises:
        CodeRefused: the first check that fails, in the order of `CHECKS`, after protocol (−11) and layout (−1).

    """
    format_is_taken(code, terms.keys)
    parsed = parse_code(code)
    for check in CHECKS:
        check(parsed, terms)
    return parsed


def format_is_taken(code: bytes, keys: MasterKeys) -> None:
    """−11; a gate without a CA of the ministry does not know the ministry's codes (−1: nothing is there to look at)."""
    if format_of(code) is Format.MINISTRY and not keys.authorities:
        raise CodeRefused(Reason.PROTO_UNSUPPORTED, "no CA of the ministry is in the key list")


# --- signatures -------------------------------------------------------------------------------------------------------


def _key_is_listed(code: RideCode, terms: Terms) -> None:
    """−3"""
    if isinstance(code.parts, MinistryCode):
        _authority(code.parts, terms.keys)
    else:
        _master(code.parts, terms.keys)


def _authority(parts: MinistryCode, keys: MasterKeys) -> sm2.PublicKey:
    index = Certificate.parse(parts.certificate).ca_index
    authority = keys.authorities.get(index)
    if authority is None or authority.on_sm2 is None:
        raise CodeRefused(Reason.QRCODE_KEY_EXPIRED, f"CA {index} is not in the key list")
    return authority.on_sm2


def _master(parts: AlipayCode, keys: MasterKeys) -> MasterKey:
    key = keys.masters.get(parts.key_id)
    if key is None:
        raise CodeRefused(Reason.QRCODE_KEY_EXPIRED, f"master key {parts.key_id} is not in the key list")
    return key


def _signatures_hold(code: RideCode, terms: Terms) -> None:
    """−1"""
    try:
        if isinstance(code.parts, MinistryCode):
            _ministry_signatures(code, code.parts, terms.keys)
        else:
            _alipay_signatures(code, code.parts, terms.keys)
    except (BadSignature, Malformed) as error:  # a key inside the code may not be a point
        raise CodeRefused(Reason.MALFORMED_QRCODE, str(error)) from error


def _alipay_signatures(code: RideCode, parts: AlipayCode, keys: MasterKeys) -> None:
    key = _master(parts, keys)
    _MASTER_VERIFIERS[Algorithm(parts.algorithm)](key, parts.master_signature, parts.credential)
    user_signed = code.signed[: -1 - len(parts.user_signature)]
    verify_secp192k1(code.user_key, parts.user_signature, user_signed)


def _verify_master_secp256k1(key: MasterKey, signature: bytes, message: bytes) -> None:
    if key.on_secp256k1 is None:
        raise BadSignature("the master key is not on secp256k1")
    verify_secp256k1(key.on_secp256k1, signature, message)


def _verify_master_sm2(key: MasterKey, signature: bytes, message: bytes) -> None:
    if key.on_sm2 is None:
        raise BadSignature("the master key is not on SM2's curve")
    sm2.verify(key.on_sm2, message, _raw_of_der(signature))


def _raw_of_der(signature: bytes) -> bytes:
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    except (ValueError, OverflowError) as error:
        raise BadSignature("the master signature is not DER of two numbers of 32 bytes") from error


_MASTER_VERIFIERS: dict[Algorithm, Callable[[MasterKey, bytes, bytes], None]] = {
    Algorithm.SECP256K1: _verify_master_secp256k1,
    Algorithm.SM2: _verify_master_sm2,
}


def _ministry_signatures(code: RideCode, parts: MinistryCode, keys: MasterKeys) -> None:
    """CA over the certificate, issuer over the credential, user over all before his signature."""
    certificate = Certificate.parse(parts.certificate)
    issuer, user = sm2.PublicKey(certificate.key), sm2.PublicKey(code.user_key)
    sm2.verify(_authority(parts, keys), parts.certificate[CERTIFICATE_SIGNED], certificate.signature)
    sm2.verify(issuer, code.raw[MINISTRY_HEAD_LEN:-MINISTRY_TAIL_LEN], parts.issuer_signature)
    sm2.verify(user, code.raw[: -1 - len(parts.user_signature)], parts.user_signature)


# --- terms ------------------------------------------------------------------------------------------------------------


def _certificate_is_current(code: RideCode, terms: Terms) -> None:
    """−3; only a ministry code has one, and it is good to the end of its month."""
    if not isinstance(code.parts, MinistryCode):
        return
    month, year = _month_and_year(Certificate.parse(code.parts.certificate).expires)
    today = datetime.fromtimestamp(terms.at, CITY_ZONE)
    if (today.year, today.month) > (year, month):
        raise CodeRefused(Reason.QRCODE_KEY_EXPIRED, f"the issuer's certificate expired after {month:02}/{year}")


def _month_and_year(bcd: bytes) -> tuple[int, int]:
    text = bcd.hex()
    if not text.isdecimal() or not 1 <= int(text[:2]) <= 12:
        raise CodeRefused(Reason.MALFORMED_QRCODE, f"the certificate's expiry {text} is not MMYY")
    return int(text[:2]), 2000 + int(text[2:])


def _authorisation_is_current(code: RideCode, terms: Terms) -> None:
    """−3"""
    if terms.at > code.expires_at:
        raise CodeRefused(Reason.QRCODE_KEY_EXPIRED, "the authorisation has expired; the phone must go online")


def _code_is_fresh(code: RideCode, terms: Terms) -> None:
    """−2: generated ≤ now ≤ generated + validity, with the tolerance."""
    if terms.at > code.generated + code.valid_s + terms.tolerance.late_s:
        raise CodeRefused(Reason.QRCODE_INFO_EXPIRED, "the code is too old; the phone must show a fresh one")
    if code.generated > terms.at + terms.tolerance.early_s:
        raise CodeRefused(Reason.QRCODE_INFO_EXPIRED, "the code comes from the future; a clock is wrong")


def _amount_is_within_limit(code: RideCode, terms: Terms) -> None:
    """−5; an amount of exactly the limit passes."""
    if terms.amount_fen > code.limit_fen:
        raise CodeRefused(Reason.QUOTA_EXCEEDED, f"{terms.amount_fen} fen is above the code's {code.limit_fen}")


def _card_type_is_taken(code: RideCode, terms: Terms) -> None:
    """−8; a ministry code has no card type."""
    if code.format is Format.MINISTRY or terms.card_types is None:
        return
    if code.card_type not in terms.card_types:
        raise CodeRefused(Reason.CARDTYPE_UNSUPPORTED, f"card type {code.card_type!r} is not taken here")


CHECKS: tuple[Callable[[RideCode, Terms], None], ...] = (
    _key_is_listed,
    _signatures_hold,
    _certificate_is_current,
    _authorisation_is_current,
    _code_is_fresh,
    _amount_is_within_limit,
    _card_type_is_taken,
)


# --- records ----------------------------------------------------------------------------------------------------------


def verify_record(record: OfflineRecord, terms: Terms, *, user_id: str | None = None) -> RideCode:
    """Check a record and the code in it again, at the record's time.

    Args:
        record: as parsed.
        terms: `at` is now, by our own clock; a record from later than it (with the tolerance) is refused.
        user_id: the trade's; None where there is no trade (`record.verify`).

    Raises:
        CodeRefused: the code does not pass at the record's time.
        MacWrong: the record's MAC, which is a checksum.
        Stale: the record comes from the future.
        Malformed: the code is another user's than the trade's.

    """
    if record.at > terms.at + terms.tolerance.early_s:
        raise Stale("the record's time lies in the future")
    code = verify_code(record.code, replace(terms, at=record.at))
    if not hmac.compare_digest(record_mac(code.user_id, record.covered), record.mac):
        raise MacWrong("the record's MAC does not match: it was damaged after the gate wrote it")
    if user_id is not None and user_id != code.user_id:
        raise Malformed("user_id", "is another one than that of the code in the record")
    return code
