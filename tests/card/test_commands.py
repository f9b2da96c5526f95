"""Commands: each builder's bytes, and that the recogniser reads back what it built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.card import commands
from tongka.card.apdu import Command
from tongka.card.commands import SHAPES, CommandKind, FileRef, InitData, classify, file_of
from tongka.card.purse import Moment, TransactionType
from tongka.errors import Malformed

TERMINAL = bytes.fromhex("000000000001")
WHEN = Moment(bytes.fromhex("20240131"), bytes.fromhex("235959"))
MAC = bytes.fromhex("A1B2C3D4")
_K = CommandKind

BUILT = [
    (commands.select_purse(), "00A4040008A00000063201010500", _K.SELECT),
    (commands.select_pse(), "00A404000E325041592E5359532E444446303100", _K.SELECT),
    (commands.select_file("0015"), "00A40000020015", _K.SELECT),
    (commands.read_binary(0x15), "00B0950000", _K.READ_BINARY),
    (commands.read_binary(0x15, 8, 22), "00B0950816", _K.READ_BINARY),
    (commands.read_record(0x18, 1), "00B201C400", _K.READ_RECORD),
    (commands.read_record(0x07, 4), "00B2043C00", _K.READ_RECORD),
    (commands.read_record_by_id(0x1A, 0x27), "00B227D000", _K.READ_RECORD),
    (commands.get_balance(), "805C000204", _K.GET_BALANCE),
    (commands.get_balance(usable=True), "805C030204", _K.GET_BALANCE),
    (commands.get_challenge(), "0084000004", _K.GET_CHALLENGE),
    (commands.get_challenge(8), "0084000008", _K.GET_CHALLENGE),
    (commands.verify(b"\x12\x34\x56"), "0020000003123456", _K.VERIFY),
    (commands.init_for_load(0x1234, TERMINAL), "805000020B010000123400000000000110", _K.INIT_FOR_LOAD),
    (commands.credit_for_load(WHEN, MAC), "805200000B20240131235959A1B2C3D404", _K.CREDIT_FOR_LOAD),
    (commands.init_for_purchase(1, TERMINAL), "805001020B01000000010000000000010F", _K.INIT_FOR_PURCHASE),
    (commands.init_for_capp(1, TERMINAL), "805003020B01000000010000000000010F", _K.INIT_FOR_CAPP),
    (commands.update_capp_cache(0x1E, b"\x05"), "80DC00F00105", _K.UPDATE_CAPP_CACHE),
    (commands.update_capp_cache(0x19, b"\x02", 2), "80DC02C80102", _K.UPDATE_CAPP_CACHE),
    (
        commands.debit_for_purchase(b"\0\0\0\7", WHEN, MAC),
        "805401000F0000000720240131235959A1B2C3D408",
        _K.DEBIT_FOR_PURCHASE,
    ),
    (commands.init_for_unload(1, TERMINAL), "805005010B010000000100000000000110", _K.INIT_FOR_UNLOAD),
    (commands.debit_for_unload(WHEN, MAC), "805403000B20240131235959A1B2C3D404", _K.DEBIT_FOR_UNLOAD),
    (commands.get_transaction_prove(TransactionType.EP_LOAD, 2), "805A000202000208", _K.GET_TRANSACTION_PROVE),
    (commands.update_binary_mac(0x15, 9, b"\x01", MAC), "04D695090501A1B2C3D4", _K.UPDATE_BINARY_MAC),
    (commands.app_block(MAC), "841E000004A1B2C3D4", _K.APP_BLOCK),
    (commands.app_block(MAC, permanent=True), "841E000104A1B2C3D4", _K.APP_BLOCK),
    (commands.app_unblock(MAC), "8418000004A1B2C3D4", _K.APP_UNBLOCK),
    (commands.card_block(MAC), "8416000004A1B2C3D4", _K.CARD_BLOCK),
]


@pytest.mark.parametrize(("command", "text", "kind"), BUILT, ids=[text for _, text, _ in BUILT])
def test_each_builder_makes_its_bytes_and_they_are_recognised(command, text, kind):
    assert command.hex == text
    assert classify(bytes(command)) is kind
    assert classify(command.without_le()) is kind


def test_huzhou_leaves_le_out():
    assert commands.init_for_load(0x1234, TERMINAL).without_le().hex == "805000020B0100001234000000000001"


def test_every_kind_has_exactly_one_row_and_no_two_rows_claim_the_same_command():
    assert {shape.kind for shape in SHAPES} == set(CommandKind) - {_K.UNKNOWN}
    assert len({shape.kind for shape in SHAPES}) == len(SHAPES)
    for shape in SHAPES:
        command = Command(shape.cla, shape.ins, shape.p1 or 0, shape.p2 or 0)
        assert [row.kind for row in SHAPES if row.fits(command)] == [shape.kind]


@pytest.mark.parametrize("text", ["00FF0000", "80500202", "FF000000", "84820000"])
def test_other_commands_are_unknown(text):
    assert classify(bytes.fromhex(text)) is _K.UNKNOWN


@given(st.integers(0, 255), st.integers(0, 0xFFFFFFFF), st.binary(min_size=6, max_size=6))
def test_init_data_is_read_back(index, amount, terminal):
    command = commands.init_for_load(amount, terminal, index)
    assert InitData.parse(command) == InitData(index, amount, terminal)


def test_init_data_of_another_length_is_refused():
    with pytest.raises(Malformed):
        InitData.parse(Command(0x80, 0x50, 0, 2, bytes(10)))


@pytest.mark.parametrize(
    ("command", "ref"),
    [
        (commands.read_binary(0x15, 3), FileRef(0x15, offset=3)),
        (Command(0, 0xB0, 0x01, 0x02, le=1), FileRef(None, offset=0x102)),
        (commands.read_record(0x18, 2), FileRef(0x18, number=2)),
        (commands.read_record_by_id(0x19, 9), FileRef(0x19, number=9, by_id=True)),
        (commands.get_balance(), None),
    ],
)
def test_the_file_that_a_command_reads_is_known(command, ref):
    assert file_of(command) == ref


def test_a_file_reference_names_its_file():
    assert FileRef(0x1E).fid == "001E"
    assert FileRef(None).fid is None


def test_an_undefined_record_mode_is_refused():
    with pytest.raises(Malformed):
        file_of(Command(0, 0xB2, 1, 0xC5, le=256))
