"""What a card said, put together from a script: each answer is understood by its command, in any order."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tongka.card import appendix_c, commands
from tongka.card.apdu import CardChannel, Command, StatusWord, send
from tongka.card.commands import CommandKind, FileRef, InitData, classify, file_of
from tongka.card.files import FILES, File05, File15, File16, File17, FileKind, LogRecord
from tongka.card.layout import Layout
from tongka.card.profiles import CardProfile, find_profile
from tongka.card.purse import TERMINAL_LEN, LoadInit
from tongka.card.script import Exchange, Script
from tongka.errors import CardError

FIXED_READS = ("IDX_0002", "IDX_0003", "IDX_0004", "IDX_0005", "IDX_0006", "IDX_0035")
LOG_READS = tuple(f"IDX_{number:04d}" for number in range(7, 17))
"""File 0018, records 1 to 10; the first that is not there ends them."""

L = TypeVar("L", bound=Layout)

BALANCE_LEN = 4


@dataclass(frozen=True, slots=True)
class CardReading:
    """Everything that a script's 9000 answers told; what was not asked or not answered is None or missing.

    Attributes:
        init: the last INIT FOR LOAD that was answered; it tells counter, key version and algorithm.
        files: transparent files that were read whole, by identifier.
        records: (file, record number) → record; empty slots are left out.

    """

    balance: int | None = None
    init: LoadInit | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    records: dict[tuple[str, int], bytes] = field(default_factory=dict)

    @property
    def file15(self) -> File15:
        """File 0015.

        Raises:
            CardError: it is not among the answers.

        """
        file15 = self._file(File15)
        if file15 is None:
            raise CardError("file 0015 is not among the card's answers; run SELECT and READ BINARY 15 first")
        return file15

    @property
    def file05(self) -> File05 | None:
        return self._file(File05)

    @property
    def file16(self) -> File16 | None:
        return self._file(File16)

    @property
    def file17(self) -> File17 | None:
        return self._file(File17)

    @property
    def profile(self) -> CardProfile:
        """The card's type; without an INIT, the first that its number fits.

        Raises:
            CardError: file 0015 is not among the answers.
            Unsupported: no card type of ours.

        """
        return find_profile(self.file15, self.init.algorithm if self.init else None)

    def log(self, fid: str = "0018") -> list[LogRecord]:
        """The transactions of a log file (0018, 0007, 0008), newest first."""
        return [LogRecord.parse(data) for (name, _), data in sorted(self.records.items()) if name == fid]

    def _file(self, layout: type[L]) -> L | None:
        data = self.files.get(layout.NAME)
        return None if data is None else layout.parse(data)


def understand(script: Script) -> CardReading:
    """Read the 9000 answers of a script; others say that something is not there, and that is all.

    Raises:
        Malformed: a READ RECORD with an undefined P2.
        CardError: an INIT FOR LOAD's or a GET BALANCE's answer has another length.

    """
    reading = CardReading()
    for command, answer in script:
        if answer.ok:
            reading = _with(reading, command, answer.data)
    return reading


def _with(reading: CardReading, command: Command, data: bytes) -> CardReading:
    match classify(command):
        case CommandKind.GET_BALANCE:
            return replace(reading, balance=_balance(data))
        case CommandKind.INIT_FOR_LOAD:
            asked = InitData.parse(command)
            return replace(reading, init=LoadInit.parse(asked.amount, asked.terminal, data))
        case CommandKind.READ_BINARY | CommandKind.READ_RECORD:
            return _with_content(reading, file_of(command), data)
        case _:
            return reading


def _balance(data: bytes) -> int:
    """Four bytes whose top bit is not part of the amount.

    Raises:
        CardError: another length.

    """
    if len(data) != BALANCE_LEN:
        raise CardError(f"GET BALANCE answers {BALANCE_LEN} bytes, not {len(data)}")
    return int.from_bytes(data, "big") & 0x7FFFFFFF


def _with_content(reading: CardReading, ref: FileRef | None, data: bytes) -> CardReading:
    row = FILES.get(ref.fid or "") if ref else None
    if ref is None or row is None:
        return reading
    if row.kind is not FileKind.TRANSPARENT:
        return replace(reading, records=reading.records | {(row.fid, ref.number): data}) if any(data) else reading
    whole = ref.offset == 0 and row.layout is not None and len(data) == row.layout.LENGTH
    return replace(reading, files=reading.files | {row.fid: data}) if whole else reading


# --- reading a card at hand -------------------------------------------------------------------------------------------


def read_card(channel: CardChannel) -> CardReading:
    """Select the purse and read what people want to see.

    Raises:
        ApduError: the purse cannot be selected.
        CardGone: the card left.

    """
    selected, *rest = (appendix_c.command(index) for index in FIXED_READS)
    rest.append(commands.init_for_load(0, bytes(TERMINAL_LEN)))  # changes nothing, and tells counter and algorithm
    first = Exchange(selected, send(channel, selected))
    first.answer.require("SELECT")
    return understand((first, *(Exchange(command, send(channel, command)) for command in rest), *_log(channel)))


def _log(channel: CardChannel) -> Iterable[Exchange]:
    for index in LOG_READS:
        command = appendix_c.command(index)
        answer = send(channel, command)
        if answer.sw == StatusWord.RECORD_NOT_FOUND:
            return
        yield Exchange(command, answer)
