"""Linkage's token and what may be signed with it: bytes to fields, and the MD5 over them. No key store, no socket.

Source: Linkage OneCard API 1.0.1, token 算法说明. The text that is hashed has no escapes, so a value with ``&`` or
``=`` could be made to read as other fields: such values are refused, and names that are equal but for their case.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping

import msgspec

from tongka.errors import BadSignature, Malformed
from tongka.partners.linkage.fields import READER

TOKEN = "Token"  # noqa: S105 - a field's name
_FORBIDDEN = re.compile(r"[&=\x00-\x1f\x7f-\x9f\u2028\u2029]")

Fields = Mapping[str, str]


def parse(body: bytes) -> dict[str, str]:
    """The fields of a message that have a value.

    Raises:
        Malformed: not one JSON object of texts, a name twice (in whatever case), or a value that a token can't cover.

    """
    found = READER.read(body)
    for name, value in found.items():
        if value is not None and not isinstance(value, str):
            raise Malformed(ascii(name[:40]), "a text is expected")
        if _FORBIDDEN.search(name) or _FORBIDDEN.search(value or ""):
            raise Malformed(ascii(name[:40]), "&, = and control characters can't stand in a message")
    return {name: value for name, value in found.items() if value}


def canonical(fields: Fields) -> str:
    """The fields but `Token`, names in upper case and sorted: ``K=V`` joined with ``&``."""
    named = sorted((name.upper(), value) for name, value in fields.items() if value and name != TOKEN)
    return "&".join(f"{name}={value}" for name, value in named)


def token(fields: Fields, key: str) -> str:
    """The token of a message: 32 hexadecimal digits in upper case."""
    text = f"{canonical(fields)}&CHANNELKEY={key}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def verify(fields: Fields, key: str) -> None:
    """Compare a message's token in constant time; it is read in either case.

    Raises:
        BadSignature: it is another one.

    """
    given = fields.get(TOKEN, "").upper()
    if not hmac.compare_digest(token(fields, key).encode(), given.encode()):
        raise BadSignature("the token does not verify")


def digest(path: str, fields: Fields) -> bytes:
    """What tells a repeat from another message under the same name."""
    return hashlib.sha256(f"{path}?{canonical(fields)}".encode()).digest()


def sealed(fields: Fields, key: str) -> bytes:
    """A message with its token: compact UTF-8 JSON."""
    return msgspec.json.encode({**fields, TOKEN: token(fields, key)})
