"""SELECT and reading, with Huzhou's whole list of reading commands."""

import pytest

from tongka.card import appendix_c, commands
from tongka.card.apdu import Command, StatusWord
from tongka.card.commands import ELECTRONIC_CASH_AID

SW = StatusWord


def test_select_answers_the_fci_with_file_15(bench):
    fci = bench.terminal.select().hex().upper()
    assert fci == "6F318408A000000632010105A5259F0801029F0C1E" + bench.image.files["0015"].hex().upper()


def test_the_payment_environment_can_be_selected_and_holds_no_purse_files(bench):
    assert bench.sw(appendix_c.command("IDX_0001")) == SW.OK
    assert bench.sw(commands.read_binary(0x15)) == SW.FILE_NOT_FOUND
    assert bench.sw(commands.get_balance()) == SW.CONDITIONS_NOT_SATISFIED


def test_another_application_is_not_found_and_the_selection_stays(bench):
    assert bench.sw(commands.select_aid(ELECTRONIC_CASH_AID)) == SW.FILE_NOT_FOUND
    assert bench.terminal.balance() == 5_000


@pytest.mark.parametrize("row", [row for row in appendix_c.ROWS if row.is_fixed], ids=lambda row: row.index)
def test_every_fixed_command_of_appendix_c_is_answered(mint, row):
    """Records that were not written yet are 6A83; everything else is there."""
    record = row.template.startswith("00B2")
    assert mint().sw(row.command) in ({SW.OK, SW.RECORD_NOT_FOUND} if record else {SW.OK})


def test_a_card_without_the_huzhou_files_says_so(mint):
    bench = mint()
    del bench.image.files["0005"]
    assert bench.sw(appendix_c.command("IDX_0035")) == SW.FILE_NOT_FOUND


@pytest.mark.parametrize("le", [None, 30, 256])
def test_file_15_is_read_whole(bench, le):
    assert bench.terminal.ask(Command(0, 0xB0, 0x95, 0, le=le), "READ") == bench.image.files["0015"]


def test_parts_of_a_file_are_read_by_offset_and_length(bench):
    content = bench.image.files["0015"]
    assert bench.terminal.ask(commands.read_binary(0x15, 10, 10), "READ") == content[10:20]
    assert bench.terminal.ask(commands.read_binary(0x15, 28), "READ") == content[28:]


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        (commands.read_binary(0x15, 30), SW.WRONG_OFFSET),
        (commands.read_binary(0x15, 20, 11), SW.WRONG_LE | 10),
        (commands.read_binary(0x14), SW.FILE_NOT_FOUND),
        (commands.read_binary(0x18), SW.WRONG_FILE_TYPE),
        (commands.read_record(0x15, 1), SW.WRONG_FILE_TYPE),
        (commands.read_record(0x18, 1), SW.RECORD_NOT_FOUND),
        (commands.read_record(0x19, 0), SW.RECORD_NOT_FOUND),
        (commands.read_record_by_id(0x19, 9), SW.RECORD_NOT_FOUND),
        (Command(0, 0xB2, 1, 0xCC, le=31), SW.WRONG_LE | 32),
        (Command(0, 0xB2, 1, 0xC7, le=256), SW.WRONG_PARAMETERS),
        (Command(0, 0xB0, 0, 0, le=256), SW.NO_CURRENT_FILE),
        (Command(0, 0xA4, 0, 0, b"\x00\x99"), SW.FILE_NOT_FOUND),
        (Command(0, 0xA4, 0, 0, b"\x00"), SW.WRONG_LENGTH),
        (Command(0, 0xA4, 1, 0, b"\x00\x15"), SW.WRONG_PARAMETERS),
        (Command(0, 0xD6, 0x95, 0, b"\x00"), SW.SECURITY_NOT_SATISFIED),
    ],
)
def test_what_cannot_be_read_gets_its_status_word(mint, command, sw):
    assert mint().sw(command) == sw


def test_a_file_selected_by_its_identifier_is_the_current_one(bench):
    assert bench.sw(commands.select_file("0017")) == SW.OK
    assert bench.terminal.ask(Command(0, 0xB0, 0, 2, le=2), "READ") == b"\x01\x56"
    assert bench.sw(commands.select_file("3F00")) == SW.OK
    assert bench.sw(Command(0, 0xB0, 0, 0, le=2)) == SW.NO_CURRENT_FILE


def test_records_are_read_by_place_and_by_id(bench):
    by_place = bench.terminal.ask(commands.read_record(0x1A, 2), "READ")
    assert by_place.startswith(b"\x27\x02")
    assert bench.terminal.ask(commands.read_record_by_id(0x19, 2), "READ").startswith(b"\x02")


def test_the_log_is_cyclic_newest_first_and_ten_long(mint):
    bench = mint()
    for amount in range(1, 13):
        bench.terminal.load(amount, bench.when)
    read = [bench.terminal.ask(commands.read_record(0x18, n), "READ")[5:9] for n in range(1, 11)]
    assert [int.from_bytes(amount, "big") for amount in read] == list(range(12, 2, -1))
    assert bench.sw(commands.read_record(0x18, 11)) == SW.RECORD_NOT_FOUND
    assert bench.sw(commands.read_record(0x07, 4)) == SW.OK
    assert bench.sw(commands.read_record(0x07, 5)) == SW.RECORD_NOT_FOUND
