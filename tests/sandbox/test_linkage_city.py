"""The linkage section of sandbox.json: every field, and promises about what is in it."""

import secrets

import pytest

from tongka.card.profiles import PROFILES
from tongka.journeys.passwords import require_strong
from tongka.keys.keyfile import KeyRing
from tongka.sandbox import linkage_city, plan

SEED = bytes(range(32))


@pytest.fixture(scope="module")
def images():
    return plan.mint(SEED, KeyRing.generate(PROFILES.values(), secrets.token_bytes).master_keys)


@pytest.fixture
def section(images):
    return linkage_city.section("http://127.0.0.1:1", SEED, images)


def test_it_has_its_fields(section):
    fixed = "base_url OrigionDomain ChannelNo api_key DeptNo TermNo OperNo Balunitno DeviceNo"
    assert set(section) == {*fixed.split(), "recharge_cards", "group_cards"}
    assert len(bytes.fromhex(section["api_key"])) == 16
    assert len(bytes.fromhex(section["TermNo"])) == 6


def test_there_are_recharge_cards_enough_and_some_that_every_card_takes(section):
    cards = section["recharge_cards"]
    assert all(set(card) == {"Tac", "amount_fen"} for card in cards)
    assert all(len(card["Tac"]) == 16 and card["Tac"].isdecimal() for card in cards)
    assert len({card["Tac"] for card in cards}) == len(cards) >= 8
    assert sum(card["amount_fen"] == 1_000 for card in cards) >= 8


def test_group_cards_are_sold_cards_of_every_type_with_room_for_their_amount(section, images):
    by_number = {image.card_no: image for image in images}
    group = section["group_cards"]
    assert all(set(card) == {"CardNo", "PassWord", "amount_fen"} for card in group)
    assert {by_number[card["CardNo"]].profile for card in group} == set(PROFILES)
    for card in group:
        image = by_number[card["CardNo"]]
        assert image.file15.enabled
        assert image.balance_fen + card["amount_fen"] <= image.type.wallet_max_fen
        require_strong(card["PassWord"], card["CardNo"])


def test_the_same_seed_makes_the_same_section_and_another_another(section, images):
    assert linkage_city.section("http://127.0.0.1:1", SEED, images) == section
    other = linkage_city.section("http://127.0.0.1:1", bytes(32), images)
    assert other["api_key"] != section["api_key"]
    assert not {card["Tac"] for card in other["recharge_cards"]} & {card["Tac"] for card in section["recharge_cards"]}
