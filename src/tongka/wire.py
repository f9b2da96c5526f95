r"""How a message declares its fields, and how received bytes become one.

Two steps, both strict. `ObjectReader` reads bytes as one JSON object: UTF-8, no key twice, no fraction, no NaN, bounded
size, depth and numbers. `read` then makes a declared message of it. A declaration is a `Message` with one line for each
field: our name, the partner's exact spelling, its type with limits::

    class Supply(Message):
        card_no: Annotated[str, Meta(pattern=r"^[0-9]{19}\Z", description="19 digits")] = spelt("CardNo")
        remark: Text | None = spelt("Remark", None)  # optional: absent, null

Whatever is wrong is told as `Malformed`, with the partner's spelling of the field and what is expected there; values
are never repeated, for they may be somebody's personal data.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, dataclass_transform, get_type_hints

import msgspec
from msgspec import Meta

from tongka.errors import Malformed

MAX_DIGITS = 18
"""A number in a message fits 64 bits."""
MAX_SHOWN = 40
"""Characters of a received key that an error repeats."""

Text = Annotated[str, Meta(min_length=1, max_length=128, description="1 to 128 characters")]
Count = (
    Annotated[int, Meta(ge=0, lt=10**9, description="a count (number or digits)")]
    | Annotated[str, Meta(pattern=r"^[0-9]{1,9}\Z")]
)
"""A whole number that some senders write as a number and others as text; `as_count` reads it."""


class _ByName(msgspec.StructMeta):
    """Fields are named, never counted: so required ones may follow optional ones in a message and in what extends it.

    msgspec does not hand `kw_only` down to subclasses, unlike its other options.
    """

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> "_ByName":
        return super().__new__(mcs, name, bases, namespace, **({"kw_only": True} | options))


@dataclass_transform(field_specifiers=(msgspec.field,), kw_only_default=True, frozen_default=True)
class Message(msgspec.Struct, metaclass=_ByName, frozen=True, omit_defaults=True):
    """What a partner says; a field that holds its default is left out when written. Unknown fields are ignored."""


class StrictMessage(Message, forbid_unknown_fields=True):
    """A message in which unknown fields are refused."""


_M = TypeVar("_M", bound=msgspec.Struct)


# --- bytes to one JSON object -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """Reads bytes as one JSON object.

    Attributes:
        max_bytes: larger bodies are refused unread.
        max_depth: the outermost object is depth 1.
        case_blind: keys that differ only in case count as the same key, and are refused.
        fractions_as_text: a number with a fraction or an exponent is read as its digits; otherwise it is refused.

    """

    max_bytes: int
    max_depth: int = 8
    case_blind: bool = False
    fractions_as_text: bool = False

    def read(self, body: bytes, field: str = "message") -> dict[str, Any]:
        """Parse `body`.

        Raises:
            Malformed: whatever RFC 8259 or this reader's limits forbid; names the key where one is to blame,
                otherwise `field`.

        """
        if len(body) > self.max_bytes:
            raise Malformed(field, f"at most {self.max_bytes} bytes are read, not {len(body)}")
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise Malformed(field, f"not UTF-8 at byte {error.start}") from None
        return self.read_text(text, field)

    def read_text(self, text: str, field: str = "message") -> dict[str, Any]:
        """Parse text that was received inside a message, or decoded already; as `read`."""
        try:
            value = _decoder(case_blind=self.case_blind, fractions_as_text=self.fractions_as_text)(text)
        except json.JSONDecodeError as error:
            raise Malformed(field, f"not JSON at character {error.pos}: {error.msg}") from None
        except RecursionError:
            raise Malformed(field, f"nested deeper than {self.max_depth}") from None
        if not isinstance(value, dict):
            raise Malformed(field, "a JSON object is expected")
        # Opening brackets bound the depth from above: only a message with many of them is walked.
        if text.count("{") + text.count("[") > self.max_depth and _depth(value) > self.max_depth:
            raise Malformed(field, f"nested deeper than {self.max_depth}")
        if _SURROGATE.search(text):
            _refuse_lone_surrogates(value, field)
        if _NUL in text:
            _refuse_nul(value, field)
        return value


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_NUL = r"\u0000"


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _refuse_lone_surrogates(value: dict[str, Any], field: str) -> None:
    """Half a surrogate pair is no character: such text could be neither stored nor sent on."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Malformed(field, "an escape \\uD800 to \\uDFFF stands alone") from None


def _refuse_nul(value: object, field: str) -> None:
    """U+0000 ends a text in C and cannot be stored in PostgreSQL; nothing that a partner says has one."""
    if isinstance(value, str) and "\0" in value:
        raise Malformed(field, "holds the character U+0000")
    for key, item in value.items() if isinstance(value, dict) else ():
        _refuse_nul(key, field)
        _refuse_nul(item, ascii(key[:MAX_SHOWN]))
    for item in value if isinstance(value, list) else ():
        _refuse_nul(item, field)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _twice([key for key, _ in pairs])
    return found


def _unique_case_blind(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    folded = [key.casefold() for key, _ in pairs]
    if len(set(folded)) != len(folded):
        raise _twice(folded)
    return dict(pairs)


def _twice(keys: list[str]) -> Malformed:
    key = next(key for n, key in enumerate(keys) if key in keys[:n])
    return Malformed(ascii(key[:MAX_SHOWN]), "stands twice in one object; send each field once")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise Malformed("message", f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _no_fraction(_digits: str) -> float:
    raise Malformed("message", "a number has a fraction or an exponent; amounts are whole numbers")


def _no_constant(name: str) -> float:
    raise Malformed("message", f"{name} is not JSON")


@cache
def _decoder(*, case_blind: bool, fractions_as_text: bool) -> Callable[[str], Any]:
    return json.JSONDecoder(
        object_pairs_hook=_unique_case_blind if case_blind else _unique,
        parse_int=_integer,
        parse_float=str if fractions_as_text else _no_fraction,
        parse_constant=_no_constant,
    ).decode


# --- one object to a declared message ---------------------------------------------------------------------------------


def spelt(name: str, *default: Any) -> Any:
    """A field's spelling on the wire, and what it is when absent; without a default the field is required."""
    return msgspec.field(name=name, default=default[0]) if default else msgspec.field(name=name)


def read(kind: type[_M], value: dict[str, Any]) -> _M:
    """Make a declared message of a JSON object.

    Raises:
        Malformed: a field is missing, of another form or beyond its limits, or (in a `StrictMessage`) unknown; names
            it as the partner spells it.

    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _malformed(kind, str(error)) from None


def as_count(value: int | str) -> int:
    """The number that a `Count` says."""
    return int(value)


_MISSING = re.compile(r"missing required field `(?P<field>.*?)`(?: - at `\$\.?(?P<path>.*)`)?\Z", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<field>.*?)`(?: - at `\$\.?(?P<path>.*)`)?\Z", re.DOTALL)
_INDEX = re.compile(r"\[[^\]]*\]")
_AT = re.compile(r" - at `\$\.?(?P<path>.*)`\Z", re.DOTALL)


def _malformed(kind: type[msgspec.Struct], message: str) -> Malformed:
    """Say what msgspec said, in the partner's words."""
    if found := _MISSING.search(message):
        return Malformed(_path(found), "is missing; the field is required")
    if found := _UNKNOWN.search(message):
        return Malformed(ascii(_path(found)[:MAX_SHOWN]), "is not a field of this message")
    found = _AT.search(message)
    path = found["path"] if found else "message"
    why = expectations(kind).get(_INDEX.sub("", path))
    return Malformed(path, f"{why} is expected" if why else _AT.sub("", message))


def _path(found: re.Match[str]) -> str:
    return f"{found['path']}.{found['field']}" if found["path"] else found["field"]


@cache
def expectations(kind: type[msgspec.Struct]) -> dict[str, str]:
    """What each field of a message expects, by the partner's spelling; fields of inner messages as ``outer.inner``."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, str] = {}
    for name, spelling in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        parts = list(_parts(hints[name]))
        found[spelling] = next((part.description for part in parts if isinstance(part, Meta) and part.description), "")
        for inner in parts:
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                found |= {f"{spelling}.{below}": why for below, why in expectations(inner).items()}
    return found


def _parts(hint: Any) -> Iterator[Any]:
    """A type and everything that it is put together from: the members of unions and lists, and their `Meta`."""
    yield hint
    yield from getattr(hint, "__metadata__", ())
    for part in getattr(hint, "__args__", ()):
        yield from _parts(part)
