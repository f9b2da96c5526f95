"""How a card file is declared: its fields, and the few kinds that fields are made of.

A kind's `decode` and `encode` raise ValueError for what is not of the kind; `Layout` adds the names of file and field.
"""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from datetime import date
from functools import cache
from typing import Any, ClassVar, Self, cast

from tongka.errors import Malformed


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of field.

    Attributes:
        label: with its article, for error messages.
        decode: bytes → value.
        encode: (value, length) → bytes.
        show: value → what people and JSON read.

    """

    label: str
    decode: Callable[[bytes], Any]
    encode: Callable[[Any, int], bytes]
    show: Callable[[Any], str | int]


def _digits(data: bytes) -> str:
    text = data.hex()
    if not text.isdecimal():
        raise ValueError(text)
    return text


def _from_digits(text: str, length: int) -> bytes:
    if len(text) != 2 * length or not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return bytes.fromhex(text)


def _date(data: bytes) -> date | None:
    """BCD YYYYMMDD; all zero means that no date was written yet."""
    if not any(data):
        return None
    text = _digits(data)
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _from_date(value: date | None, length: int) -> bytes:
    return bytes(length) if value is None else bytes.fromhex(f"{value.year:04d}{value:%m%d}")


def _text(data: bytes) -> str:
    """Chinese national encoding, filled up with 00, FF or spaces."""
    return data.rstrip(b"\x00\xff ").decode("gb18030", errors="replace")


def _from_text(text: str, length: int) -> bytes:
    return text.encode("gb18030").ljust(length, b"\0")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _from_number(value: int, length: int) -> bytes:
    return value.to_bytes(length, "big")


def _from_raw(value: bytes, _length: int) -> bytes:
    return value


RAW = Kind("bytes", bytes, _from_raw, lambda value: value.hex().upper())
BYTE = Kind("a one-byte code", _number, _from_number, lambda value: f"{value:02X}")
NUMBER = Kind("a number", _number, _from_number, int)
AMOUNT = Kind("an amount in fen", _number, _from_number, int)
DIGITS = Kind("BCD digits", _digits, _from_digits, str)
DATE = Kind("a BCD date", _date, _from_date, lambda value: value.isoformat() if value else "")
DATE_TIME = Kind("a BCD date and time", _digits, _from_digits, str)
TEXT = Kind("a text", _text, _from_text, str)


def at(offset: int, length: int, kind: Kind) -> Any:
    """Declare one field of a `Layout`: its first byte, its number of bytes, and how they are read."""
    return field(metadata={"at": (offset, length, kind)})


class Layout:
    """A file or record of fixed length, whose dataclass fields are declared with `at`."""

    NAME: ClassVar[str]
    LENGTH: ClassVar[int]

    @classmethod
    @cache
    def declared(cls) -> tuple[tuple[str, int, int, Kind], ...]:
        """(name, offset, length, kind) of every field, in the card's order."""
        return tuple((f.name, *_placed(f)) for f in fields(cast("Any", cls)))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the bytes of the file or record.

        Raises:
            Malformed: another length, or a field that is not of its kind; names the file and field.

        """
        if len(data) != cls.LENGTH:
            raise Malformed(f"file {cls.NAME}", f"{cls.LENGTH} bytes are expected, not {len(data)}")
        values = {}
        for name, offset, length, kind in cls.declared():
            part = data[offset : offset + length]
            try:
                values[name] = kind.decode(part)
            except ValueError as wrong:
                raise Malformed(f"file {cls.NAME}, {name}", f"{part.hex().upper()} is not {kind.label}") from wrong
        return cls(**values)

    def build(self) -> bytes:
        """The bytes as they stand on the card.

        Raises:
            Malformed: a value that does not fit its field; names the file and field.

        """
        return b"".join(_encode(self.NAME, name, kind, getattr(self, name), n) for name, _, n, kind in self.declared())

    def shown(self) -> dict[str, str | int]:
        """Every field as people and JSON read it: bytes in hex, dates as ISO, amounts in fen."""
        return {name: kind.show(getattr(self, name)) for name, _, _, kind in self.declared()}


def _placed(f: "Field[Any]") -> tuple[int, int, Kind]:
    place: tuple[int, int, Kind] = f.metadata["at"]
    return place


def _encode(file: str, name: str, kind: Kind, value: Any, length: int) -> bytes:
    try:
        data = kind.encode(value, length)
    except (ValueError, OverflowError) as wrong:
        raise Malformed(f"file {file}, {name}", f"{value!r} is not {kind.label} of {length} bytes") from wrong
    if len(data) != length:
        raise Malformed(f"file {file}, {name}", f"{value!r} does not fill its {length} bytes")
    return data
