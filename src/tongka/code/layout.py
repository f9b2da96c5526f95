"""The three ride code formats, as declarations, and what they have in common.

Sources: the Alipay code version 2 and the ministry's code (JT/T 1179) as `docs/ridecode.md` tells them. The operator's
code (通卡二维码) is the Alipay layout behind a prefix of two bytes; signatures cover what follows the prefix.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Annotated, Final

from tongka.code.fields import U8, U16, U24, U32, Ascii, Boxed, Const, Layout, Prefixed, Raw
from tongka.code.reasons import CodeRefused, Reason
from tongka.errors import Malformed

ALIPAY_VERSION: Final = 0x02
OPERATOR_MARK: Final = 0x54
OPERATOR_PREFIXES: Final = (b"\x54\x01", b"\x54\x02")
MINISTRY_VERSION: Final = 0x81
MINISTRY_VERSIONS_FROM: Final = 0x80

USER_ID_LEN: Final = 16
CARD_NO_MAX: Final = 16
CARD_DATA_MAX: Final = 64
PLAIN_CARD_TYPE: Final = "ANT00001"
"""Plain bus payment: callers see it as an empty card type (4.1.3.6)."""

SIGNATURE_TAG: Final = b"\x15"
SIGN_ALGORITHM_SM2: Final = 0x04
MINISTRY_HEAD_LEN: Final = 3


class Format(Enum):
    """Whose layout a code has."""

    ALIPAY = "alipay"
    OPERATOR = "operator"
    MINISTRY = "ministry"


class Algorithm(IntEnum):
    """How the master key signs a credential; the user's signature does not depend on it."""

    SECP256K1 = 1
    SM2 = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential(Layout):
    """What the platform vouches for, for days: bytes [4, 4+L) of an Alipay code.

    Attributes:
        expires_at: unix seconds; the code is refused later than that.
        valid_s: how long one generated code may be shown.
        limit_fen: the highest amount of one ride.
        identity: bits whose meaning is not published; carried through.
        institution: 0 is Alipay.
        user_key: compressed secp192k1.

    """

    user_id: Annotated[str, Ascii(Raw(USER_ID_LEN))]
    expires_at: Annotated[int, U32]
    valid_s: Annotated[int, U16] = 600
    limit_fen: Annotated[int, U16]
    identity: Annotated[bytes, Raw(4)] = bytes(4)
    institution: Annotated[int, U32] = 0
    reserved: Annotated[bytes, Raw(4)] = bytes(4)
    user_key: Annotated[bytes, Raw(25)]
    card_type: Annotated[str, Ascii(Raw(8))] = PLAIN_CARD_TYPE
    card_no: Annotated[str, Ascii(Prefixed(1, CARD_NO_MAX))] = ""
    card_data: Annotated[bytes, Prefixed(1, CARD_DATA_MAX)] = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlipayCode(Layout):
    """The Alipay code, version 2; also the operator's code behind its prefix. Signatures are DER."""

    version: Annotated[bytes, Const(bytes([ALIPAY_VERSION]))] = bytes([ALIPAY_VERSION])
    algorithm: Annotated[int, U8]
    key_id: Annotated[int, U8]
    credential: Annotated[bytes, Prefixed(1, 0xFF)]
    master_signature: Annotated[bytes, Prefixed(1, 0xFF)]
    generated: Annotated[int, Boxed(1, U32)]
    user_signature: Annotated[bytes, Prefixed(1, 0xFF)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Layout):
    """The issuer's certificate in a ministry code; the CA signs [6, 53), which is the likely scope. 117 bytes.

    Attributes:
        expires: BCD MMYY; the certificate is good to the end of that month in Asia/Shanghai.
        key: the issuer's SM2 key, compressed.
        signature: the CA's, r‖s.

    """

    tag: Annotated[bytes, Const(b"\x24")] = b"\x24"
    service_id: Annotated[bytes, Raw(4)]
    ca_index: Annotated[int, U8]
    form: Annotated[bytes, Const(b"\x12")] = b"\x12"
    issuer: Annotated[bytes, Raw(4)]
    expires: Annotated[bytes, Raw(2)]
    serial: Annotated[bytes, Raw(3)]
    sign_algorithm: Annotated[int, U8] = SIGN_ALGORITHM_SM2
    encrypt_algorithm: Annotated[int, U8] = 4
    parameter: Annotated[int, U8] = 0
    key: Annotated[bytes, Boxed(1, Raw(33))]
    signature: Annotated[bytes, Raw(64)]


CERTIFICATE_LEN: Final = 117
CERTIFICATE_SIGNED: Final = slice(6, 53)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinistryCode(Layout):
    """The ministry of transport's code (JT/T 1179): certificate, user's authorisation, generated code; all SM2, r‖s.

    Attributes:
        length: of what follows it.
        account: the payment account, which is the platform's user id.
        card_account: BCD.

    """

    version: Annotated[int, U8] = MINISTRY_VERSION
    length: Annotated[int, U16]
    certificate: Annotated[bytes, Raw(CERTIFICATE_LEN)]
    account: Annotated[str, Ascii(Raw(USER_ID_LEN))]
    card_account: Annotated[bytes, Raw(10)]
    card_issuer: Annotated[bytes, Raw(4)]
    platform: Annotated[bytes, Raw(4)]
    account_type: Annotated[int, U8]
    limit_fen: Annotated[int, U24]
    user_key: Annotated[bytes, Raw(33)]
    expires_at: Annotated[int, U32]
    valid_s: Annotated[int, U16]
    custom: Annotated[bytes, Prefixed(1, 0xFF)] = b""
    issuer_tag: Annotated[bytes, Const(SIGNATURE_TAG)] = SIGNATURE_TAG
    issuer_signature: Annotated[bytes, Raw(64)]
    generated: Annotated[int, U32]
    user_tag: Annotated[bytes, Const(SIGNATURE_TAG)] = SIGNATURE_TAG
    user_signature: Annotated[bytes, Raw(64)]


MINISTRY_TAIL_LEN: Final = 134
"""Issuer's tag and signature, generation time, user's tag and signature."""


@dataclass(frozen=True, slots=True)
class RideCode:
    """A code as parsed, of any format: what every check and caller asks of it.

    Attributes:
        raw: as shown, with an operator's prefix.
        signed: the bytes that signatures refer to (`raw` without the prefix).
        credential: the bytes that stay the same while the generated codes change; they name user and authorisation.
        card_type: empty for a ministry code, which has none.

    """

    format: Format
    raw: bytes
    signed: bytes
    parts: AlipayCode | MinistryCode
    credential: bytes
    user_id: str
    card_type: str
    card_no: str
    card_data: bytes
    expires_at: int
    valid_s: int
    limit_fen: int
    user_key: bytes

    @property
    def generated(self) -> int:
        return self.parts.generated

    @property
    def identity(self) -> bytes:
        """What makes this code the same code, whatever its bytes: ECDSA signatures can be rewritten by anybody."""
        return self.credential + U32.write(self.generated, "generated")

    @property
    def shown_card_type(self) -> str:
        """As callers see it: empty for plain bus payment (4.1.3.6)."""
        return "" if self.card_type == PLAIN_CARD_TYPE else self.card_type


def format_of(code: bytes) -> Format:
    """Whose layout this is, by the first bytes.

    Raises:
        CodeRefused: PROTO_UNSUPPORTED for any other, MALFORMED_QRCODE for an empty one or a bare mark.

    """
    if code[:1] == bytes([OPERATOR_MARK]) and len(code) < 3:
        raise CodeRefused(Reason.MALFORMED_QRCODE, "the code ends within its prefix")
    if code[:2] in OPERATOR_PREFIXES and code[2] == ALIPAY_VERSION:
        return Format.OPERATOR
    return _format_without_prefix(code)


def _format_without_prefix(code: bytes) -> Format:
    if not code:
        raise CodeRefused(Reason.MALFORMED_QRCODE, "the code is empty")
    if code[0] >= MINISTRY_VERSIONS_FROM:
        return Format.MINISTRY
    if code[0] != ALIPAY_VERSION:
        raise CodeRefused(Reason.PROTO_UNSUPPORTED, f"no known format begins with {code[:3].hex().upper()}")
    return Format.ALIPAY


def parse_code(code: bytes) -> RideCode:
    """Read a code of any of the three formats; nothing but the layout is checked.

    Raises:
        CodeRefused: PROTO_UNSUPPORTED for an unknown format or algorithm, MALFORMED_QRCODE where lengths do not add up.

    """
    kind = format_of(code)
    try:
        return _parse_ministry(code) if kind is Format.MINISTRY else _parse_alipay(kind, code)
    except Malformed as error:
        raise CodeRefused(Reason.MALFORMED_QRCODE, str(error)) from error


def _parse_alipay(kind: Format, code: bytes) -> RideCode:
    signed = code[2:] if kind is Format.OPERATOR else code
    if len(signed) > 1 and signed[1] not in tuple(Algorithm):
        raise CodeRefused(Reason.PROTO_UNSUPPORTED, f"no known signature algorithm has number {signed[1]}")
    parts = AlipayCode.parse(signed)
    holder = Credential.parse(parts.credential)
    return RideCode(
        format=kind,
        raw=code,
        signed=signed,
        parts=parts,
        credential=parts.credential,
        user_id=holder.user_id,
        card_type=holder.card_type,
        card_no=holder.card_no,
        card_data=holder.card_data,
        expires_at=holder.expires_at,
        valid_s=holder.valid_s,
        limit_fen=holder.limit_fen,
        user_key=holder.user_key,
    )


def _parse_ministry(code: bytes) -> RideCode:
    parts = MinistryCode.parse(code)
    if parts.length != len(code) - MINISTRY_HEAD_LEN:
        raise Malformed("length", f"says {parts.length} bytes, {len(code) - MINISTRY_HEAD_LEN} follow")
    if Certificate.parse(parts.certificate).sign_algorithm != SIGN_ALGORITHM_SM2:
        raise CodeRefused(Reason.PROTO_UNSUPPORTED, "the certificate names another signature algorithm than SM2")
    return RideCode(
        format=Format.MINISTRY,
        raw=code,
        signed=code,
        parts=parts,
        credential=code[MINISTRY_HEAD_LEN:-MINISTRY_TAIL_LEN],
        user_id=parts.account,
        card_type="",
        card_no=parts.card_account.hex().upper().rstrip("F"),
        card_data=parts.custom,
        expires_at=parts.expires_at,
        valid_s=parts.valid_s,
        limit_fen=parts.limit_fen,
        user_key=parts.user_key,
    )
