"""The card's files as declarations: each field says where it lies, how long it is and how its bytes are read.

Sources: JT/T 978, CJ/T 166 (0015 to 0019), JT/T 978 [M] (001A, 001E). The Huzhou files 05 to 08 have no public
definition; the layouts here are ours, and 07 holds what appendix C reads it for: the last loads.
"""

from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import ClassVar, Self

from tongka.card.layout import AMOUNT, BYTE, DATE, DATE_TIME, DIGITS, NUMBER, RAW, TEXT, Layout, at
from tongka.errors import Malformed


class EnableFlag(IntEnum):
    """Byte 9 of file 0015: whether the card was sold."""

    NOT_ENABLED = 0x00
    ENABLED = 0x01
    STOPPED = 0x02


class CardHolderType(IntEnum):
    """Byte 10 of file 0017."""

    NORMAL = 0x01
    STUDENT = 0x02
    SENIOR = 0x03
    TEST = 0x04
    MILITARY = 0x05


@dataclass(frozen=True, slots=True, kw_only=True)
class File15(Layout):
    """Public application data: who issued the card, its number, and how long it is valid."""

    NAME: ClassVar[str] = "0015"
    LENGTH: ClassVar[int] = 30
    issuer: bytes = at(0, 8, RAW)  # prefix 2‖city 2 (GB/T 13497)‖FFFFFFFF; the first diversification factor
    application_type: int = at(8, 1, BYTE)
    enable_flag: int = at(9, 1, BYTE)
    asn: str = at(10, 10, DIGITS)  # 20 digits; the card number is its last 19 or 16
    valid_from: date | None = at(20, 4, DATE)
    valid_to: date | None = at(24, 4, DATE)
    private: bytes = at(28, 2, RAW)

    @property
    def city(self) -> str:
        """The city code of GB/T 13497, ``"3360"`` for Huzhou."""
        return self.issuer[2:4].hex()

    @property
    def number(self) -> bytes:
        """The 10 bytes of the card number; its last 8 are the diversification factor."""
        return bytes.fromhex(self.asn)

    @property
    def enabled(self) -> bool:
        return self.enable_flag == EnableFlag.ENABLED

    def expired(self, today: date) -> bool:
        """Whether the last valid day is past; `today` in the city's zone."""
        return self.valid_to is not None and today > self.valid_to


@dataclass(frozen=True, slots=True, kw_only=True)
class File16(Layout):
    """The card holder [M]; personal data."""

    NAME: ClassVar[str] = "0016"
    LENGTH: ClassVar[int] = 55
    card_type: int = at(0, 1, BYTE)
    staff: int = at(1, 1, BYTE)
    name: str = at(2, 20, TEXT)
    id_number: str = at(22, 32, TEXT)
    id_type: int = at(54, 1, BYTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class File17(Layout):
    """Management data [M]: where the card belongs, and whom it is for."""

    NAME: ClassVar[str] = "0017"
    LENGTH: ClassVar[int] = 60
    country: str = at(0, 4, DIGITS)
    province: str = at(4, 2, DIGITS)
    city: str = at(6, 2, DIGITS)
    interoperability: str = at(8, 2, DIGITS)
    card_type: int = at(10, 1, BYTE)
    reserved: bytes = at(11, 49, RAW)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord(Layout):
    """One transaction in the cyclic file 0018, newest first; file 07 repeats the loads."""

    NAME: ClassVar[str] = "0018"
    LENGTH: ClassVar[int] = 23
    sequence: int = at(0, 2, NUMBER)  # after the increment: online ATC of a load, offline ATC of a purchase [L]
    overdraft: int = at(2, 3, NUMBER)
    amount: int = at(5, 4, AMOUNT)
    kind: int = at(9, 1, BYTE)
    terminal: bytes = at(10, 6, RAW)
    date: str = at(16, 4, DIGITS)  # as the terminal wrote them: a log must be readable whatever stands in it
    time: str = at(20, 3, DIGITS)

    @classmethod
    def is_empty(cls, data: bytes) -> bool:
        """An unused slot: all zero, which some cards answer instead of 6A83."""
        return not any(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class RideRecord(Layout):
    """One boarding or alighting in the cyclic file 001E, newest first."""

    NAME: ClassVar[str] = "001E"
    LENGTH: ClassVar[int] = 48
    kind: int = at(0, 1, BYTE)  # 03 in, 04 out, 06 single, 09 load
    terminal: bytes = at(1, 8, RAW)
    mode: int = at(9, 1, BYTE)  # 01 metro, 02 bus, 03 ferry, 04 taxi
    line_station: bytes = at(10, 7, RAW)
    amount: int = at(17, 4, AMOUNT)
    balance: int = at(21, 4, AMOUNT)
    date_time: str = at(25, 7, DATE_TIME)
    city: str = at(32, 2, DIGITS)
    institution: bytes = at(34, 8, RAW)
    max_fare: int = at(42, 4, AMOUNT)
    max_minutes: int = at(46, 2, NUMBER)


@dataclass(frozen=True, slots=True, kw_only=True)
class File05(Layout):
    """Huzhou: issue data, with the number printed on the card's face [L]."""

    NAME: ClassVar[str] = "0005"
    LENGTH: ClassVar[int] = 32
    face_number: str = at(0, 10, DIGITS)
    sale_date: date | None = at(10, 4, DATE)
    deposit: int = at(14, 4, AMOUNT)
    reserved: bytes = at(18, 14, RAW)


@dataclass(frozen=True, slots=True, kw_only=True)
class File06(Layout):
    """Huzhou: the card's group and concession [L]."""

    NAME: ClassVar[str] = "0006"
    LENGTH: ClassVar[int] = 16
    group: bytes = at(0, 4, RAW)
    concession: int = at(4, 1, BYTE)
    concession_until: date | None = at(5, 4, DATE)
    reserved: bytes = at(9, 7, RAW)


@dataclass(frozen=True, slots=True)
class TaggedRecord:
    """A record of variable length that names itself: 0019 (CAPP, id 1 byte), 001A (ride state, id 2 bytes: 2701…)."""

    record_id: bytes
    body: bytes

    @classmethod
    def parse(cls, data: bytes, id_length: int = 1) -> Self:
        """Split the id from the body.

        Raises:
            Malformed: shorter than its id.

        """
        if len(data) < id_length:
            raise Malformed("record", f"at least {id_length} bytes of id are expected")
        return cls(data[:id_length], data[id_length:])

    def build(self) -> bytes:
        return self.record_id + self.body


class FileKind(IntEnum):
    """How a file is organised, which decides the commands that read it."""

    TRANSPARENT = 0
    CYCLIC = 1
    VARIABLE = 2


@dataclass(frozen=True, slots=True)
class FileType:
    """One row of `FILES`.

    Attributes:
        record_max: how many records a record file holds; 0 for a transparent one.
        layout: None for self-naming records.

    """

    fid: str
    text: str
    kind: FileKind
    record_max: int = 0
    layout: type[Layout] | None = None


FILES: dict[str, FileType] = {
    row.fid: row
    for row in (
        FileType("0005", "Huzhou issue data", FileKind.TRANSPARENT, layout=File05),
        FileType("0006", "Huzhou group and concession", FileKind.TRANSPARENT, layout=File06),
        FileType("0007", "Huzhou last loads", FileKind.CYCLIC, 4, LogRecord),
        FileType("0008", "Huzhou last purchases", FileKind.CYCLIC, 8, LogRecord),
        FileType("0015", "public application data", FileKind.TRANSPARENT, layout=File15),
        FileType("0016", "card holder", FileKind.TRANSPARENT, layout=File16),
        FileType("0017", "management data", FileKind.TRANSPARENT, layout=File17),
        FileType("0018", "transaction log", FileKind.CYCLIC, 10, LogRecord),
        FileType("0019", "CAPP records", FileKind.VARIABLE, 18),
        FileType("001A", "ride state", FileKind.VARIABLE, 8),
        FileType("001E", "ride log", FileKind.CYCLIC, 30, RideRecord),
    )
}
