"""A host before a secure element: opens channels, installs and personalises, as the platform's scripts do."""

import random

from tongka.card import global_platform as gp
from tongka.card.apdu import Command, Response, send
from tongka.card.keyset import KeySet
from tongka.card.profiles import PROFILES
from tongka.card.secure_channel import (
    COMMANDS_ENCRYPTED,
    Channel,
    SecurityLevel,
    initialize_update,
    open_channel,
)
from tongka.crypto.pboc import check_value
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.personalise import Blank, personalise
from tongka.sandbox.element.image import PACKAGES
from tongka.sandbox.element.machine import SoftwareElement
from tongka.sandbox.element.mint import elements

SEED = bytes(range(32))
MASTERS = KeySet(*(bytes(range(n, n + 16)) for n in (0x10, 0x30, 0x50, 0x70)))
PACKAGE = next(iter(PACKAGES))
PURSE = next(iter(PACKAGES[PACKAGE]))
CHALLENGE = bytes.fromhex("0102030405060708")
KEY_DGIS = {0x8201: "load", 0x8202: "purchase", 0x8203: "tac", 0x8204: "maintain"}


def element_of(scp: str, keep=None) -> SoftwareElement:
    image = next(one for one in elements(SEED) if one.scp == scp)
    return SoftwareElement(image, random.Random(1).randbytes, keep)


def card_for_phones(profile: str = "huzhou-ministry-3des", number: str = "3104880699900000001") -> CardImage:
    return personalise(PROFILES[profile], number, MASTERS, Blank())


class Host:
    """Holds the platform's side of a channel to one element."""

    def __init__(self, element: SoftwareElement) -> None:
        self.element = element
        self.channel: Channel | None = None

    def open(self, level: SecurityLevel = COMMANDS_ENCRYPTED) -> "Host":
        image = self.element.image
        send(self.element, gp.select_domain(image.security_domain)).require("SELECT")
        answer = send(self.element, initialize_update(image.key_version, CHALLENGE)).require("INITIALIZE UPDATE")
        self.channel, authenticate = open_channel(image.keys, CHALLENGE, answer, level)
        send(self.element, authenticate).require("EXTERNAL AUTHENTICATE")
        return self

    def send(self, command: Command) -> Response:
        self.channel, wrapped = self.channel.wrap(command)
        return self.channel.unwrap(send(self.element, wrapped))

    def sw(self, command: Command) -> int:
        return self.send(command).sw

    def install(self, instance: bytes = PURSE) -> None:
        self.send(gp.Install(PACKAGE, PURSE, instance).command).require("INSTALL")

    def personalise(self, card: CardImage, instance: bytes = PURSE) -> None:
        self.send(gp.install_for_personalization(instance)).require("INSTALL [for personalization]")
        for command in gp.store_data(self.groupings(card)):
            self.send(command).require("STORE DATA")

    def groupings(self, card: CardImage) -> list[gp.Grouping]:
        files = [gp.Grouping(int(fid, 16), content) for fid, content in card.files.items()]
        return files + [gp.Grouping(dgi, self.key(card, name)) for dgi, name in KEY_DGIS.items()]

    def key(self, card: CardImage, name: str) -> bytes:
        key = getattr(card.keys, name)
        head = bytes((card.key_version, card.algorithm.value))
        return head + self.channel.encrypt_key(key) + check_value(card.algorithm, key)
