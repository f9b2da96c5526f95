"""Challenges, the PIN, secure messaging, blocking."""

from dataclasses import replace
from datetime import date

import pytest

from tongka.card import commands
from tongka.card.apdu import Command, StatusWord
from tongka.errors import CardGone
from tongka.sandbox.card.image import Pin

SW = StatusWord
TERMINAL = bytes.fromhex("000000000042")
PIN = b"\x12\x34\x56"
TEMPORARY, PERMANENT = commands.APP_BLOCK_TEMPORARY, commands.APP_BLOCK_PERMANENT


# --- sale -------------------------------------------------------------------------------------------------------------


def test_the_sale_writes_file_15(mint):
    bench = mint(enabled=False)
    sold = replace(bench.image.file15, enable_flag=1, valid_from=date(2024, 1, 31), valid_to=date(2034, 1, 30))
    bench.terminal.write_file15(sold)
    assert bench.image.file15 == sold
    assert bench.image.to_json()["enabled"] is True


def test_a_wrong_mac_writes_nothing_and_uses_up_the_challenge(bench):
    before = bench.image
    good = bench.terminal.secured(commands.update_binary_header(0x15, 9, b"\x02"))
    wrong = replace(good, data=good.data[:-1] + bytes((good.data[-1] ^ 1,)))
    assert [bench.sw(wrong), bench.sw(good)] == [SW.SECURE_MESSAGE_MAC, SW.NO_CHALLENGE]
    assert bench.image == before


def test_a_challenge_serves_once_and_outlives_a_select(bench):
    update = bench.terminal.secured(commands.update_binary_header(0x15, 9, b"\x02"))
    bench.terminal.select()
    assert [bench.sw(update), bench.sw(update)] == [SW.OK, SW.NO_CHALLENGE]


def test_a_challenge_does_not_outlive_the_power(bench):
    update = bench.terminal.secured(commands.update_binary_header(0x15, 9, b"\x02"))
    bench.back_in_the_field()
    assert bench.sw(update) == SW.NO_CHALLENGE


def test_every_bit_of_a_secured_command_is_covered(mint):
    bench = mint()
    header = commands.update_binary_header(0x15, 28, b"\x00\x00")
    for bit in range(8 * 2):
        command = bench.terminal.secured(header)
        data = bytearray(command.data)
        data[bit // 8] ^= 1 << bit % 8
        assert bench.sw(replace(command, data=bytes(data))) == SW.SECURE_MESSAGE_MAC


@pytest.mark.parametrize(
    ("sfi", "offset", "data", "sw"),
    [
        (0x14, 0, b"\x00", SW.FILE_NOT_FOUND),
        (0x18, 0, b"\x00", SW.FILE_NOT_FOUND),
        (0x15, 29, b"\x00\x00", SW.WRONG_OFFSET),
        (0x15, 0, b"", SW.WRONG_OFFSET),
        (0x15, 12, b"\x77", SW.WRONG_DATA),
        (0x15, 24, b"\x20\x24\x13\x32", SW.WRONG_DATA),
    ],
    ids=["no such file", "a log", "over the end", "nothing", "another number", "no date"],
)
def test_what_cannot_be_written_is_refused(mint, sfi, offset, data, sw):
    bench = mint()
    assert bench.sw(bench.terminal.secured(commands.update_binary_header(sfi, offset, data))) == sw


def test_a_secured_command_without_room_for_a_mac_is_refused(bench):
    assert bench.sw(Command(0x04, 0xD6, 0x95, 0, b"\x00")) == SW.SECURE_MESSAGE_MISSING


@pytest.mark.parametrize(("le", "length"), [(None, 4), (256, 4), (4, 4), (8, 8)])
def test_challenges_have_four_or_eight_bytes(mint, le, length):
    assert len(mint().terminal.ask(Command(0, 0x84, 0, 0, le=le), "CHALLENGE")) == length


def test_other_challenges_are_refused(bench):
    assert bench.sw(commands.get_challenge(5)) == SW.WRONG_LENGTH


# --- blocking ---------------------------------------------------------------------------------------------------------


def test_a_temporary_block_refuses_everything_until_it_is_lifted(bench):
    bench.terminal.ask(bench.terminal.secured(TEMPORARY), "BLOCK")
    assert bench.sw(commands.get_balance()) == SW.NOT_SUPPORTED
    assert bench.sw(commands.select_purse()) == SW.NOT_SUPPORTED
    assert bench.sw(commands.init_for_load(1, TERMINAL)) == SW.NOT_SUPPORTED
    bench.terminal.ask(bench.terminal.secured(commands.APP_UNBLOCK), "UNBLOCK")
    assert bench.terminal.balance() == 5_000


def test_a_permanent_block_is_for_ever(bench):
    bench.terminal.ask(bench.terminal.secured(PERMANENT), "BLOCK")
    assert bench.sw(bench.terminal.secured(commands.APP_UNBLOCK)) == SW.APPLICATION_LOCKED
    bench.card.power_on()
    assert bench.sw(commands.select_purse()) == SW.APPLICATION_LOCKED
    assert bench.sw(commands.get_balance()) == SW.CONDITIONS_NOT_SATISFIED


def test_a_blocked_card_answers_nothing_any_more(bench):
    bench.terminal.ask(bench.terminal.secured(commands.CARD_BLOCK), "BLOCK")
    bench.card.power_on()
    for command in (commands.select_purse(), commands.get_challenge(), commands.read_binary(0x15)):
        assert bench.sw(command) == SW.NOT_SUPPORTED


def test_blocking_needs_its_mac(bench):
    assert bench.sw(commands.app_block(bytes(4))) == SW.NO_CHALLENGE
    bench.terminal.ask(commands.get_challenge(), "CHALLENGE")
    assert bench.sw(commands.app_block(bytes(4))) == SW.SECURE_MESSAGE_MAC
    assert bench.sw(Command(0x84, 0x1E, 0, 2, bytes(4))) == SW.WRONG_PARAMETERS


def test_an_expired_card_still_loads(mint):
    """A card has no clock: the terminal and the platform look at the date."""
    bench = mint(valid_from=date(2001, 1, 1), valid_to=date(2002, 1, 1))
    bench.terminal.load(1_000, bench.when)
    assert bench.terminal.balance() == 1_000


# --- PIN --------------------------------------------------------------------------------------------------------------


def test_a_card_with_a_pin_loads_only_after_verify(mint):
    bench = mint(pin=Pin("123456"))
    assert bench.sw(commands.init_for_load(1, TERMINAL)) == SW.SECURITY_NOT_SATISFIED
    assert bench.sw(commands.verify(PIN)) == SW.OK
    bench.terminal.load(1, bench.when)
    bench.terminal.select()
    assert bench.sw(commands.init_for_load(1, TERMINAL)) == SW.SECURITY_NOT_SATISFIED


def test_purchases_ask_for_no_pin(mint):
    bench = mint(pin=Pin("123456"), balance_fen=10)
    bench.terminal.purchase(1, bench.serial, bench.when)


def test_wrong_pins_are_counted_and_the_third_locks(mint):
    bench = mint(pin=Pin("123456"))
    wrong = commands.verify(b"\x65\x43\x21")
    assert [bench.sw(wrong) for _ in range(3)] == [0x63C2, 0x63C1, 0x63C0]
    assert bench.sw(commands.verify(PIN)) == SW.PIN_LOCKED


def test_the_right_pin_resets_the_count(mint):
    bench = mint(pin=Pin("123456"))
    bench.sw(commands.verify(b"\x00"))
    assert bench.sw(commands.verify(PIN)) == SW.OK
    assert bench.image.pin.tries_left == 3


def test_cutting_the_power_wins_no_free_try(mint):
    bench = mint(pin=Pin("123456"))
    bench.card.switch.arm(1)
    with pytest.raises(CardGone):
        bench.sw(commands.verify(b"\x00"))
    assert bench.image.pin.tries_left == 2


def test_a_card_without_a_pin_knows_none(bench):
    assert bench.sw(commands.verify(PIN)) == SW.REFERENCE_NOT_FOUND
