"""The commands of the e-purse: how each is recognised, and how each is built.

Sources: JR/T 0025 parts 1 and 2, CJ/T 166, JT/T 978. `SHAPES` is the one table of what a command looks like: the
recogniser, the software card and the length checks all read it. An answer is understood by its command, so scripts may
be run in any order.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from tongka.card.apdu import LE_MAX, Command
from tongka.card.purse import Moment, TransactionType, amount4
from tongka.errors import Malformed

MINISTRY_AID = bytes.fromhex("A000000632010105")
"""The ministry of transport's e-purse."""
ELECTRONIC_CASH_AID = bytes.fromhex("A000000632010106")
HOUSING_AID = bytes.fromhex("A00000000386980701")
"""The housing ministry's city card."""
PSE_NAME = b"2PAY.SYS.DDF01"
PSAM_NAME = bytes.fromhex("A0000006324D4F542E435053414D3031")

KEY_INDEX = 1
"""The first data byte of an INIT command. Huzhou calls it 交易类型(01), but the type inside the MACs is 02 or 06."""
EP = 0x02
"""P2: the electronic purse; 01 would be the electronic deposit (ED)."""
ED = 0x01


class CommandKind(Enum):
    """What a command asks for, whatever its parameters."""

    SELECT = auto()
    READ_BINARY = auto()
    READ_RECORD = auto()
    UPDATE_BINARY = auto()
    UPDATE_BINARY_MAC = auto()
    GET_BALANCE = auto()
    GET_CHALLENGE = auto()
    VERIFY = auto()
    INIT_FOR_LOAD = auto()
    CREDIT_FOR_LOAD = auto()
    INIT_FOR_PURCHASE = auto()
    INIT_FOR_CAPP = auto()
    UPDATE_CAPP_CACHE = auto()
    DEBIT_FOR_PURCHASE = auto()
    INIT_FOR_UNLOAD = auto()
    DEBIT_FOR_UNLOAD = auto()
    GET_TRANSACTION_PROVE = auto()
    APP_BLOCK = auto()
    APP_UNBLOCK = auto()
    CARD_BLOCK = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Shape:
    """One row of the command table; None stands for "any".

    Attributes:
        lc: the exact number of data bytes.
        answer: the exact number of bytes of a 9000 answer.

    """

    kind: CommandKind
    cla: int
    ins: int
    p1: int | None
    p2: int | None
    lc: int | None
    answer: int | None

    def fits(self, command: Command) -> bool:
        """Whether class, instruction and parameters are this row's."""
        return (
            (command.cla, command.ins) == (self.cla, self.ins)
            and self.p1 in (None, command.p1)
            and self.p2 in (None, command.p2)
        )


_K = CommandKind
SHAPES: tuple[Shape, ...] = (
    #     kind                     cla   ins   p1    p2    lc    answer
    Shape(_K.SELECT, 0x00, 0xA4, None, 0x00, None, None),
    Shape(_K.READ_BINARY, 0x00, 0xB0, None, None, 0, None),
    Shape(_K.READ_RECORD, 0x00, 0xB2, None, None, 0, None),
    Shape(_K.UPDATE_BINARY, 0x00, 0xD6, None, None, None, 0),
    Shape(_K.UPDATE_BINARY_MAC, 0x04, 0xD6, None, None, None, 0),
    Shape(_K.GET_BALANCE, 0x80, 0x5C, None, None, 0, 4),
    Shape(_K.GET_CHALLENGE, 0x00, 0x84, 0x00, 0x00, 0, None),
    Shape(_K.VERIFY, 0x00, 0x20, 0x00, None, None, 0),
    Shape(_K.INIT_FOR_LOAD, 0x80, 0x50, 0x00, None, 11, 16),
    Shape(_K.CREDIT_FOR_LOAD, 0x80, 0x52, 0x00, 0x00, 11, 4),
    Shape(_K.INIT_FOR_PURCHASE, 0x80, 0x50, 0x01, None, 11, 15),
    Shape(_K.INIT_FOR_CAPP, 0x80, 0x50, 0x03, None, 11, 15),
    Shape(_K.UPDATE_CAPP_CACHE, 0x80, 0xDC, None, None, None, 0),
    Shape(_K.DEBIT_FOR_PURCHASE, 0x80, 0x54, 0x01, 0x00, 15, 8),
    Shape(_K.INIT_FOR_UNLOAD, 0x80, 0x50, 0x05, None, 11, 16),
    Shape(_K.DEBIT_FOR_UNLOAD, 0x80, 0x54, 0x03, 0x00, 11, 4),
    Shape(_K.GET_TRANSACTION_PROVE, 0x80, 0x5A, 0x00, None, 2, 8),
    Shape(_K.APP_BLOCK, 0x84, 0x1E, 0x00, None, 4, 0),
    Shape(_K.APP_UNBLOCK, 0x84, 0x18, 0x00, 0x00, 4, 0),
    Shape(_K.CARD_BLOCK, 0x84, 0x16, 0x00, 0x00, 4, 0),
)


_BY_INS = {ins: tuple(shape for shape in SHAPES if shape.ins == ins) for ins in {shape.ins for shape in SHAPES}}


def shape_of(command: Command) -> Shape | None:
    """The row of `SHAPES` that this command belongs to, or None."""
    return next((shape for shape in _BY_INS.get(command.ins, ()) if shape.fits(command)), None)


def classify(apdu: bytes | Command) -> CommandKind:
    """What this APDU asks for; `UNKNOWN` when no row of `SHAPES` fits.

    Raises:
        Malformed: the bytes are not an APDU.

    """
    shape = shape_of(apdu if isinstance(apdu, Command) else Command.parse(apdu))
    return shape.kind if shape else CommandKind.UNKNOWN


# --- reading parameters out of a command ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InitData:
    """The data of an INIT command: key index 1‖amount 4‖terminal 6."""

    key_index: int
    amount: int
    terminal: bytes

    @classmethod
    def parse(cls, command: Command) -> Self:
        """Read the data field of any INIT command.

        Raises:
            Malformed: it has not 11 bytes.

        """
        data = command.data
        if len(data) != 11:
            raise Malformed("apdu", f"an INIT command carries 11 bytes, not {len(data)}")
        return cls(data[0], int.from_bytes(data[1:5], "big"), data[5:11])

    @property
    def bytes(self) -> bytes:
        return bytes((self.key_index,)) + amount4(self.amount) + self.terminal


@dataclass(frozen=True, slots=True)
class FileRef:
    """What a READ or UPDATE names: a file, and an offset (binary) or a record number or id.

    Attributes:
        sfi: the short file identifier; None is the current file.
        by_id: of a record: `number` is the record's first byte, not its place.

    """

    sfi: int | None
    offset: int = 0
    number: int = 0
    by_id: bool = False

    @property
    def fid(self) -> str | None:
        """The file identifier, ``"0015"`` for SFI 15 hex; None is the current file."""
        return None if self.sfi is None else f"{self.sfi:04X}"

    @classmethod
    def of_binary(cls, command: Command) -> Self:
        """P1 = 80|SFI, P2 = offset; or, without the top bit, a 15-bit offset into the current file."""
        if command.p1 & 0x80:
            return cls(sfi=command.p1 & 0x1F, offset=command.p2)
        return cls(sfi=None, offset=command.p1 << 8 | command.p2)

    @classmethod
    def of_record(cls, command: Command) -> Self:
        """P1 = number or id, P2 = SFI<<3 (by id) or SFI<<3|4 (by number).

        Raises:
            Malformed: other low bits in P2.

        """
        mode = command.p2 & 0x07
        if mode not in (0, 4):
            raise Malformed("apdu", f"P2 of READ RECORD ends in 0 (by id) or 4 (by number), not {mode}")
        return cls(sfi=command.p2 >> 3 or None, number=command.p1, by_id=mode == 0)


def file_of(command: Command) -> FileRef | None:
    """The file that a READ BINARY or READ RECORD reads; None for every other command.

    Raises:
        Malformed: a READ RECORD with an undefined P2.

    """
    match classify(command):
        case CommandKind.READ_BINARY:
            return FileRef.of_binary(command)
        case CommandKind.READ_RECORD:
            return FileRef.of_record(command)
        case _:
            return None


# --- builders; `Command.without_le()` gives the form that Huzhou sends ------------------------------------------------


def select_aid(aid: bytes) -> Command:
    return Command(0x00, 0xA4, 0x04, 0x00, aid, LE_MAX)


def select_purse(aid: bytes = MINISTRY_AID) -> Command:
    return select_aid(aid)


def select_pse() -> Command:
    return select_aid(PSE_NAME)


def select_file(fid: str) -> Command:
    """`fid`: four hex digits, ``"0015"``."""
    return Command(0x00, 0xA4, 0x00, 0x00, bytes.fromhex(fid))


def read_binary(sfi: int, offset: int = 0, length: int = LE_MAX) -> Command:
    return Command(0x00, 0xB0, 0x80 | sfi, offset, le=length)


def read_record(sfi: int, number: int) -> Command:
    """By place, from 1; record 1 of a cyclic file is the newest."""
    return Command(0x00, 0xB2, number, sfi << 3 | 4, le=LE_MAX)


def read_record_by_id(sfi: int, record_id: int) -> Command:
    return Command(0x00, 0xB2, record_id, sfi << 3, le=LE_MAX)


def get_balance(*, usable: bool = False) -> Command:
    """P1 00 is the purse, 03 the usable balance [M]."""
    return Command(0x80, 0x5C, 0x03 if usable else 0x00, EP, le=4)


def get_challenge(length: int = 4) -> Command:
    return Command(0x00, 0x84, 0x00, 0x00, le=length)


def verify(pin: bytes, pin_id: int = 0) -> Command:
    return Command(0x00, 0x20, 0x00, pin_id, pin)


def _init(p1: int, answer: int, data: InitData, purse: int = EP) -> Command:
    return Command(0x80, 0x50, p1, purse, data.bytes, answer)


def init_for_load(amount: int, terminal: bytes, key_index: int = KEY_INDEX) -> Command:
    """`amount` in fen, `terminal` 6 bytes; amount 0 asks for the counter and proves it."""
    return _init(0x00, 16, InitData(key_index, amount, terminal))


def credit_for_load(when: Moment, mac2: bytes) -> Command:
    return Command(0x80, 0x52, 0x00, 0x00, when.bytes + mac2, 4)


def init_for_purchase(amount: int, terminal: bytes, key_index: int = KEY_INDEX) -> Command:
    return _init(0x01, 15, InitData(key_index, amount, terminal))


def init_for_capp(amount: int, terminal: bytes, key_index: int = KEY_INDEX) -> Command:
    return _init(0x03, 15, InitData(key_index, amount, terminal))


def update_capp_cache(sfi: int, data: bytes, record_id: int = 0) -> Command:
    """`record_id` 0 appends to a cyclic file; otherwise it names the record of a variable file."""
    return Command(0x80, 0xDC, record_id, sfi << 3, data)


def debit_for_purchase(serial: bytes, when: Moment, mac1: bytes) -> Command:
    """`serial`: the terminal's transaction number, 4 bytes. It also completes a CAPP purchase."""
    return Command(0x80, 0x54, 0x01, 0x00, serial + when.bytes + mac1, 8)


def init_for_unload(amount: int, terminal: bytes, key_index: int = KEY_INDEX) -> Command:
    return _init(0x05, 16, InitData(key_index, amount, terminal), ED)


def debit_for_unload(when: Moment, mac2: bytes) -> Command:
    return Command(0x80, 0x54, 0x03, 0x00, when.bytes + mac2, 4)


def get_transaction_prove(kind: TransactionType, atc_after: int) -> Command:
    """`atc_after`: the counter after the transaction, which is the INIT's counter + 1 [M]."""
    return Command(0x80, 0x5A, 0x00, kind, atc_after.to_bytes(2, "big"), 8)


# --- commands under secure messaging: the MAC is over header‖Lc‖data, Lc counting the MAC ----------------------------


def update_binary_header(sfi: int, offset: int, data: bytes) -> bytes:
    """What the MAC of an UPDATE BINARY is made over: CLA INS P1 P2 Lc‖data."""
    return bytes((0x04, 0xD6, 0x80 | sfi, offset, len(data) + 4)) + data


def update_binary_mac(sfi: int, offset: int, data: bytes, mac: bytes) -> Command:
    return Command.parse(update_binary_header(sfi, offset, data) + mac)


APP_BLOCK_TEMPORARY = bytes.fromhex("841E000004")
APP_BLOCK_PERMANENT = bytes.fromhex("841E000104")
APP_UNBLOCK = bytes.fromhex("8418000004")
CARD_BLOCK = bytes.fromhex("8416000004")


def app_block(mac: bytes, *, permanent: bool = False) -> Command:
    return Command.parse((APP_BLOCK_PERMANENT if permanent else APP_BLOCK_TEMPORARY) + mac)


def app_unblock(mac: bytes) -> Command:
    return Command.parse(APP_UNBLOCK + mac)


def card_block(mac: bytes) -> Command:
    return Command.parse(CARD_BLOCK + mac)


def secured_part(command: Command) -> tuple[bytes, bytes]:
    """Split a command under secure messaging into (what its MAC covers, the MAC).

    Raises:
        Malformed: fewer than four data bytes.

    """
    if len(command.data) < 4:
        raise Malformed("apdu", "a command under secure messaging ends in a MAC of 4 bytes")
    return bytes(command.without_le())[:-4], command.data[-4:]
