"""Card types: numbers, keys, limits, and how a card finds its type."""

from dataclasses import replace

import pytest

from tongka.card.files import File15
from tongka.card.profiles import PROFILES, find_profile, profile_named
from tongka.crypto.pboc import SUITES, Algorithm, diversify_chain
from tongka.errors import Malformed, Unsupported

MINISTRY = File15.parse(bytes.fromhex("01023360FFFFFFFF02010310488060000012345620240101204012310000"))
CITY = replace(MINISTRY, asn="00002253123456781234")
TDES, SM4, CITY_TDES = (PROFILES[f"huzhou-{name}"] for name in ("ministry-3des", "ministry-sm4", "city-3des"))
each_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)


def test_the_number_towards_partners_has_as_many_digits_as_the_type_says():
    assert TDES.card_no(MINISTRY) == "3104880600000123456"
    assert CITY_TDES.card_no(CITY) == "2253123456781234"  # the document's own example


@pytest.mark.parametrize(
    ("file15", "byte", "profile"),
    [
        (MINISTRY, 0x00, TDES),
        (MINISTRY, 0x01, TDES),
        (MINISTRY, 0x04, SM4),
        (MINISTRY, 0x40, SM4),
        (MINISTRY, None, TDES),
        (CITY, 0x00, CITY_TDES),
        (CITY, None, CITY_TDES),
    ],
)
def test_a_card_finds_its_type_by_number_and_algorithm(file15, byte, profile):
    assert find_profile(file15, byte) is profile


@pytest.mark.parametrize(("asn", "byte"), [("0" + "9" * 19, None), (CITY.asn, 0x04), (MINISTRY.asn, 0x77)])
def test_a_card_of_no_known_type_is_refused(asn, byte):
    with pytest.raises(Unsupported, match=asn):
        find_profile(replace(MINISTRY, asn=asn), byte)


def test_an_unknown_name_is_refused_and_the_known_ones_are_named():
    with pytest.raises(Unsupported, match="huzhou-city-3des"):
        profile_named("atlantis")


@each_profile
def test_each_type_s_numbers_go_into_file_15_and_come_back(profile):
    card_no = profile.asn_prefix.ljust(20, "7")[-profile.card_no_digits :]
    file15 = replace(MINISTRY, issuer=profile.issuer, asn=profile.asn(card_no))
    assert profile.card_no(file15) == card_no
    assert find_profile(file15, profile.algorithm.value) is profile


@pytest.mark.parametrize("card_no", ["", "123", "2253123456781234", "9104880600000123456", "31048806000001234XX"])
def test_a_number_that_is_not_the_types_is_refused(card_no):
    with pytest.raises(Malformed, match="card_no"):
        TDES.asn(card_no)


def test_ministry_keys_are_derived_in_two_levels_and_city_keys_in_one():
    master, suite = bytes(range(16)), SUITES[Algorithm.TDES]
    serial = MINISTRY.number[2:]
    assert TDES.factors(MINISTRY) == (MINISTRY.issuer, serial)
    assert TDES.card_key(suite, master, MINISTRY) == diversify_chain(suite, master, (MINISTRY.issuer, serial))
    assert CITY_TDES.card_key(suite, master, CITY) == suite.diversify(master, bytes.fromhex("2253123456781234"))


@each_profile
def test_a_thousand_fen_is_always_taken_while_there_is_room(profile):
    assert profile.topup_min_fen <= 1_000 <= profile.topup_max_fen
    assert 1_000 % profile.charge_base_fen == 0
    assert profile.largest_topup_fen(0) == min(profile.topup_max_fen, profile.wallet_max_fen)


@pytest.mark.parametrize(("balance", "largest"), [(0, 300), (50, 300), (701, 290), (995, 0), (1_000, 0), (2_000, 0)])
def test_the_largest_topup_leaves_the_purse_within_its_maximum_in_whole_bases(balance, largest):
    profile = replace(TDES, wallet_max_fen=1_000, topup_max_fen=305, charge_base_fen=10)
    assert profile.largest_topup_fen(balance) == largest
