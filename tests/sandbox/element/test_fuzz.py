"""Whatever comes, the element answers with a status word, and keeps an image that can be read again."""

import hmac
import json

import fuzz_element
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from element_host import PURSE, Host, card_for_phones, element_of
from tongka.card import commands
from tongka.card import global_platform as gp
from tongka.card.apdu import Command, send
from tongka.sandbox.element.image import ElementImage

BYTE = st.integers(0, 255)
INS = st.sampled_from([0x50, 0x82, 0xA4, 0xB0, 0xB2, 0xCA, 0xE2, 0xE4, 0xE6, 0xF0, 0xF2, 0x5C, 0x84, 0x00])
P1 = st.sampled_from([0x00, 0x04, 0x08, 0x0C, 0x20, 0x40, 0x80, 0x88]) | BYTE
PIECES = st.sampled_from([PURSE, bytes.fromhex("4F08") + PURSE, bytes.fromhex("A0000006320101"), b"\x00", b"\x4f\x00"])
DATA = st.binary(max_size=60) | st.lists(PIECES | st.binary(max_size=9), max_size=6).map(b"".join)
CLA, LE = st.sampled_from([0x00, 0x80, 0x84, 0x04]), st.sampled_from([None, 256])
COMMANDS = st.builds(Command, CLA, INS, P1, BYTE, DATA, LE)
DGIS = st.sampled_from([0x15, 0x16, 0x17, 0x8201, 0x8204, 0x99])
GROUPINGS = st.lists(st.builds(gp.Grouping, DGIS, st.binary(max_size=70)), min_size=1, max_size=6)


def whole(element) -> None:
    """What would be kept of it can be read again."""
    assert ElementImage.from_json(json.loads(json.dumps(element.image.to_json()))) == element.image


@settings(max_examples=150)
@given(st.sampled_from(["02", "03"]), st.lists(st.binary(max_size=40) | COMMANDS.map(bytes), max_size=12))
def test_any_bytes_are_answered(scp, apdus):
    element = element_of(scp)
    for apdu in apdus:
        assert 0x6000 <= element.transmit(apdu).sw <= 0x9FFF
    whole(element)


@settings(max_examples=150)
@given(st.sampled_from(["02", "03"]), st.lists(COMMANDS, max_size=12))
def test_any_command_over_the_channel_is_answered(scp, wanted):
    host = Host(element_of(scp)).open()
    host.install()
    for command in wanted:
        if command.cla == 0x80 and command.ins not in {0x50, 0x82}:
            assert 0x6000 <= host.send(command).sw <= 0x9FFF
        else:
            assert 0x6000 <= send(host.element, command).sw <= 0x9FFF
            host.open()
    whole(host.element)


@settings(max_examples=100)
@given(GROUPINGS)
def test_any_personalisation_leaves_no_purse_but_a_right_one(groupings):
    host = Host(element_of("03")).open()
    host.install()
    host.send(gp.install_for_personalization(PURSE)).require()
    for command in gp.store_data(groupings):
        host.send(command)
    assert host.element.image.instances[PURSE].purse is None
    whole(host.element)


def test_a_card_in_use_survives_any_command_of_the_domain():
    host = Host(element_of("03")).open()
    host.install()
    host.personalise(card_for_phones())
    for ins in set(range(256)) - {0x50, 0x82, 0xE4, 0xF0}:
        for p1 in (0x00, 0x0C, 0x20, 0x40, 0x88):
            host.send(Command(0x80, ins, p1, 0x00, bytes((len(PURSE),)) + PURSE))
    send(host.element, commands.select_purse()).require()
    assert host.element.image.instances[PURSE].purse.files == card_for_phones().files


# --- the fuzzer's short form; `make fuzz` takes a million steps -------------------------------------------------------


def test_only_rightly_wrapped_commands_change_an_element():
    ends = fuzz_element.run(6_000, seed=20240131)
    for moved in ("INSTALL 9000", "DELETE 9000", "SET STATUS 9000", "GET STATUS 6982", "cut"):
        assert ends[moved], moved


@pytest.mark.parametrize(
    "fault",
    [
        lambda _got, _expected: True,
        lambda got, expected: got[:1] == expected[:1],
    ],
    ids=["no MAC is looked at", "one byte of it is"],
)
def test_the_fuzzer_catches_an_element_that_does_not_look_at_macs(monkeypatch, fault):
    monkeypatch.setattr(hmac, "compare_digest", fault)
    with pytest.raises(fuzz_element.Finding):
        fuzz_element.run(20_000, seed=1)
