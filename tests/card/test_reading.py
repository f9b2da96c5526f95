"""A script's answers, understood by their commands in any order."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.card import appendix_c, commands
from tongka.card.apdu import Response, send
from tongka.card.keyset import KeySet
from tongka.card.profiles import PROFILES
from tongka.card.purse import Moment
from tongka.card.reading import CardReading, read_card, understand
from tongka.card.script import Exchange
from tongka.errors import CardError
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import Blank, furnish, personalise
from tongka.sandbox.card.terminal import Terminal

WHEN = Moment(bytes.fromhex("20240131"), bytes.fromhex("083000"))
MASTERS = KeySet(*(bytes(range(n, n + 16)) for n in (1, 2, 3, 4)))


@pytest.fixture(scope="module", params=PROFILES)
def card(request):
    """A card with two loads and a purchase behind it."""
    profile = PROFILES[request.param]
    number = profile.asn_prefix.ljust(20, "2")[-profile.card_no_digits :]
    image = furnish(personalise(profile, number, MASTERS, Blank(balance_fen=5_000)))
    card = SoftwareCard(image, random.Random(1).randbytes)
    terminal = Terminal(card, image.suite, image.keys, bytes(6))
    terminal.select()
    terminal.load(100, WHEN)
    terminal.load(200, WHEN)
    terminal.purchase(50, bytes(4), WHEN)
    return card


@pytest.fixture(scope="module")
def script(card):
    """All fixed commands of appendix C, as that card answers them."""
    asked = [row.command for row in appendix_c.ROWS if row.is_fixed and row.index != "IDX_0001"]
    return tuple(Exchange(command, send(card, command)) for command in asked)


def test_a_card_at_hand_is_read_whole(card):
    reading = read_card(card)
    assert reading.balance == 5_250
    assert reading.file15 == card.image.file15
    assert reading.profile.name == card.image.profile
    assert reading.file17.country == "00000156"
    assert reading.file05.face_number == reading.file15.asn
    assert [record.amount for record in reading.log()] == [50, 200, 100]


@given(data=st.data())
def test_the_order_of_the_answers_does_not_matter(script, data):
    shuffled = tuple(data.draw(st.permutations(script)))
    reading = understand(shuffled)
    assert reading == understand(script)
    assert [record.amount for record in reading.log("0007")] == [200, 100]


def test_an_init_tells_counter_and_algorithm(card):
    command = commands.init_for_load(0, bytes(6)).without_le()
    reading = understand((Exchange(command, send(card, command)),))
    assert (reading.init.online_atc, reading.init.algorithm) == (2, card.image.algorithm.value)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (commands.read_binary(0x15), Response(b"", 0x6A82)),
        (commands.read_binary(0x15), Response(bytes(29), 0x9000)),
        (commands.read_binary(0x15, 10), Response(bytes(30), 0x9000)),
        (commands.read_binary(0x14), Response(bytes(30), 0x9000)),
        (commands.read_record(0x18, 1), Response(bytes(23), 0x9000)),
        (commands.get_challenge(), Response(bytes(4), 0x9000)),
    ],
    ids=["refused", "too short", "not from the start", "unknown file", "empty slot", "no reading"],
)
def test_what_tells_nothing_is_passed_over(command, answer):
    assert understand((Exchange(command, answer),)) == CardReading()


def test_a_balance_s_top_bit_is_masked():
    answer = Response(bytes.fromhex("80000001"), 0x9000)
    assert understand((Exchange(commands.get_balance(), answer),)).balance == 1


def test_a_reading_without_file_15_says_what_to_run():
    with pytest.raises(CardError, match="READ BINARY"):
        _ = CardReading().file15
