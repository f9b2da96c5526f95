"""The offline record (脱机记录) that a gate writes for a code it let through: version 2, and version 3 (TLV).

Version 2 is what the SDK makes and settlement takes; its text is hex. The MAC is HMAC-MD5 under the user id, which
stands in the code inside the record: a checksum, not proof. Whoever accepts a record verifies the code in it again
(`tongka.code.verify.verify_record`).
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, Final

from tongka.code.fields import U16, U32, Boxed, Cursor, Layout, Prefixed, Raw
from tongka.code.reasons import CodeRefused, Reason
from tongka.errors import Malformed

RECORD_MAX: Final = 0x0FFF
"""Bytes: what the twelve bits of the head's length can say, and the head's own two."""

POS_PARAM_MAX: Final = 1024
POS_PARAM_TEXTS: Final = ("pos_id", "type", "subject", "record_id")
JSON_DEPTH_MAX: Final = 32
MAC_LEN: Final = 16
_VERSION_2: Final = 2
_HEAD_LEN = U16.size


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordV2(Layout):
    """Version 2, in bytes; `head` is the version in four bits and the length of the rest in twelve."""

    head: Annotated[int, U16]
    code: Annotated[bytes, Prefixed(2, RECORD_MAX)]
    pos_param: Annotated[bytes, Prefixed(2, POS_PARAM_MAX)]
    at: Annotated[int, Boxed(2, U32)]
    sdk_version: Annotated[bytes, Prefixed(2, RECORD_MAX)]
    mac: Annotated[bytes, Boxed(2, Raw(MAC_LEN))]


class Tag(IntEnum):
    """Fields of version 3. Certain are PROTOCOL, CODE, CONSUMPTION_TYPE, TIME and MAC, which comes last."""

    PROTOCOL = 0x0000
    CODE = 0x0001
    RECORD_ID = 0x0002
    POS_ID = 0x0003
    POS_MF_ID = 0x0004
    SW_VERSION = 0x0005
    MERCHANT_TYPE = 0x0006
    CONSUMPTION_TYPE = 0x0007
    CURRENCY = 0x0008
    AMOUNT = 0x0009
    VEHICLE_ID = 0x000A
    PLATE_NO = 0x000B
    DRIVER_ID = 0x000C
    LINE_INFO = 0x000D
    STATION_NO = 0x000E
    LBS_INFO = 0x000F
    TIME = 0x0010
    MAC = 0x0011
    RECORD_TYPE = 0x0012


@dataclass(frozen=True, slots=True)
class OfflineRecord:
    """A record of either version, as settlement asks it.

    Attributes:
        at: the gate's clock when it let the code through, unix seconds.
        pos_id: the gate; one record id counts once for a merchant's pos_id.
        covered: the bytes that the MAC is over.
        details: the other members of pos_param (version 2), or the other fields by name, in hex (version 3).

    """

    version: int
    code: bytes
    at: int
    pos_id: str
    record_id: str
    details: Mapping[str, Any]
    covered: bytes
    mac: bytes


# --- pos_param --------------------------------------------------------------------------------------------------------


def parse_pos_param(text: bytes) -> dict[str, Any]:
    """Read what the gate says of itself (4.1.4.6): a JSON object with four texts that are not empty.

    Raises:
        CodeRefused: POS_PARAM_ERROR.

    """
    if len(text) > POS_PARAM_MAX:
        raise CodeRefused(Reason.POS_PARAM_ERROR, f"pos_param has at most {POS_PARAM_MAX} bytes")
    try:
        members = json.loads(text.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise CodeRefused(Reason.POS_PARAM_ERROR, "pos_param is not JSON") from error
    if _depth(members) > JSON_DEPTH_MAX:
        raise CodeRefused(Reason.POS_PARAM_ERROR, f"pos_param is nested over {JSON_DEPTH_MAX} deep")
    if not isinstance(members, dict):
        raise CodeRefused(Reason.POS_PARAM_ERROR, "pos_param is not a JSON object")
    for name in POS_PARAM_TEXTS:
        if not isinstance(members.get(name), str) or not members[name]:
            raise CodeRefused(Reason.POS_PARAM_ERROR, f"pos_param lacks the text {name!r}")
    return members


def _depth(value: Any) -> int:
    """How many containers stand in each other; JSON that a gate's C reads within a bounded stack."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


def _no_constant(name: str) -> None:
    """Python reads NaN and Infinity; JSON has no such words."""
    raise ValueError(name)


# --- building ---------------------------------------------------------------------------------------------------------


def record_mac(user_id: str, covered: bytes) -> bytes:
    return hmac.digest(user_id.encode("ascii"), covered, "md5")


def build_record(*, code: bytes, user_id: str, pos_param: bytes, at: int, sdk_version: bytes) -> str:
    """Write a record of version 2, as the SDK does.

    Args:
        code: as shown, with an operator's prefix.
        user_id: the code's; the key of the MAC.
        pos_param: JSON, see `parse_pos_param`.
        at: unix seconds.
        sdk_version: as `get_version` answers it.

    Raises:
        CodeRefused: POS_PARAM_ERROR.
        Malformed: over 4,095 bytes.

    """
    parse_pos_param(pos_param)
    size = sum(2 + len(part) for part in (code, pos_param, sdk_version)) + _HEAD_LEN + (2 + 4) + (2 + MAC_LEN)
    if size > RECORD_MAX:
        raise Malformed("record", f"has at most {RECORD_MAX} bytes, not {size}")
    head = _VERSION_2 << 12 | size - _HEAD_LEN
    unsealed = RecordV2(
        head=head, code=code, pos_param=pos_param, at=at, sdk_version=sdk_version, mac=bytes(MAC_LEN)
    ).build()
    covered = unsealed[:-MAC_LEN]
    return (covered + record_mac(user_id, covered)).hex()


def build_record_v3(fields: Mapping[Tag, bytes], user_id: str) -> str:
    """Write a record of version 3: the given fields by tag, then the MAC."""
    covered = b"".join(_tlv(tag, fields[tag]) for tag in sorted(fields) if tag is not Tag.MAC)
    covered += U16.write(Tag.MAC, "tag") + U16.write(MAC_LEN, "length")
    return (covered + record_mac(user_id, covered)).hex()


def _tlv(tag: Tag, value: bytes) -> bytes:
    return U16.write(tag, "tag") + U16.write(len(value), tag.name) + value


# --- parsing ----------------------------------------------------------------------------------------------------------


def parse_record(text: str) -> OfflineRecord:
    """Read a record of either version; its MAC and its code are for `verify_record`.

    Raises:
        Malformed: not hex, another version, or lengths that do not add up.
        CodeRefused: POS_PARAM_ERROR.

    """
    if len(text) > 2 * RECORD_MAX:
        raise Malformed("record", f"has at most {2 * RECORD_MAX} hex digits")
    if not text.isascii() or not text.isalnum():
        raise Malformed("record", "is hex")
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise Malformed("record", "is hex") from error
    return _parse_v3(data) if data[:2] == U16.write(Tag.PROTOCOL, "tag") else _parse_v2(data)


def _parse_v2(data: bytes) -> OfflineRecord:
    head = int.from_bytes(data[:_HEAD_LEN], "big")
    if head >> 12 != _VERSION_2:
        raise Malformed("record", f"version {head >> 12} is not known")
    if head & 0x0FFF != len(data) - _HEAD_LEN:
        raise Malformed("record", "its length does not add up")
    parts = RecordV2.parse(data)
    members = parse_pos_param(parts.pos_param)
    return OfflineRecord(
        version=2,
        code=parts.code,
        at=parts.at,
        pos_id=members["pos_id"],
        record_id=members["record_id"],
        details={name: value for name, value in members.items() if name not in ("pos_id", "record_id")},
        covered=data[:-MAC_LEN],
        mac=parts.mac,
    )


def _parse_v3(data: bytes) -> OfflineRecord:
    fields = _read_tlv(data)
    if list(fields)[-1] is not Tag.MAC or len(fields[Tag.MAC]) != MAC_LEN:
        raise Malformed("record", f"a MAC of {MAC_LEN} bytes is its last field")
    for tag in (Tag.PROTOCOL, Tag.CODE, Tag.TIME):
        if tag not in fields:
            raise Malformed("record", f"lacks the field {tag.name}")
    if len(fields[Tag.TIME]) != U32.size:
        raise Malformed("record", "its time has four bytes")
    named = (Tag.CODE, Tag.TIME, Tag.MAC, Tag.POS_ID, Tag.RECORD_ID)
    return OfflineRecord(
        version=3,
        code=fields[Tag.CODE],
        at=int.from_bytes(fields[Tag.TIME], "big"),
        pos_id=_text(fields, Tag.POS_ID),
        record_id=_text(fields, Tag.RECORD_ID),
        details={tag.name.lower(): value.hex().upper() for tag, value in fields.items() if tag not in named},
        covered=data[:-MAC_LEN],
        mac=fields[Tag.MAC],
    )


def _text(fields: Mapping[Tag, bytes], tag: Tag) -> str:
    try:
        return fields.get(tag, b"").decode()
    except UnicodeDecodeError as error:
        raise Malformed(tag.name.lower(), "is UTF-8") from error


def _read_tlv(data: bytes) -> dict[Tag, bytes]:
    """The fields in the order they stand in; unknown tags and repeated ones are refused."""
    cursor, fields = Cursor(data), dict[Tag, bytes]()
    value = Prefixed(2, RECORD_MAX)
    while cursor.at < len(data):
        number = U16.read(cursor, "tag")
        if number not in tuple(Tag) or number in fields:
            raise Malformed("record", f"field {number:04X} is unknown or stands twice")
        fields[Tag(number)] = value.read(cursor, Tag(number).name)
    return fields
