"""APDUs, their answers, and the one method through which this platform talks to any card.

ISO/IEC 7816-4 short APDUs, cases 1 to 4. A reader, the software card and a wallet in a phone are three implementations
of `CardChannel`.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import ClassVar, NamedTuple, Protocol, Self

from tongka.errors import CardError, Malformed

HEADER_LEN = 4
DATA_MAX = 255
LE_MAX = 256
"""Le 00: as much as the card has, up to 256 bytes."""
ANSWER_MAX = LE_MAX + 2


class StatusWord(IntEnum):
    """The status words that the cards of this platform answer, each with a text for people.

    63Cx and 6Cxx are families, listed with a zero count; `describe` reads the digits.
    """

    text: str

    def __new__(cls, value: int, text: str = "") -> Self:
        """Keep the number as the value and the text beside it."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    OK = 0x9000, "done"
    DATA_MAY_BE_CORRUPT = 0x6281, "part of the returned data may be corrupt"
    FILE_INVALIDATED = 0x6283, "the selected file is invalidated"
    AUTHENTICATION_FAILED = 0x6300, "authentication failed"
    TRIES_LEFT = 0x63C0, "wrong PIN"
    STATE_UNCHANGED = 0x6400, "execution error, nothing changed"
    MEMORY_FAILURE = 0x6581, "memory failure"
    WRONG_LENGTH = 0x6700, "wrong length"
    NO_SECURE_MESSAGING = 0x6882, "secure messaging is not supported"
    CANNOT_PROCESS = 0x6900, "the command cannot be processed"
    INVALID_STATE = 0x6901, "the command is not accepted in this state"
    WRONG_FILE_TYPE = 0x6981, "the command does not fit the file's type"
    SECURITY_NOT_SATISFIED = 0x6982, "the security condition is not satisfied"
    PIN_LOCKED = 0x6983, "the PIN is locked"
    NO_CHALLENGE = 0x6984, "no challenge was fetched before"
    CONDITIONS_NOT_SATISFIED = 0x6985, "the conditions of use are not satisfied"
    NO_CURRENT_FILE = 0x6986, "no file is selected"
    SECURE_MESSAGE_MISSING = 0x6987, "the secure messaging MAC is missing"
    SECURE_MESSAGE_MAC = 0x6988, "the secure messaging MAC is wrong"
    WRONG_DATA = 0x6A80, "wrong data"
    NOT_SUPPORTED = 0x6A81, "not supported, or the application is blocked"
    FILE_NOT_FOUND = 0x6A82, "file or application not found"
    RECORD_NOT_FOUND = 0x6A83, "record not found"
    NO_SPACE = 0x6A84, "not enough space in the file"
    WRONG_PARAMETERS = 0x6A86, "wrong P1 or P2"
    REFERENCE_NOT_FOUND = 0x6A88, "the referenced key or data is not there"
    WRONG_OFFSET = 0x6B00, "the offset is outside the file"
    WRONG_LE = 0x6C00, "wrong Le"
    INS_NOT_SUPPORTED = 0x6D00, "the instruction is not supported"
    CLA_NOT_SUPPORTED = 0x6E00, "the class is not supported"
    NO_DIAGNOSIS = 0x6F00, "no precise diagnosis"
    AMOUNT_WRONG = 0x9301, "the amount is not acceptable"
    MAC_WRONG = 0x9302, "the MAC is wrong"
    APPLICATION_LOCKED = 0x9303, "the application is permanently locked"
    INSUFFICIENT_BALANCE = 0x9401, "the balance is insufficient"
    COUNTER_AT_MAXIMUM = 0x9402, "the transaction counter has reached its end"
    KEY_INDEX_NOT_SUPPORTED = 0x9403, "the key index is not supported"
    PROOF_NOT_AVAILABLE = 0x9406, "no proof of that transaction is available"


def describe(sw: int) -> str:
    """A status word as people read it: ``6985: the conditions of use are not satisfied``."""
    return f"{sw:04X}: {_meaning(sw)}"


def _meaning(sw: int) -> str:
    if sw & 0xFFF0 == StatusWord.TRIES_LEFT:
        return f"wrong PIN, {sw & 0xF} tries left"
    if sw & 0xFF00 == StatusWord.WRONG_LE:
        return f"wrong Le, {sw & 0xFF or LE_MAX} bytes are there"
    try:
        return StatusWord(sw).text
    except ValueError:
        return "unknown status word"


class ApduError(CardError):
    """A card answered another status word than 9000; `sw` is its number."""

    code: ClassVar[str] = "card_status"

    def __init__(self, sw: int, doing: str = "the command") -> None:
        super().__init__(f"{doing}: the card answered {describe(sw)}")
        self.sw = sw


class Response(NamedTuple):
    """What a card answered: the data, and the status word."""

    data: bytes
    sw: int

    @classmethod
    def parse(cls, raw: bytes, field: str = "card answer") -> Self:
        """Read data‖SW.

        Raises:
            Malformed: shorter than a status word or longer than a short APDU's answer; names `field`.

        """
        if not 2 <= len(raw) <= ANSWER_MAX:
            raise Malformed(field, f"2 to {ANSWER_MAX} bytes are expected, not {len(raw)}")
        return cls(bytes(raw[:-2]), int.from_bytes(raw[-2:], "big"))

    @property
    def ok(self) -> bool:
        return self.sw == StatusWord.OK

    @property
    def raw(self) -> bytes:
        return self.data + self.sw.to_bytes(2, "big")

    @property
    def hex(self) -> str:
        return self.raw.hex().upper()

    def require(self, doing: str = "the command") -> bytes:
        """The data of a 9000 answer; `doing` names the step in the error.

        Raises:
            ApduError: any other status word.

        """
        if not self.ok:
            raise ApduError(self.sw, doing)
        return self.data


@dataclass(frozen=True, slots=True)
class Command:
    """A command APDU.

    Attributes:
        data: 0 to 255 bytes; Lc is its length.
        le: bytes expected, 1 to 256 (256 is sent as 00), or None when the field is left out.

    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None

    @classmethod
    def parse(cls, raw: bytes, field: str = "apdu") -> Self:
        """Read a short APDU of case 1 (header), 2 (Le), 3 (Lc, data) or 4 (Lc, data, Le).

        Raises:
            Malformed: too short, or a length that contradicts Lc; names `field`.

        """
        if len(raw) < HEADER_LEN:
            raise Malformed(field, f"at least {HEADER_LEN} bytes are expected, not {len(raw)}")
        header, body = raw[:HEADER_LEN], raw[HEADER_LEN:]
        if len(body) <= 1:  # case 1 or 2
            return cls(*_four(header), le=_le(body))
        length, rest = body[0], body[1:]
        if length == 0 or len(rest) - length not in (0, 1):
            raise Malformed(field, f"Lc is {length} but {len(rest)} bytes follow it")
        return cls(*_four(header), data=bytes(rest[:length]), le=_le(rest[length:]))

    @classmethod
    def from_hex(cls, text: str, field: str = "apdu") -> Self:
        """Read an APDU in hexadecimal.

        Raises:
            Malformed: not hex, or not an APDU; names `field`.

        """
        return cls.parse(parse_hex(text, field), field)

    def __bytes__(self) -> bytes:
        """The APDU as it is sent."""
        head = bytes((self.cla, self.ins, self.p1, self.p2))
        body = bytes((len(self.data),)) + self.data if self.data else b""
        return head + body + (b"" if self.le is None else bytes((self.le % LE_MAX,)))

    @property
    def hex(self) -> str:
        return bytes(self).hex().upper()

    def without_le(self) -> Self:
        """The same command without the Le field, as the Huzhou card front sends it."""
        return replace(self, le=None)


def _four(header: bytes) -> tuple[int, int, int, int]:
    return header[0], header[1], header[2], header[3]


def _le(field: bytes) -> int | None:
    return (field[0] or LE_MAX) if field else None


def parse_hex(text: str, field: str) -> bytes:
    """Whole bytes in hexadecimal, without spaces; both cases are read.

    Raises:
        Malformed: anything else; names `field`.

    """
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raise Malformed(field, "hexadecimal digits are expected, two for each byte") from None
    if len(raw) * 2 != len(text):
        raise Malformed(field, "hexadecimal digits without spaces are expected")
    return raw


class CardChannel(Protocol):
    """Whatever carries APDUs to a card and its answers back."""

    def transmit(self, apdu: bytes) -> Response:
        """Send one APDU.

        Raises:
            CardGone: the card left or the reader failed; what the card did with the command is not known.

        """
        ...  # pragma: no cover


def send(channel: CardChannel, command: Command) -> Response:
    """Transmit a `Command`; see `CardChannel.transmit` for the errors."""
    return channel.transmit(bytes(command))
