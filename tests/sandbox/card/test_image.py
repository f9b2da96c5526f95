"""Images: the shape of sandbox.json, what lasts beyond it, and files on disk."""

import copy
import json
from dataclasses import replace
from datetime import date

import pytest

from tongka.card import commands
from tongka.card.keyset import KeySet
from tongka.card.profiles import PROFILES
from tongka.card.purse import Moment, TransactionType
from tongka.errors import Malformed, Unsupported
from tongka.sandbox.card.image import CardImage, Pin, read_image, write_image
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import Blank, furnish, personalise
from tongka.sandbox.card.terminal import Terminal

MASTERS = KeySet(*(bytes([n]) * 8 + bytes([n + 1]) * 8 for n in (1, 3, 5, 7)))
NUMBER = "3104880600000123456"
SANDBOX_KEYS = {
    "card_no", "asn", "profile", "enabled", "balance_fen", "online_atc", "offline_atc", "algorithm", "key_version",
    "files", "keys",
}  # fmt: skip


@pytest.fixture
def image():
    blank = Blank(valid_from=date(2024, 1, 1), valid_to=date(2040, 12, 31), balance_fen=1_234)
    return personalise(PROFILES["huzhou-ministry-3des"], NUMBER, MASTERS, blank)


def test_a_new_image_has_exactly_the_shape_of_a_sandbox_entry(image):
    entry = image.to_json()
    assert set(entry) == SANDBOX_KEYS
    assert (entry["card_no"], entry["asn"], entry["enabled"]) == (NUMBER, "0" + NUMBER, True)
    assert {fid: len(content) // 2 for fid, content in entry["files"].items()} == {"0015": 30, "0016": 55, "0017": 60}
    assert set(entry["keys"]) == {"load", "purchase", "tac", "maintain"}
    assert (entry["algorithm"], entry["key_version"], entry["balance_fen"]) == ("3des", 1, 1_234)


def test_keys_are_the_cards_own(image):
    suite, file15 = image.suite, image.file15
    own = suite.diversify(suite.diversify(MASTERS.load, file15.issuer), file15.number[2:])
    assert image.keys.load == own


def test_everything_that_lasts_survives_json(bench):
    bench.terminal.load(1_000, bench.when)
    bench.terminal.purchase(10, bench.serial, bench.when)
    bench.terminal.ask(bench.terminal.secured(commands.APP_BLOCK_TEMPORARY), "BLOCK")
    reread = CardImage.from_json(json.loads(json.dumps(bench.image.to_json())))
    assert reread.to_json() == bench.image.to_json()
    assert reread.proofs == bench.image.proofs
    assert reread.app_blocked == "temporary"


def test_a_pin_survives_json(mint):
    image = mint(pin=Pin("1234", 2)).image
    assert CardImage.from_json(image.to_json()).pin == Pin("1234", 2)


BROKEN = [
    ("profile", "atlantis", Unsupported, "atlantis"),
    ("balance_fen", -1, Malformed, "balance_fen"),
    ("balance_fen", True, Malformed, "balance_fen"),
    ("balance_fen", "100", Malformed, "balance_fen"),
    ("online_atc", 0x10000, Malformed, "online_atc"),
    ("algorithm", "aes", Malformed, "algorithm"),
    ("card_no", "3104880600000123457", Malformed, "card_no"),
    ("asn", "", Malformed, "asn"),
    ("enabled", False, Malformed, "enabled"),
    ("files", {}, Malformed, "0015"),
    ("files", {"0015": "00"}, Malformed, "0015"),
    ("files", {"0015": "zz"}, Malformed, "0015"),
    ("files", None, Malformed, "files"),
    ("keys", {"load": "00"}, Malformed, "purchase"),
    ("keys", dict.fromkeys(("load", "purchase", "tac", "maintain"), "00"), Malformed, "16 bytes"),
    ("files", {"0015": 7}, Malformed, "0015"),
    ("records", {"0015": []}, Malformed, "0015"),
    ("records", {"0018": None}, Malformed, "0018"),
    ("records", {"0019": [""]}, Malformed, "0019"),
    ("proofs", {"x": {}}, Malformed, "proofs.x"),
    ("proofs", {"2": 1}, Malformed, "proofs.2"),
    ("pin", 1234, Malformed, "pin"),
    ("pin", {"digits": "abc"}, Malformed, "digits"),
    ("app_blocked", "maybe", Malformed, "app_blocked"),
]


@pytest.mark.parametrize(("field", "value", "error", "named"), BROKEN)
def test_an_entry_that_is_wrong_is_refused_by_name(image, field, value, error, named):
    entry = copy.deepcopy(image.to_json()) | {field: value}
    with pytest.raises(error, match=named):
        CardImage.from_json(entry)


def test_fields_that_follow_from_file_15_may_be_left_out(image):
    entry = {k: v for k, v in image.to_json().items() if k not in {"card_no", "asn", "enabled"}}
    assert CardImage.from_json(entry) == image


def test_a_number_of_another_type_cannot_be_personalised():
    with pytest.raises(Malformed, match="card_no"):
        personalise(PROFILES["huzhou-city-3des"], NUMBER, MASTERS)


def test_a_type_that_needs_a_pin_is_not_personalised_without_one():
    profile = replace(PROFILES["huzhou-ministry-3des"], pin_required=True)
    with pytest.raises(Malformed, match="pin"):
        personalise(profile, NUMBER, MASTERS)
    assert personalise(profile, NUMBER, MASTERS, Blank(pin=Pin("1234"))).pin == Pin("1234")


def test_furnishing_adds_what_is_missing_and_replaces_nothing(image):
    furnished = furnish(image)
    assert furnish(furnished) == furnished
    assert furnished.files["0015"] == image.files["0015"]
    assert {"0005", "0006"} <= set(furnished.files)


def test_an_image_file_has_the_new_state_before_the_answer_leaves(image, tmp_path):
    path = tmp_path / "card.json"
    write_image(path, image)
    states = []

    def keep(new):
        write_image(path, new)
        states.append(read_image(path).online_atc)

    card = SoftwareCard(image, bytes, keep)
    terminal = Terminal(card, image.suite, image.keys, bytes(6))
    terminal.select()
    terminal.load(1, Moment(bytes(4), bytes(3)))
    assert states == [1, 1, 1]
    assert read_image(path).proofs[TransactionType.EP_LOAD].atc == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["card.json"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"profile": 1}'])
def test_a_file_that_is_no_image_is_refused(tmp_path, content):
    path = tmp_path / "card.json"
    path.write_text(content)
    with pytest.raises(Malformed):
        read_image(path)


def test_a_missing_image_is_refused_by_its_path(tmp_path):
    with pytest.raises(Malformed, match=r"nowhere\.json"):
        read_image(tmp_path / "nowhere.json")
