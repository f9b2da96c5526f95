"""How a binary layout is declared: a dataclass with one line for each field, `name: Annotated[type, codec]`.

A `Layout` reads itself from bytes and writes itself back. Reading is strict (every length must add up, and nothing may
follow the last field) so that `parse` and `build` are each other's inverse. Numbers are big-endian.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, get_args, get_type_hints

from tongka.errors import Malformed


class Cursor:
    """Bytes being read from the left."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int, field: str) -> bytes:
        """The next `size` bytes.

        Raises:
            Malformed: fewer are left; names `field`.

        """
        end = self.at + size
        if end > len(self.data):
            raise Malformed(field, f"{size} bytes are due at offset {self.at}, {len(self.data) - self.at} are left")
        taken = self.data[self.at : end]
        self.at = end
        return taken


class Codec(Protocol):
    """How one field stands in bytes; `size` is its fixed length, or None."""

    @property
    def size(self) -> int | None: ...
    def read(self, cursor: Cursor, field: str) -> Any: ...
    def write(self, value: Any, field: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class UInt:
    """An unsigned number of `size` bytes."""

    size: int

    def read(self, cursor: Cursor, field: str) -> int:
        return int.from_bytes(cursor.take(self.size, field), "big")

    def write(self, value: int, field: str) -> bytes:
        try:
            return value.to_bytes(self.size, "big")
        except OverflowError as error:
            raise Malformed(field, f"{value} does not fit {self.size} bytes") from error


@dataclass(frozen=True, slots=True)
class Raw:
    """Exactly `size` bytes."""

    size: int

    def read(self, cursor: Cursor, field: str) -> bytes:
        return cursor.take(self.size, field)

    def write(self, value: bytes, field: str) -> bytes:
        if len(value) != self.size:
            raise Malformed(field, f"has {self.size} bytes, not {len(value)}")
        return value


@dataclass(frozen=True, slots=True)
class Const:
    """Bytes that are always these."""

    value: bytes

    @property
    def size(self) -> int:
        return len(self.value)

    def read(self, cursor: Cursor, field: str) -> bytes:
        return self.write(cursor.take(self.size, field), field)

    def write(self, value: bytes, field: str) -> bytes:
        if value != self.value:
            raise Malformed(field, f"is always {self.value.hex().upper()}, not {value.hex().upper()}")
        return value


@dataclass(frozen=True, slots=True)
class Ascii:
    """Printable ASCII text standing in the bytes of `inner`."""

    inner: Codec

    @property
    def size(self) -> int | None:
        return self.inner.size

    def read(self, cursor: Cursor, field: str) -> str:
        return _printable(self.inner.read(cursor, field), field).decode("ascii")

    def write(self, value: str, field: str) -> bytes:
        return self.inner.write(_printable(value.encode(), field), field)


@dataclass(frozen=True, slots=True)
class Prefixed:
    """A length of `width` bytes, then as many bytes, at most `maximum`."""

    width: int
    maximum: int
    size: ClassVar[None] = None

    def read(self, cursor: Cursor, field: str) -> bytes:
        length = int.from_bytes(cursor.take(self.width, field), "big")
        return self._bounded(cursor.take(length, field), field)

    def write(self, value: bytes, field: str) -> bytes:
        return len(self._bounded(value, field)).to_bytes(self.width, "big") + value

    def _bounded(self, value: bytes, field: str) -> bytes:
        if len(value) > self.maximum:
            raise Malformed(field, f"has at most {self.maximum} bytes, not {len(value)}")
        return value


@dataclass(frozen=True, slots=True)
class Boxed:
    """A length of `width` bytes that is always the same, then `inner`."""

    width: int
    inner: UInt | Raw

    @property
    def size(self) -> int:
        return self.width + self.inner.size

    @property
    def length(self) -> Const:
        return Const(self.inner.size.to_bytes(self.width, "big"))

    def read(self, cursor: Cursor, field: str) -> Any:
        self.length.read(cursor, field)
        return self.inner.read(cursor, field)

    def write(self, value: Any, field: str) -> bytes:
        return self.length.value + self.inner.write(value, field)


def _printable(text: bytes, field: str) -> bytes:
    if not all(0x20 <= byte <= 0x7E for byte in text):
        raise Malformed(field, "is printable ASCII")
    return text


U8, U16, U24, U32 = (UInt(size) for size in (1, 2, 3, 4))


_DECLARED: dict[type, tuple[tuple[str, Codec], ...]] = {}


def codecs(layout: type) -> tuple[tuple[str, Codec], ...]:
    """The declared fields of a layout, in order: (name, codec)."""
    if layout not in _DECLARED:
        hints = get_type_hints(layout, include_extras=True)
        _DECLARED[layout] = tuple((name, get_args(hint)[1]) for name, hint in hints.items())
    return _DECLARED[layout]


class Layout:
    """The base of a declared layout."""

    __slots__ = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the whole of `data`.

        Raises:
            Malformed: a length that does not add up, bytes left over, or a value of another form; names the field.

        """
        cursor = Cursor(data)
        values = {name: codec.read(cursor, name) for name, codec in codecs(cls)}
        if cursor.at != len(data):
            raise Malformed(cls.__name__, f"{len(data) - cursor.at} bytes follow its end")
        return cls(**values)

    def build(self) -> bytes:
        """Write the fields.

        Raises:
            Malformed: a value does not fit its field; names it.

        """
        return b"".join(codec.write(getattr(self, name), name) for name, codec in codecs(type(self)))
