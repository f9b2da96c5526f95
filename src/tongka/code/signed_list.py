"""Lists for gates: JSON that carries its own signature, so that it may come to them over any way.

UTF-8; the last member is `sign`: SM3withSM2 with the default ID, r‖s in hex, over the same text with an empty `sign`. A
list has a `version`, which only grows; a gate keeps the highest that verifies.
"""

import json
from typing import Any, Final

from tongka.crypto import sm2
from tongka.errors import BadSignature, Malformed

_END: Final = b'"}'
_SIGN_LEN: Final = 2 * sm2.SIGNATURE_LEN


def text_to_sign(contents: dict[str, Any]) -> bytes:
    """The text with an empty `sign`."""
    return json.dumps(contents | {"sign": ""}, separators=(",", ":"), ensure_ascii=False).encode()


def with_sign(text: bytes, signature: bytes) -> bytes:
    """The document: `text` as `text_to_sign` made it, with its signature."""
    return text.removesuffix(_END) + signature.hex().upper().encode() + _END


def read_signed(document: bytes, key: sm2.PublicKey, name: str) -> dict[str, Any]:
    """The contents of a document.

    Raises:
        BadSignature: it is not the platform's, or was changed.
        Malformed: not a JSON object; calls it `name`.

    """
    start = len(document) - len(_END) - _SIGN_LEN
    if start < 0 or not document.endswith(_END):
        raise BadSignature(f"the {name} is not signed")
    try:
        signature = bytes.fromhex(document[start : start + _SIGN_LEN].decode("ascii"))
    except ValueError as error:
        raise BadSignature(f"the {name} is not signed") from error
    sm2.verify(key, document[:start] + _END, signature)
    try:
        contents = json.loads(document)
    except ValueError as error:
        raise Malformed(name, "is JSON") from error
    if not isinstance(contents, dict):
        raise Malformed(name, "is a JSON object")
    return contents
