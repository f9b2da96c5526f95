"""APDUs in all four cases, answers, status words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.card.apdu import ApduError, Command, Response, StatusWord, describe, parse_hex
from tongka.errors import CardError, Malformed

BYTE = st.integers(0, 255)
COMMANDS = st.builds(Command, BYTE, BYTE, BYTE, BYTE, st.binary(max_size=255), st.none() | st.integers(1, 256))

CASES = [
    ("00840000", Command(0x00, 0x84, 0, 0), "case 1"),
    ("0084000004", Command(0x00, 0x84, 0, 0, le=4), "case 2"),
    ("00B0950000", Command(0x00, 0xB0, 0x95, 0, le=256), "case 2, Le 256"),
    ("00A40000020015", Command(0x00, 0xA4, 0, 0, b"\x00\x15"), "case 3"),
    ("00A4000002001500", Command(0x00, 0xA4, 0, 0, b"\x00\x15", 256), "case 4"),
]


@pytest.mark.parametrize(("text", "command"), [case[:2] for case in CASES], ids=[case[2] for case in CASES])
def test_each_case_is_read_and_written(text, command):
    assert Command.from_hex(text) == command
    assert command.hex == text


@given(COMMANDS)
def test_commands_survive_the_round_trip(command):
    assert Command.parse(bytes(command)) == command


@given(COMMANDS.filter(lambda command: command.data))
def test_a_truncated_or_lengthened_command_is_refused(command):
    whole = bytes(command.without_le())
    for wrong in (whole[:3], whole[:-1] if len(command.data) > 1 else whole[:2], whole + b"\0\0"):
        with pytest.raises(Malformed):
            Command.parse(wrong)


@pytest.mark.parametrize("text", ["", "00", "00B095", "zz", "00 84 00 00", "0084000", "0084000000FF", "008400000501"])
def test_what_is_no_apdu_is_refused_with_the_fields_name(text):
    with pytest.raises(Malformed, match="apdulist"):
        Command.from_hex(text, "apdulist")


def test_hexadecimal_is_read_in_both_cases():
    assert parse_hex("aAfF", "x") == b"\xaa\xff"


@given(st.binary(max_size=256), st.integers(0, 0xFFFF))
def test_answers_survive_the_round_trip(data, sw):
    response = Response(data, sw)
    assert Response.parse(response.raw) == response
    assert response.ok == (sw == 0x9000)


@pytest.mark.parametrize("length", [0, 1, 259])
def test_answers_of_an_impossible_length_are_refused(length):
    with pytest.raises(Malformed):
        Response.parse(bytes(length))


def test_a_refusal_carries_its_number_and_says_what_was_tried():
    with pytest.raises(ApduError, match=r"CREDIT.*9302: the MAC is wrong") as refused:
        Response(b"", 0x9302).require("CREDIT FOR LOAD")
    assert refused.value.sw == StatusWord.MAC_WRONG
    assert isinstance(refused.value, CardError)
    assert Response(b"x", 0x9000).require() == b"x"


@pytest.mark.parametrize(
    ("sw", "text"),
    [
        (0x9000, "9000: done"),
        (0x63C2, "63C2: wrong PIN, 2 tries left"),
        (0x6C10, "6C10: wrong Le, 16 bytes are there"),
        (0x6C00, "6C00: wrong Le, 256 bytes are there"),
        (0x1234, "1234: unknown status word"),
    ],
)
def test_status_words_are_described(sw, text):
    assert describe(sw) == text


def test_every_status_word_has_a_text_of_its_own():
    texts = [word.text for word in StatusWord]
    assert all(texts)
    assert len(set(texts)) == len(texts)
