"""Huzhou's envelope: bytes to a request or an answer and back, and how both are signed. No socket, no key store.

Source: Huzhou card front V1.1.1, clauses 2.2 to 2.5 and appendix A. A signature is SM3withSM2 with the default
identity, raw r‖s in 128 hexadecimal digits, over the message's own bytes with the value of the outermost `sign`
emptied. So nothing is ever serialised again before verification: what was received is what is verified.

Whoever signs with a key that does not live in this process takes the two halves: `answer_text` and `put_sign`,
`parse_request` and `verify`.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from tongka.crypto import sm2
from tongka.errors import BadSignature, Malformed, UnknownParty
from tongka.partners.huzhou.fields import READER
from tongka.partners.huzhou.messages import Answer, Request
from tongka.wire import Message, read

_SPACE = b" \t\r\n"
_TAIL = b',"sign":""}'
_SIGNATURE = re.compile(rb'"(?:[0-9A-F]{128}|[0-9a-f]{128})"')
"""Upper or lower case, but not both: so no bit of a message can be changed without the signature failing."""


class SignMode(StrEnum):
    """What stands in the place of `sign` while signing; 2.2 shows the first, some partners do the second."""

    EMPTY = "empty"
    OMIT = "omit"


class PartnerKey(NamedTuple):
    """How one party's messages are verified."""

    public_key: sm2.PublicKey
    mode: SignMode = SignMode.EMPTY


class _Signed(msgspec.Struct):
    """Finds the outermost `sign`, whatever else a message holds, as the very bytes in which it was written."""

    sign: msgspec.Raw


_find_sign = msgspec.json.Decoder(_Signed).decode


@dataclass(frozen=True, slots=True)
class Parsed:
    """A well-formed message whose signature is not verified yet.

    Attributes:
        body: as received.
        fields: every member but `sign`, with `data` as an object.
        data: the operation's part; empty when absent.
        sign: the bytes of the outermost `sign`, quotes included.

    """

    body: bytes = field(repr=False)  # the first three may hold personal data
    fields: dict[str, Any] = field(repr=False)
    data: dict[str, Any] = field(repr=False)
    sign: bytes

    @property
    def signature(self) -> bytes:
        """r‖s.

        Raises:
            BadSignature: `sign` is not 128 hexadecimal digits, plainly written and all of one case.

        """
        if not _SIGNATURE.fullmatch(self.sign):
            raise BadSignature("sign: 128 hexadecimal digits of one case are expected, r and s of SM3withSM2")
        return bytes.fromhex(self.sign[1:-1].decode())

    def signed_text(self, mode: SignMode = SignMode.EMPTY) -> bytes:
        """The bytes that were signed.

        With `SignMode.EMPTY` the digits between the quotes of the outermost `sign` are taken out. With `SignMode.OMIT`
        the member is: from the comma before it to its closing quote; when it stands first, from its key to the comma
        after it and the white space behind that; when it stands alone, from its key to its closing quote.

        Raises:
            BadSignature: the digits stand a second time in the message, where no signer could have put them.

        """
        start = self.body.find(self.sign)
        end = start + len(self.sign)
        if self.body.find(self.sign, start + 1) >= 0:
            raise BadSignature("sign: the same value stands elsewhere in the message")
        if mode is SignMode.EMPTY:
            return self.body[: start + 1] + self.body[end - 1 :]
        return _without_member(self.body, start, end)


def _without_member(body: bytes, start: int, end: int) -> bytes:
    """`body` without the member whose value is ``body[start:end]``, and without the one comma that is then too many."""
    key_end = body.rindex(b'"', 0, body.rindex(b":", 0, start))
    key_start = body.rindex(b'"', 0, key_end)  # an escape in this key is \uXXXX: it brings no quotation mark
    before, after = body[:key_start], body[end:]
    if before.rstrip(_SPACE).endswith(b","):
        return before.rstrip(_SPACE)[:-1] + after
    if after.lstrip(_SPACE).startswith(b","):
        return before + after.lstrip(_SPACE)[1:].lstrip(_SPACE)
    return before + after


@dataclass(frozen=True, slots=True)
class ParsedRequest(Parsed):
    """2.4, with the envelope's fields read."""

    envelope: Request


@dataclass(frozen=True, slots=True)
class ParsedAnswer(Parsed):
    """2.5, with the envelope's fields read."""

    envelope: Answer


# --- reading ----------------------------------------------------------------------------------------------------------


def parse_request(body: bytes) -> ParsedRequest:
    """Size, JSON, envelope, in this order.

    Raises:
        Malformed: names the field, or ``message``.

    """
    fields, data, sign = _parse(body)
    return ParsedRequest(body, fields, data, sign, read(Request, fields))


def parse_answer(body: bytes) -> ParsedAnswer:
    """As `parse_request`, for what a card front answered."""
    fields, data, sign = _parse(body)
    return ParsedAnswer(body, fields, data, sign, read(Answer, fields))


def _parse(body: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    fields = READER.read(body)
    if not isinstance(fields.pop("sign", None), str):
        raise Malformed("sign", "is missing, or not a text; the field is required")
    data = fields["data"] = _data(fields.get("data"))
    return fields, data, bytes(_find_sign(body).sign)


def _data(value: object) -> dict[str, Any]:
    """2.4 calls `data` a String, its example shows an object; both are read, and it may be absent."""
    if isinstance(value, str):
        return READER.read_text(value, "data")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed("data", "an object is expected, or JSON text of one")
    return value


def verify(message: Parsed, key: PartnerKey) -> None:
    """Check the signature over the bytes received (2.3).

    Raises:
        BadSignature: it does not verify.

    """
    signature = message.signature
    sm2.verify(key.public_key, message.signed_text(key.mode), signature)


def open_request(body: bytes, key_of: Callable[[str], PartnerKey | None]) -> ParsedRequest:
    """Size, JSON, envelope, institution, signature, in this order.

    Raises:
        Malformed: names the field.
        UnknownParty: `key_of` knows no institution of this `joininstid`.
        BadSignature: the message is not that institution's.

    """
    message = parse_request(body)
    institution = message.envelope.institution
    if (key := key_of(institution)) is None:
        raise UnknownParty("institution", institution)
    verify(message, key)
    return message


def open_answer(body: bytes, key: PartnerKey) -> ParsedAnswer:
    """Read and verify an answer; 2.3: one that does not verify is thrown away.

    Raises:
        Malformed: names the field.
        BadSignature: the answer is not the platform's.

    """
    message = parse_answer(body)
    verify(message, key)
    return message


def contents_digest(message: Parsed) -> bytes:
    """What tells a repeat from another request under the same serial: SHA-256 over the contents, `sign` aside.

    Taken over the values and not over the text, so that a client which writes its repeat with other spaces, in another
    order or with `data` as text is still repeating itself. (Each SM2 signature is new, so `sign` always differs.)
    """
    return hashlib.sha256(msgspec.json.encode(message.fields, order="deterministic")).digest()


# --- writing ----------------------------------------------------------------------------------------------------------


class _AnswerBody(msgspec.Struct):
    """2.5 in the order in which we send it."""

    result: str
    resultdesc: str
    data: Message | msgspec.UnsetType
    sign: str = ""


def answer_text(result: str, text: str, data: Message | None = None) -> bytes:
    """An answer with its `sign` still empty: compact UTF-8 JSON, `sign` last."""
    return msgspec.json.encode(_AnswerBody(result, text, msgspec.UNSET if data is None else data))


def request_text(envelope: Request, data: Message) -> bytes:
    """A request with its `sign` still empty, written as answers are."""
    return msgspec.json.encode(envelope)[:-1] + b',"data":' + msgspec.json.encode(data) + _TAIL


def text_to_sign(text: bytes, mode: SignMode = SignMode.EMPTY) -> bytes:
    """What of `answer_text` or `request_text` is signed."""
    return text if mode is SignMode.EMPTY else text.removesuffix(_TAIL) + b"}"


def put_sign(text: bytes, signature: bytes) -> bytes:
    """Put r‖s, in upper-case hexadecimal, into the empty `sign` at the end of `text`."""
    if not text.endswith(_TAIL):
        raise ValueError("the text was not made by answer_text or request_text")
    return text[:-2] + signature.hex().upper().encode() + text[-2:]


def seal(text: bytes, sign: Callable[[bytes], bytes], mode: SignMode = SignMode.EMPTY) -> bytes:
    """Sign a text with a key that is at hand, and put the signature in."""
    return put_sign(text, sign(text_to_sign(text, mode)))
