"""The element's side of the channels, against our host and against an independent one."""

import secrets

import pytest
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import ApduError, SmartCardConnection, SmartCardProtocol
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, ScpKid, StaticKeys

from element_host import CHALLENGE, PACKAGE, PURSE, Host, element_of
from tongka.card import global_platform as gp
from tongka.card.apdu import Command, send
from tongka.card.global_platform import Answer
from tongka.card.secure_channel import SecurityLevel, initialize_update, open_channel
from tongka.errors import MacWrong
from tongka.sandbox.element.image import ElementImage


class Connection(SmartCardConnection):
    """An element as yubikit sees cards."""

    def __init__(self, element) -> None:
        self.element = element

    @property
    def transport(self):
        return TRANSPORT.NFC

    def send_and_receive(self, apdu):
        return self.element.transmit(apdu)


@pytest.fixture
def independent():
    element = element_of("03")
    keys = element.image.keys
    params = Scp03KeyParams(KeyRef(ScpKid.SCP03, element.image.key_version), StaticKeys(keys.enc, keys.mac, keys.dek))
    protocol = SmartCardProtocol(Connection(element))
    protocol.select(element.image.security_domain)
    return protocol, params


def test_an_independent_host_opens_a_channel_and_works_over_it(independent):
    protocol, params = independent
    protocol.init_scp(params)
    protocol.send_apdu(0x80, 0xE6, 0x0C, 0x00, gp.Install(PACKAGE, PURSE, PURSE).command.data)
    status = gp.read_status(protocol.send_apdu(0x80, 0xF2, 0x40, 0x02, gp.get_status().data))
    assert status == [gp.Application(PURSE, 0x07)]
    with pytest.raises(ApduError) as refused:
        protocol.send_apdu(0x80, 0xE4, 0x00, 0x00, gp.delete(PACKAGE + b"\x09").data)
    assert refused.value.sw == Answer.REFERENCE_NOT_FOUND
    protocol.send_apdu(0x80, 0xE4, 0x00, 0x00, gp.delete(PURSE).data)
    for _ in range(20):
        (domain,) = gp.read_status(protocol.send_apdu(0x80, 0xF2, 0x80, 0x02, gp.get_status().data))
        assert domain.aid == gp.ISSUER_SECURITY_DOMAIN


def test_an_independent_host_with_other_keys_gets_nowhere(independent):
    protocol, params = independent
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        protocol.init_scp(Scp03KeyParams(params.ref, StaticKeys(*(secrets.token_bytes(16) for _ in range(3)))))


@pytest.mark.parametrize("level", [0x01, 0x03, 0x11, 0x13, 0x33])
def test_every_level_of_scp03_works(level):
    host = Host(element_of("03")).open(SecurityLevel(level))
    host.install()
    assert gp.read_status(host.send(gp.get_status()).require()) == [gp.Application(PURSE, 0x07)]
    assert host.sw(gp.delete(b"\x01" * 8)) == Answer.REFERENCE_NOT_FOUND


@pytest.mark.parametrize("level", [0x01, 0x03])
def test_both_levels_of_scp02_work(level):
    host = Host(element_of("02")).open(SecurityLevel(level))
    host.install()
    assert gp.read_status(host.send(gp.get_status()).require()) == [gp.Application(PURSE, 0x07)]


def greeted(element, level=0x03):
    answer = send(element, initialize_update(0, CHALLENGE)).require()
    return open_channel(element.image.keys, CHALLENGE, answer, SecurityLevel(level))


@pytest.mark.parametrize("level", [0x00, 0x02, 0x10, 0x30, 0x23, 0xFF])
def test_other_levels_are_refused(scp, level):
    element = element_of(scp)
    _, authenticate = greeted(element)
    wrong = Command(0x84, 0x82, level, 0x00, authenticate.data)
    assert send(element, wrong).sw == 0x6A86


def test_external_authenticate_serves_once_and_only_after_its_challenge(scp):
    element = element_of(scp)
    _, old = greeted(element)
    _, authenticate = greeted(element)
    assert send(element, authenticate).ok
    assert send(element, authenticate).sw == Answer.CONDITIONS
    assert send(element, old).sw == Answer.CONDITIONS
    _, authenticate = greeted(element)
    element.power_on()
    assert send(element, authenticate).sw == Answer.CONDITIONS


def test_every_flipped_bit_of_external_authenticate_is_refused(scp):
    element = element_of(scp)
    for bit in range(8 * 16):
        _, authenticate = greeted(element)
        data = (int.from_bytes(authenticate.data, "big") ^ 1 << bit).to_bytes(16, "big")
        assert send(element, Command(0x84, 0x82, 0x03, 0x00, data)).sw in {0x6982, 0x6300}
        assert send(element, gp.get_status()).sw == Answer.NOT_AUTHENTICATED


def test_a_command_without_its_mac_or_with_another_ends_the_channel(host):
    good = gp.get_status()
    for wrong in (
        lambda wrapped: good,
        lambda wrapped: Command(0x84, 0xF2, 0x40, 0x02, wrapped.data[:7]),
        lambda wrapped: Command(0x84, 0xF2, 0x80, 0x02, wrapped.data),
        lambda wrapped: Command(0x84, 0xF2, 0x40, 0x02, bytes(8) + wrapped.data[8:]),
        lambda wrapped: Command(0x84, 0xF2, 0x40, 0x02, b"\x01" + wrapped.data),
    ):
        host.open()
        _, wrapped = host.channel.wrap(good)
        assert send(host.element, wrong(wrapped)).sw == Answer.NOT_AUTHENTICATED
        assert send(host.element, wrapped).sw == Answer.NOT_AUTHENTICATED


def test_a_command_is_not_taken_twice(host):
    _, wrapped = host.channel.wrap(gp.Install(PACKAGE, PURSE, PURSE).command)
    assert send(host.element, wrapped).ok
    assert send(host.element, wrapped).sw == Answer.NOT_AUTHENTICATED
    assert list(host.element.image.instances) == [PURSE]


def test_selecting_and_power_end_the_channel(host):
    for end in (host.element.power_on, lambda: send(host.element, gp.select_domain())):
        host.open()
        end()
        assert host.sw(gp.get_status()) == Answer.NOT_AUTHENTICATED


def test_challenges_do_not_come_again(scp):
    element = element_of(scp)
    seen = set()
    for _ in range(20):
        Host(element).open()
        seen.add(send(element, initialize_update(0, CHALLENGE)).data[12:21])
    assert len(seen) == 20


def test_a_key_version_that_the_element_does_not_have_is_told(scp):
    assert send(element_of(scp), initialize_update(0x7F, CHALLENGE)).sw == Answer.REFERENCE_NOT_FOUND
    assert send(element_of(scp), initialize_update(0, CHALLENGE[:7])).sw == 0x6700


def test_the_sequence_counter_ends(scp):
    element = element_of(scp)
    element.image = ElementImage.from_json(element.image.to_json() | {"sequence": {"02": 0xFFFF, "03": 0xFFFFFF}[scp]})
    assert send(element, initialize_update(0, CHALLENGE)).sw == Answer.CONDITIONS


def test_a_host_notices_an_element_with_other_keys(scp):
    element, other = element_of(scp), element_of({"02": "03", "03": "02"}[scp])
    answer = send(element, initialize_update(0, CHALLENGE)).require()
    with pytest.raises(MacWrong):
        open_channel(other.image.keys, CHALLENGE, answer)
