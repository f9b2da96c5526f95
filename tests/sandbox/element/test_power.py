"""The power cut before, between and after the writes of every command: the element is never half way in itself."""

import json

import pytest

from element_host import PURSE, Host, card_for_phones, element_of
from tongka.card import commands
from tongka.card import global_platform as gp
from tongka.card.apdu import send
from tongka.card.commands import CommandKind
from tongka.card.purse import Moment
from tongka.errors import CardGone
from tongka.sandbox.card.power import AFTER
from tongka.sandbox.card.terminal import Terminal
from tongka.sandbox.element.image import ElementImage

WHEN = Moment(bytes.fromhex("20240131"), bytes.fromhex("083000"))
COMMANDS_OF_AN_OPENING = 12
"""SELECT, two to open the channel, two INSTALLs, seven STORE DATA."""


def opening(host) -> None:
    host.open()
    if PURSE in host.element.image.instances:
        host.send(gp.delete(PURSE)).require()
    host.install()
    host.personalise(card_for_phones())


@pytest.mark.parametrize("point", [0, 1, AFTER])
@pytest.mark.parametrize("nth", range(COMMANDS_OF_AN_OPENING))
def test_an_opening_that_is_torn_anywhere_is_done_again(scp, nth, point):
    kept = []
    element = element_of(scp, kept.append)
    element.switch.arm(point, skip=nth)
    with pytest.raises(CardGone):
        opening(Host(element))
    assert not element.powered
    with pytest.raises(CardGone):
        send(element, gp.get_cplc())
    assert not kept or kept[-1] is element.image
    assert ElementImage.from_json(json.loads(json.dumps(element.image.to_json()))) == element.image
    element.power_on()
    purse = element.image.instances[PURSE].purse if PURSE in element.image.instances else None
    assert purse is None or (nth, point >= 1) == (COMMANDS_OF_AN_OPENING - 1, True)
    opening(Host(element))
    assert element.image.instances[PURSE].purse.balance_fen == 0


@pytest.mark.parametrize("point", [0, 1, 2, 3, AFTER])
def test_a_load_that_is_torn_happened_entirely_or_not_at_all(host, point):
    card = card_for_phones()
    host.install()
    host.personalise(card)
    terminal = Terminal(host.element, card.suite, card.keys, bytes(6))
    terminal.select()
    host.element.switch.arm(point, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(CardGone):
        terminal.load(1_000, WHEN)
    host.element.power_on()
    terminal.select()
    assert terminal.balance() == (1_000 if point else 0)
    assert terminal.init_load(0).online_atc == (1 if point else 0)


def test_what_was_kept_makes_the_same_element(host):
    host.install()
    host.personalise(card_for_phones())
    image = ElementImage.from_json(json.loads(json.dumps(host.element.image.to_json())))
    assert image == host.element.image
    again = type(host.element)(image, bytes)
    assert send(again, commands.select_purse()).ok
