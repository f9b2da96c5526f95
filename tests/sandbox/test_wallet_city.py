"""The wallet's section of sandbox.json, and the rows behind it."""

import secrets

from tongka.card.profiles import PROFILES
from tongka.card.secure_channel import initialize_update
from tongka.crypto import sm2
from tongka.keys import ElementKeys
from tongka.keys.keyfile import KeyRing
from tongka.keys.software import SoftwareHsm
from tongka.sandbox import wallet_city
from tongka.sandbox.card.personalise import personalise
from tongka.sandbox.element.image import ElementImage
from tongka.sandbox.element.machine import SoftwareElement
from tongka.sandbox.element.mint import elements as mint_elements
from tongka.settings import Settings
from tongka.store import elements
from tongka.system import System

SEED = bytes(range(32))


def test_the_section_has_what_a_phone_of_ones_own_making_needs():
    key = sm2.generate()
    section = wallet_city.section("http://127.0.0.1:1", SEED, key)
    assert section["seram_url"] == "http://127.0.0.1:1/gp/seram"
    assert bytes.fromhex(section["partner_private_key"]) == key.secret_bytes()
    entries = section["secure_elements"]
    assert len(entries) >= 4
    assert {entry["scp"] for entry in entries} == {"02", "03"}
    for name in ("se_id", "device_id", "enc", "mac", "dek"):
        assert len({entry[name] for entry in entries}) == len(entries)
    for entry in entries:
        assert set(entry) == {
            "se_id", "device_id", "scp", "key_version", "enc", "mac", "dek", "security_domain_aid"
        }  # fmt: skip
        assert ElementImage.from_json(entry).entry() == entry


def test_the_same_seed_makes_the_same_elements_and_another_others():
    assert mint_elements(SEED) == mint_elements(SEED)
    assert [ElementImage.from_json(one.entry()) for one in mint_elements(SEED)] == list(mint_elements(SEED))
    assert not {one.se_id for one in mint_elements(SEED)} & {one.se_id for one in mint_elements(bytes(32))}


async def test_the_platform_opens_a_channel_to_every_element(database):
    hsm = SoftwareHsm(KeyRing.generate(PROFILES.values(), secrets.token_bytes))
    system = System(
        settings=Settings(), database=database, hsm=hsm, payments=None, parties=None, clock=None, random=None
    )
    for _ in range(2):
        await wallet_city.furnish(system, SEED, ())
    for image in mint_elements(SEED):
        (row,) = await elements.elements_of(database, image.device_id)
        card = SoftwareElement(image, secrets.token_bytes)
        challenge = secrets.token_bytes(8)
        answer = card.transmit(bytes(initialize_update(row.key_version, challenge))).require()
        keys = ElementKeys(row.se_id, row.scp, row.key_version, row.keys)
        _, authenticate = await hsm.open_channel(keys, challenge, answer)
        assert card.transmit(bytes(authenticate)).ok


def test_numbers_for_phones_are_no_cards_of_the_city():
    masters = KeyRing.generate(PROFILES.values(), secrets.token_bytes).master_keys(wallet_city.PROFILE.name)
    first = wallet_city._prefix(SEED, ())
    assert len(first) + wallet_city.SERIAL_DIGITS == wallet_city.PROFILE.card_no_digits
    plastic = personalise(wallet_city.PROFILE, first + "000001", masters)
    assert not plastic.card_no.startswith(wallet_city._prefix(SEED, (plastic,)))
