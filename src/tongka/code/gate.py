"""A gate in Python: the same checks in the same order as `verify_qrcode_v2`, with a memory given by the caller."""

from collections.abc import MutableSet
from dataclasses import dataclass
from typing import Final

from tongka.code.layout import RideCode
from tongka.code.reasons import CodeRefused, Reason
from tongka.code.record import build_record, parse_pos_param
from tongka.code.verify import Terms, verify_code

SDK_VERSION: Final = b"tongka-1.0.0"
"""As `get_version` answers it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A code that was let through, and the offline record of it, in hex."""

    code: RideCode
    record: str


def let_through(code: bytes, pos_param: bytes, terms: Terms, seen: MutableSet[bytes]) -> Passage:
    """Verify a code, use it up and write its record.

    Args:
        code: as shown.
        pos_param: JSON of the gate (4.1.4.6).
        terms: keys, card types, the gate's clock, the fare.
        seen: identities of codes let through; a success adds one.

    Raises:
        CodeRefused: as the SDK answers; nothing is used up.

    """
    parse_pos_param(pos_param)
    parsed = verify_code(code, terms)
    record = build_record(code=code, user_id=parsed.user_id, pos_param=pos_param, at=terms.at, sdk_version=SDK_VERSION)
    if parsed.identity in seen:
        raise CodeRefused(Reason.QRCODE_DUPLICATED, "this code was let through here before")
    seen.add(parsed.identity)
    return Passage(parsed, record)
