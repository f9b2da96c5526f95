"""Installing, personalising, looking, locking, deleting."""

from dataclasses import replace
from itertools import pairwise

import pytest

from element_host import PACKAGE, PURSE, Host, card_for_phones, element_of
from tongka.card import commands
from tongka.card import global_platform as gp
from tongka.card.apdu import Command, send
from tongka.card.global_platform import Answer, Grouping, Install, LifeCycle
from tongka.card.profiles import PROFILES
from tongka.card.purse import Moment
from tongka.sandbox.card.terminal import Terminal
from tongka.sandbox.element.image import ROOM

WHEN = Moment(bytes.fromhex("20240131"), bytes.fromhex("083000"))
NUMBERS = {19: "3104880699900000001", 16: "0000999000000001"}


def terminal(host, card) -> Terminal:
    return Terminal(host.element, card.suite, card.keys, bytes.fromhex("000000000042"))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_card_is_opened_loaded_and_spent_like_plastic(host, profile):
    card = card_for_phones(profile, NUMBERS[PROFILES[profile].card_no_digits])
    host.install()
    host.personalise(card)
    assert gp.read_status(host.send(gp.get_status(PURSE)).require()) == [gp.Application(PURSE, LifeCycle.PERSONALIZED)]
    before = terminal(host, card)
    before.select()
    assert before.balance() == 0
    before.load(5_000, WHEN)
    before.purchase(350, bytes.fromhex("00000007"), WHEN)
    host.element.power_on()
    before.select()
    assert before.balance() == 4_650
    assert host.element.image.instances[PURSE].purse.files == card.files


def test_what_is_personalised_reads_back(host):
    card = card_for_phones()
    host.install()
    host.personalise(card)
    send(host.element, commands.select_purse()).require()
    for sfi, fid in ((0x15, "0015"), (0x16, "0016"), (0x17, "0017")):
        assert send(host.element, commands.read_binary(sfi)).require() == card.files[fid]


@pytest.mark.parametrize(
    ("install", "sw"),
    [
        (Install(PACKAGE + b"\x02", PURSE, PURSE), Answer.REFERENCE_NOT_FOUND),
        (Install(PACKAGE, PACKAGE, PURSE), Answer.REFERENCE_NOT_FOUND),
        (Install(PACKAGE, PURSE, gp.ISSUER_SECURITY_DOMAIN), Answer.INCORRECT_DATA),
        (Install(PACKAGE, PURSE, b""), Answer.INCORRECT_DATA),
    ],
)
def test_what_cannot_be_installed_is_refused(host, install, sw):
    assert host.sw(install.command) == sw
    assert not host.element.image.instances


def test_an_aid_is_installed_once_and_the_element_gets_full(host):
    host.install()
    assert host.sw(Install(PACKAGE, PURSE, PURSE).command) == Answer.INCORRECT_DATA
    for number in range(1, ROOM):
        host.install(PURSE + bytes((number,)))
    assert host.sw(Install(PACKAGE, PURSE, PURSE + b"\xff").command) == Answer.NO_MEMORY
    assert host.sw(gp.delete(PURSE)) == 0x9000
    host.install()


def test_several_instances_are_apart(host):
    card, other = card_for_phones(), card_for_phones(number="3104880699900000002")
    second = PURSE + b"\x02"
    for aid, image in ((PURSE, card), (second, other)):
        host.install(aid)
        host.personalise(image, aid)
    before = terminal(host, card)
    before.select()
    before.load(700, WHEN)
    assert [host.element.image.instances[aid].purse.balance_fen for aid in (PURSE, second)] == [700, 0]


@pytest.mark.parametrize(
    "command", [gp.delete(PURSE), gp.install_for_personalization(PURSE), gp.set_status(PURSE, locked=True)]
)
def test_what_is_not_there_is_told(host, command):
    assert host.sw(command) == Answer.REFERENCE_NOT_FOUND


@pytest.mark.parametrize("aid", [PACKAGE, gp.ISSUER_SECURITY_DOMAIN])
def test_package_and_domain_cannot_be_deleted(host, aid):
    assert host.sw(gp.delete(aid)) == Answer.CONDITIONS


def test_a_deleted_card_is_gone_and_the_next_is_another(host):
    host.install()
    host.personalise(card_for_phones())
    terminal(host, card_for_phones()).select()
    host.open()
    assert host.sw(gp.delete(PURSE)) == 0x9000
    assert send(host.element, commands.select_purse()).sw == Answer.NOT_FOUND
    other = card_for_phones(number="3104880699900000002")
    host.open().install()
    host.personalise(other)
    send(host.element, commands.select_purse()).require()
    assert send(host.element, commands.read_binary(0x15)).data == other.files["0015"]


def test_a_locked_card_cannot_be_selected_until_it_is_unlocked(host):
    host.install()
    host.personalise(card_for_phones())
    assert host.sw(gp.set_status(PURSE, locked=True)) == 0x9000
    assert gp.read_status(host.send(gp.get_status(PURSE)).require())[0].locked
    assert send(host.element, commands.select_purse()).sw == Answer.NOT_FOUND
    host.open()
    assert host.sw(gp.set_status(PURSE, locked=False)) == 0x9000
    assert send(host.element, commands.select_purse()).ok


# --- personalisation --------------------------------------------------------------------------------------------------


def test_an_unpersonalised_instance_is_selected_and_does_nothing(host):
    host.install()
    assert send(host.element, commands.select_purse()).ok
    assert send(host.element, commands.get_balance()).sw == Answer.CONDITIONS


def test_a_live_purse_is_not_personalised_again(host):
    host.install()
    host.personalise(card_for_phones())
    assert host.sw(gp.install_for_personalization(PURSE)) == Answer.CONDITIONS


def test_data_without_a_target_is_refused(host):
    assert host.sw(gp.store_data([Grouping(0x0015, bytes(30))])[0]) == Answer.CONDITIONS


def begun(host):
    host.install()
    host.send(gp.install_for_personalization(PURSE)).require()
    return host.groupings(card_for_phones())


def test_blocks_out_of_order_are_refused(host):
    first, second, *_ = gp.store_data(begun(host))
    assert host.sw(second) == 0x6A86
    assert host.sw(first) == 0x9000
    assert host.sw(first) == 0x6A86


@pytest.mark.parametrize("missing", range(7))
def test_an_incomplete_personalisation_makes_no_purse(host, missing):
    groupings = begun(host)
    del groupings[missing]
    *_, last = [host.sw(command) for command in gp.store_data(groupings)]
    assert last == Answer.CONDITIONS
    assert host.element.image.instances[PURSE].purse is None


def test_a_broken_off_personalisation_goes_on(host):
    groupings = begun(host)
    for command in gp.store_data(groupings)[:3]:
        host.send(command).require()
    host.open()
    host.send(gp.install_for_personalization(PURSE)).require()
    for command in gp.store_data(host.groupings(card_for_phones())[3:]):  # keys are wrapped for this channel
        host.send(command).require()
    assert host.element.image.instances[PURSE].purse is not None


def test_groupings_may_share_a_command_and_go_over_its_end(host):
    whole = b"".join(map(bytes, begun(host)))
    cuts = [0, 1, 40, 41, 120, 160, len(whole)]
    blocks = [whole[a:b] for a, b in pairwise(cuts)]
    for number, block in enumerate(blocks):
        last = 0x80 if number == len(blocks) - 1 else 0x00
        host.send(Command(0x80, 0xE2, last, number, block)).require()
    assert host.element.image.instances[PURSE].purse.files == card_for_phones().files


def test_wrong_groupings_are_refused(host):
    good = {grouping.dgi: grouping.value for grouping in begun(host)}
    load = good[0x8201]
    wrong = [
        Grouping(0x0015, good[0x0015][:-1]),
        Grouping(0x8201, load[:-1] + bytes((load[-1] ^ 1,))),
        Grouping(0x8201, load[:1] + b"\x77" + load[2:]),
        Grouping(0x8201, load[:-3]),
    ]
    for grouping in wrong:
        assert host.sw(gp.store_data([grouping, grouping])[0]) == Answer.INCORRECT_DATA
    assert host.sw(gp.store_data([Grouping(0x9999, b"")] * 2)[0]) == Answer.REFERENCE_NOT_FOUND
    assert not host.element.image.instances[PURSE].stored


def test_keys_of_another_channel_are_refused_by_their_check_value():
    host = Host(element_of("02")).open()
    groupings = begun(host)
    host.open()
    host.send(gp.install_for_personalization(PURSE)).require()
    answers = [host.sw(command) for command in gp.store_data(groupings)]
    assert answers[3] == Answer.INCORRECT_DATA


def test_files_of_no_card_type_make_no_purse(host):
    groupings = begun(host)
    file15 = replace(card_for_phones().file15, asn="9" * 20).build()
    groupings[0] = Grouping(0x0015, file15)
    assert [host.sw(c) for c in gp.store_data(groupings)][-1] == Answer.INCORRECT_DATA


# --- looking ----------------------------------------------------------------------------------------------------------


def test_the_cplc_needs_no_channel_and_names_the_chip(host):
    host.element.power_on()
    assert gp.read_cplc(send(host.element, gp.get_cplc()).require()) == host.element.image.cplc
    assert send(host.element, Command(0x80, 0xCA, 0x00, 0x66, le=256)).sw == Answer.REFERENCE_NOT_FOUND


def test_status_lists_applications_packages_and_the_domain(host):
    assert host.sw(gp.get_status()) == Answer.REFERENCE_NOT_FOUND
    host.install()
    assert [a.aid for a in gp.read_status(host.send(gp.get_status(PURSE[:5])).require())] == [PURSE]
    for p1, aid in ((0x80, gp.ISSUER_SECURITY_DOMAIN), (0x20, PACKAGE)):
        (only,) = gp.read_status(host.send(Command(0x80, 0xF2, p1, 0x02, b"\x4f\x00", 256)).require())
        assert only.aid == aid


@pytest.mark.parametrize(
    ("apdu", "sw"),
    [
        ("80F24000024F00", 0x6A86),
        ("80F21002024F00", 0x6A86),
        ("80F24002034F01", 0x6A80),
        ("80F2400202C500", 0x6A80),
        ("80E6080000", 0x6A86),
        ("80E60C00020501", 0x6A80),
        ("80F0200008A000000632010105", 0x6A86),
    ],
)
def test_malformed_commands_are_refused(host, apdu, sw):
    command = bytes.fromhex(apdu)
    plain = Command(*command[:4], data=command[5:])
    assert host.sw(plain) == sw


@pytest.mark.parametrize(
    ("apdu", "sw"), [("", 0x6700), ("00A404", 0x6700), ("00B0950000", 0x6E00), ("8099000000", 0x6D00)]
)
def test_what_the_domain_does_not_know_is_refused(host, apdu, sw):
    assert host.element.transmit(bytes.fromhex(apdu)).sw == sw
