"""The blacklist of riders as gates get it: versioned, and signed so that it may come to them over any way.

JSON in UTF-8: `version` (it only grows), `made_at` (unix seconds), `user_ids`, and last `sign`: SM3withSM2 with the
default ID, r‖s in hex, over the same text with an empty `sign`. A gate keeps the highest version that verifies.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tongka.crypto import sm2
from tongka.errors import BadSignature, Malformed

_END: Final = b'"}'
_SIGN_LEN: Final = 2 * sm2.SIGNATURE_LEN


@dataclass(frozen=True, slots=True)
class Blacklist:
    """The riders who are not let through as of a version; `made_at` is unix seconds."""

    version: int
    made_at: int
    user_ids: Sequence[str]

    def to_sign(self) -> bytes:
        """The text with an empty `sign`."""
        contents = {"version": self.version, "made_at": self.made_at, "user_ids": list(self.user_ids), "sign": ""}
        return json.dumps(contents, separators=(",", ":")).encode()


def with_sign(text: bytes, signature: bytes) -> bytes:
    """The document: `text` as `to_sign` made it, with its signature."""
    return text.removesuffix(_END) + signature.hex().upper().encode() + _END


def read_blacklist(document: bytes, key: sm2.PublicKey) -> Blacklist:
    """What a gate takes in.

    Raises:
        BadSignature: it is not the platform's, or was changed.
        Malformed: not the JSON described above.

    """
    start = len(document) - len(_END) - _SIGN_LEN
    if start < 0 or not document.endswith(_END):
        raise BadSignature("the blacklist is not signed")
    try:
        signature = bytes.fromhex(document[start : start + _SIGN_LEN].decode("ascii"))
    except ValueError as error:
        raise BadSignature("the blacklist is not signed") from error
    sm2.verify(key, document[:start] + _END, signature)
    try:
        contents = json.loads(document)
        return Blacklist(contents["version"], contents["made_at"], tuple(contents["user_ids"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Malformed("blacklist", "is JSON with version, made_at, user_ids, sign") from error
