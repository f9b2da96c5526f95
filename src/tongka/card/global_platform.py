"""Managing the contents of a secure element: GlobalPlatform's commands, and what they answer, as values.

Source: GlobalPlatform Card Specification 2.3, chapter 11. The commands are plain; under a channel they go through
`Channel.wrap`. STORE DATA sends one data grouping (DGI) in each command where it fits, which every parser understands.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Self

from tongka.card.apdu import LE_MAX, Command, describe
from tongka.card.commands import select_aid
from tongka.card.secure_channel import WRAPPED_DATA_MAX
from tongka.errors import Malformed

ISSUER_SECURITY_DOMAIN = bytes.fromhex("A000000151000000")
NO_PARAMETERS = bytes.fromhex("C900")
"""Install parameters: the application's own (C9) are empty."""
DGI_LEN_MAX = 0xFFFF
_LONG = 0xFF


class Answer(IntEnum):
    """Status words that mean something of their own to these commands (tables 11-10 and those of each command)."""

    HOST_CRYPTOGRAM_WRONG = 0x6300
    MORE_DATA = 0x6310
    NOT_AUTHENTICATED = 0x6982
    CONDITIONS = 0x6985
    INCORRECT_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    NOT_FOUND = 0x6A82
    NO_MEMORY = 0x6A84
    REFERENCE_NOT_FOUND = 0x6A88


MEANINGS = {
    Answer.HOST_CRYPTOGRAM_WRONG: "the host's cryptogram does not verify",
    Answer.MORE_DATA: "there is more; ask for the next occurrences",
    Answer.NOT_AUTHENTICATED: "no secure channel is open, or the command's MAC is wrong",
    Answer.CONDITIONS: "the conditions of use are not satisfied",
    Answer.INCORRECT_DATA: "the data is not acceptable, such as an AID that is in use",
    Answer.FUNCTION_NOT_SUPPORTED: "not supported, or the application or the element is locked",
    Answer.NOT_FOUND: "the application is not there",
    Answer.NO_MEMORY: "the element is full",
    Answer.REFERENCE_NOT_FOUND: "what the command names is not there",
}


def meaning(sw: int) -> str:
    """A status word of a security domain as people read it."""
    return f"{sw:04X}: {MEANINGS[Answer(sw)]}" if sw in MEANINGS else describe(sw)


NAMES = {
    0x50: "INITIALIZE UPDATE",
    0x82: "EXTERNAL AUTHENTICATE",
    0xCA: "GET DATA",
    0xE2: "STORE DATA",
    0xE4: "DELETE",
    0xE6: "INSTALL",
    0xF0: "SET STATUS",
    0xF2: "GET STATUS",
}
"""By instruction byte, in the classes 80 and 84."""


def name_of(command: Command) -> str:
    """What a security domain is asked for; empty for other commands."""
    return NAMES.get(command.ins, "") if command.cla & 0xFB == 0x80 else ""


# --- length-value and tag-length-value --------------------------------------------------------------------------------


def _lv(value: bytes) -> bytes:
    return bytes((len(value),)) + value


def tlv(tag: int, value: bytes) -> bytes:
    """Tags of one or two bytes, lengths of one or (above 127) two."""
    name = tag.to_bytes(1 if tag < 0x100 else 2, "big")
    return name + (_lv(value) if len(value) < 0x80 else b"\x81" + _lv(value))


def read_tlvs(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags with their values, in order.

    Raises:
        Malformed: a length that leads out of the data.

    """
    at = 0
    while at < len(data):
        wide = data[at] & 0x1F == 0x1F
        tag, at = int.from_bytes(data[at : at + 1 + wide], "big"), at + 1 + wide
        at += data[at : at + 1] == b"\x81"
        if at >= len(data) or at + 1 + data[at] > len(data):
            raise Malformed(f"tag {tag:X}", "its length leads out of the answer")
        yield tag, data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]


# --- INSTALL, DELETE --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Install:
    """INSTALL [for install and make selectable] (11.5.2.3.2).

    Attributes:
        package, module, instance: AIDs: the load file, the class in it, and the application to be made of it.
        privileges: 00 for an ordinary application.
        parameters: C9 with the application's own.

    """

    package: bytes
    module: bytes
    instance: bytes
    privileges: bytes = b"\x00"
    parameters: bytes = NO_PARAMETERS

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the command's data.

        Raises:
            Malformed: not five lengths with their values and a token.

        """
        values = _read_lvs(data)
        if len(values) != 6:
            raise Malformed("INSTALL", f"5 values and a token are expected, not {len(values)} values")
        return cls(*values[:5])

    @property
    def command(self) -> Command:
        values = (self.package, self.module, self.instance, self.privileges, self.parameters, b"")
        return Command(0x80, 0xE6, 0x0C, 0x00, b"".join(map(_lv, values)), LE_MAX)


def _read_lvs(data: bytes) -> list[bytes]:
    values, at = [], 0
    while at < len(data):
        values.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    if at != len(data):
        raise Malformed("INSTALL", "a length leads out of the data")
    return values


def install_for_personalization(instance: bytes) -> Command:
    """What follows in STORE DATA is for this application (11.5.2.3.6)."""
    return Command(0x80, 0xE6, 0x20, 0x00, b"\0\0" + _lv(instance) + bytes(3), LE_MAX)


def personalized_instance(data: bytes) -> bytes:
    """The AID in the data of an INSTALL [for personalization].

    Raises:
        Malformed: another shape.

    """
    values = _read_lvs(data)
    if len(values) != 6 or any(values[:2] + values[3:]):
        raise Malformed("INSTALL", "[for personalization] names an application and nothing else")
    return values[2]


def delete(aid: bytes) -> Command:
    """DELETE an application (11.2)."""
    return Command(0x80, 0xE4, 0x00, 0x00, tlv(0x4F, aid), LE_MAX)


# --- STORE DATA -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grouping:
    """One data grouping of a personalisation: identifier 2‖length 1 (or FF‖length 2)‖value."""

    dgi: int
    value: bytes

    def __bytes__(self) -> bytes:
        """As it is sent."""
        size = len(self.value)
        length = bytes((size,)) if size < _LONG else bytes((_LONG,)) + size.to_bytes(2, "big")
        return self.dgi.to_bytes(2, "big") + length + self.value


def read_groupings(data: bytes) -> list[Grouping]:
    """All groupings of an application's personalisation, as they stand one after the other.

    Raises:
        Malformed: a length that leads out of the data.

    """
    groupings, at = [], 0
    while at < len(data):
        start, size = _grouping_size(data, at)
        if start + size > len(data):
            raise Malformed("STORE DATA", f"the grouping at byte {at} leads out of the data")
        groupings.append(Grouping(int.from_bytes(data[at : at + 2], "big"), data[start : start + size]))
        at = start + size
    return groupings


def _grouping_size(data: bytes, at: int) -> tuple[int, int]:
    """Where the value begins, and its length."""
    if data[at + 2 : at + 3] == b"\xff":
        return at + 5, int.from_bytes(data[at + 3 : at + 5], "big")
    return at + 3, int.from_bytes(data[at + 2 : at + 3], "big")


class StoreData(IntFlag):
    """P1 of STORE DATA (table 11-89)."""

    MORE = 0x00
    GROUPINGS = 0x08
    LAST = 0x80


def store_data(groupings: Sequence[Grouping]) -> list[Command]:
    """The commands that send these groupings: one each, more for what does not fit under a secure channel.

    Raises:
        Malformed: nothing to send, or a grouping that is too long.

    """
    if not groupings or any(len(grouping.value) > DGI_LEN_MAX for grouping in groupings):
        raise Malformed("STORE DATA", f"at least one grouping, of at most {DGI_LEN_MAX} bytes, is expected")
    blocks = [block for grouping in groupings for block in _blocks(bytes(grouping))]
    last = len(blocks) - 1
    return [_store(block, number, last=number == last) for number, block in enumerate(blocks)]


def _blocks(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), WRAPPED_DATA_MAX):
        yield data[at : at + WRAPPED_DATA_MAX]


def _store(block: bytes, number: int, *, last: bool) -> Command:
    p1 = StoreData.GROUPINGS | (StoreData.LAST if last else StoreData.MORE)
    return Command(0x80, 0xE2, p1, number & 0xFF, block)


# --- what is there, and in which state --------------------------------------------------------------------------------


class LifeCycle(IntEnum):
    """Of an application (table 11-4); bit 8 set means locked, whichever it was before."""

    INSTALLED = 0x03
    SELECTABLE = 0x07
    PERSONALIZED = 0x0F


LOCKED = 0x80


@dataclass(frozen=True, slots=True)
class Application:
    """One application as GET STATUS tells it."""

    aid: bytes
    state: int
    privileges: bytes = b"\x00"

    @property
    def locked(self) -> bool:
        return bool(self.state & LOCKED)


def get_status(aid: bytes = b"") -> Command:
    """The applications whose AID begins so; all of them when nothing is named (11.4)."""
    return Command(0x80, 0xF2, 0x40, 0x02, tlv(0x4F, aid), LE_MAX)


def read_status(answer: bytes) -> list[Application]:
    """What GET STATUS answered: E3 {4F AID, 9F70 state, C5 privileges}, as often as there are applications.

    Raises:
        Malformed: another shape.

    """
    return [_application(dict(read_tlvs(entry))) for tag, entry in read_tlvs(answer) if tag == 0xE3]


def _application(entry: dict[int, bytes]) -> Application:
    aid, state = entry.get(0x4F), entry.get(0x9F70)
    if not aid or not state:
        raise Malformed("GET STATUS", "an entry has no AID (4F) or no state (9F70)")
    return Application(aid, state[0], entry.get(0xC5, b"\x00"))


def set_status(aid: bytes, *, locked: bool) -> Command:
    """Lock an application, or let it return to the state that it had (11.10)."""
    return Command(0x80, 0xF0, 0x40, LOCKED if locked else 0x00, aid)


CPLC_TAG, CPLC_LEN = 0x9F7F, 42


def read_cplc(answer: bytes) -> bytes:
    """The card production life cycle data in the answer of GET DATA, with or without its tag.

    Raises:
        Malformed: not 42 bytes.

    """
    raw = answer if len(answer) == CPLC_LEN else dict(read_tlvs(answer)).get(CPLC_TAG, b"")
    if len(raw) != CPLC_LEN:
        raise Malformed("CPLC", f"{CPLC_LEN} bytes are expected")
    return raw


def get_cplc() -> Command:
    return Command(0x80, 0xCA, 0x9F, 0x7F, le=LE_MAX)


def select_domain(aid: bytes = ISSUER_SECURITY_DOMAIN) -> Command:
    return select_aid(aid)
