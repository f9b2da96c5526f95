"""GlobalPlatform commands: bytes, and what their answers say."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tongka.card import global_platform as gp
from tongka.card.global_platform import Application, Grouping, Install
from tongka.card.secure_channel import WRAPPED_DATA_MAX
from tongka.errors import Malformed

PACKAGE = bytes.fromhex("A0000006320101")
PURSE = bytes.fromhex("A000000632010105")
AIDS = st.binary(min_size=5, max_size=16)

COMMANDS = [
    (gp.select_domain(), "00A4040008A00000015100000000"),
    (
        Install(PACKAGE, PURSE, PURSE).command,
        "80E60C002007A000000632010108A00000063201010508A0000006320101050100" + "02C9000000",
    ),
    (gp.install_for_personalization(PURSE), "80E620000E000008A00000063201010500000000"),
    (gp.delete(PURSE), "80E400000A4F08A00000063201010500"),
    (gp.get_status(), "80F24002024F0000"),
    (gp.get_status(PURSE), "80F240020A4F08A00000063201010500"),
    (gp.set_status(PURSE, locked=True), "80F0408008A000000632010105"),
    (gp.set_status(PURSE, locked=False), "80F0400008A000000632010105"),
    (gp.get_cplc(), "80CA9F7F00"),
]


@pytest.mark.parametrize(("command", "text"), COMMANDS, ids=[text[:8] for _, text in COMMANDS])
def test_each_command_has_its_bytes(command, text):
    assert command.hex == text


@given(AIDS, AIDS, AIDS)
def test_an_install_is_read_back(package, module, instance):
    install = Install(package, module, instance)
    assert Install.parse(install.command.data) == install
    assert gp.personalized_instance(gp.install_for_personalization(instance).data) == instance


@pytest.mark.parametrize("data", ["", "05", "0201", "00000000000000", "0001020000000000"])
def test_what_is_no_install_is_refused(data):
    with pytest.raises(Malformed):
        Install.parse(bytes.fromhex(data))
    with pytest.raises(Malformed):
        gp.personalized_instance(bytes.fromhex(data) + b"\x01")


GROUPINGS = st.lists(st.builds(Grouping, st.integers(0, 0xFFFF), st.binary(max_size=600)), min_size=1, max_size=8)


@given(GROUPINGS)
def test_groupings_arrive_whole_in_numbered_commands_of_which_one_is_the_last(groupings):
    commands = gp.store_data(groupings)
    assert gp.read_groupings(b"".join(command.data for command in commands)) == groupings
    assert [command.p2 for command in commands] == list(range(len(commands)))
    assert [command.p1 for command in commands] == [0x08] * (len(commands) - 1) + [0x88]
    assert max(len(command.data) for command in commands) <= WRAPPED_DATA_MAX


@given(GROUPINGS)
def test_small_groupings_are_never_split(groupings):
    small = [Grouping(grouping.dgi, grouping.value[:200]) for grouping in groupings]
    assert [gp.read_groupings(command.data) for command in gp.store_data(small)] == [[g] for g in small]


@given(GROUPINGS, st.data())
def test_cut_groupings_are_refused(groupings, data):
    whole = b"".join(map(bytes, groupings))
    cut = data.draw(st.integers(1, min(len(whole) - 1, 2 + len(groupings[-1].value))))
    with pytest.raises(Malformed):
        gp.read_groupings(whole[:-cut])


def test_nothing_to_store_is_refused():
    with pytest.raises(Malformed):
        gp.store_data([])


@given(st.lists(st.builds(Application, AIDS, st.integers(0, 255), st.binary(min_size=1, max_size=3)), max_size=8))
def test_the_status_of_applications_is_read(applications):
    answer = b"".join(
        gp.tlv(0xE3, gp.tlv(0x4F, a.aid) + gp.tlv(0x9F70, bytes((a.state,))) + gp.tlv(0xC5, a.privileges))
        for a in applications
    )
    assert gp.read_status(answer) == applications


@pytest.mark.parametrize("answer", ["E305", "E3029F70", "E3049F700107", "E30A4F08A000000632010105", "E381"])
def test_what_is_no_status_is_refused(answer):
    with pytest.raises(Malformed):
        gp.read_status(bytes.fromhex(answer))


def test_a_recorded_status_is_read():
    """Shortened from a real card's list (kaoh/globalplatform, scp02Test.c)."""
    answer = "E30D4F07A00000000353509F700101E30B4F05A0000000049F700101E30D4F07D0D1D2D3D4D5019F700181"
    applications = gp.read_status(bytes.fromhex(answer))
    assert [(a.aid.hex().upper(), a.state, a.locked) for a in applications] == [
        ("A0000000035350", 0x01, False),
        ("A000000004", 0x01, False),
        ("D0D1D2D3D4D501", 0x81, True),
    ]


def test_long_values_have_long_lengths():
    assert list(gp.read_tlvs(gp.tlv(0x9F7F, bytes(200)) + gp.tlv(0x4F, b""))) == [(0x9F7F, bytes(200)), (0x4F, b"")]


def test_the_cplc_is_read_with_and_without_its_tag():
    raw = bytes(range(42))
    assert gp.read_cplc(raw) == gp.read_cplc(gp.tlv(0x9F7F, raw)) == raw
    with pytest.raises(Malformed, match="42"):
        gp.read_cplc(gp.tlv(0x9F7F, raw[:-1]))


def test_status_words_mean_what_globalplatform_says():
    assert gp.meaning(0x6A84) == "6A84: the element is full"
    assert gp.meaning(0x6D00).startswith("6D00: the instruction")
    assert set(gp.MEANINGS) == set(gp.Answer)


def test_commands_of_a_security_domain_have_names_also_when_they_are_wrapped():
    for command in (gp.get_status(), gp.delete(PURSE), gp.get_cplc(), *gp.store_data([Grouping(1, b"")])):
        assert gp.name_of(command) == gp.name_of(replace(command, cla=0x84)) != ""
    assert gp.name_of(gp.select_domain()) == ""
