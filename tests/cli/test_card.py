"""`tongka card` on image files; `tests/card/test_reader.py` runs it on a reader."""

import json

import pytest
from typer.testing import CliRunner

from tongka.card.keyset import KeySet
from tongka.card.profiles import PROFILES
from tongka.card.purse import Moment
from tongka.cli.card import app
from tongka.cli.card_channel import software_card
from tongka.cli.card_front import IDENTITY, front_of, leave_order_file, read_order
from tongka.crypto import sm2
from tongka.errors import Malformed
from tongka.partners.huzhou.client import Order
from tongka.sandbox.card.image import read_image
from tongka.sandbox.card.personalise import Blank, personalise
from tongka.sandbox.card.terminal import Terminal

runner = CliRunner()
WHEN = Moment(bytes.fromhex("20240131"), bytes.fromhex("083000"))
ORDER = Order(order_no="O1", card_no="3104880600000000015", amount_fen=1_000, payment_method="10", payment_order="P1")


def tongka_card(*arguments):
    return runner.invoke(app, [str(each) for each in arguments])


@pytest.fixture
def image_file(tmp_path):
    path = tmp_path / "card.json"
    assert tongka_card("new", path, "--balance-fen", 5_000).exit_code == 0
    return path


@pytest.fixture
def section():
    key = sm2.generate()
    return dict.fromkeys(IDENTITY.values(), "00") | {
        "base_url": "http://127.0.0.1:9/cardfront",
        "partner_private_key": key.secret_bytes().hex().upper(),
        "platform_public_key": sm2.public_key(key).compressed.hex().upper(),
    }


@pytest.fixture
def front_file(tmp_path, section):
    path = tmp_path / "sandbox.json"
    path.write_text(json.dumps({"huzhou": section}))
    return path


@pytest.mark.parametrize("profile", PROFILES)
def test_a_made_up_card_of_each_type_is_read(tmp_path, profile):
    path = tmp_path / "card.json"
    number = tongka_card("new", path, "--profile", profile, "--balance-fen", 5_000).stdout.strip()
    shown = json.loads(tongka_card("read", "--image", path, "--json").stdout)
    assert (shown["card_no"], shown["profile"], shown["balance_fen"]) == (number, profile, 5_000)


def test_the_log_is_shown_newest_first_in_both_forms(image_file):
    card = software_card(image_file)
    terminal = Terminal(card, card.image.suite, card.image.keys, bytes(6))
    terminal.select()
    terminal.load(1_000, WHEN)
    terminal.purchase(250, bytes(4), WHEN)
    entries = json.loads(tongka_card("log", "--image", image_file, "--json").stdout)
    assert [(entry["type"], entry["amount"]) for entry in entries] == [("ep_purchase", 250), ("ep_load", 1_000)]
    pretty = tongka_card("read", "--image", image_file).stdout
    assert "57.50" in pretty
    assert "ep_purchase" in pretty


def test_reading_leaves_the_image_as_it_was(image_file):
    before = image_file.read_bytes()
    tongka_card("read", "--image", image_file)
    assert image_file.read_bytes() == before


def test_a_card_is_taken_out_of_a_sandbox(tmp_path):
    masters = KeySet(*(bytes([n]) * 8 + bytes([n + 9]) * 8 for n in range(4)))
    numbers = ["3104880600000000015", "3104880600000000023"]
    entries = [
        personalise(PROFILES["huzhou-ministry-sm4"], number, masters, Blank(balance_fen=7)).to_json()
        for number in numbers
    ]
    sandbox = tmp_path / "sandbox.json"
    sandbox.write_text(json.dumps({"cards": entries}))
    assert tongka_card("new", tmp_path / "a.json", "--from", sandbox, "--number", numbers[1]).exit_code == 0
    assert read_image(tmp_path / "a.json").to_json()["keys"] == entries[1]["keys"]
    refused = tongka_card("new", tmp_path / "b.json", "--from", sandbox, "--number", "1")
    assert (refused.exit_code, (tmp_path / "b.json").exists()) == (2, False)


def test_a_card_is_never_overwritten(image_file):
    before = image_file.read_bytes()
    assert tongka_card("new", image_file).exit_code == 2
    assert image_file.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["read", "--image", "{image}", "--reader", "x"], "give one"),
        (["read", "--image", "nowhere.json"], "nowhere.json"),
        (["new", "{new}", "--profile", "atlantis"], "huzhou-city-3des"),
        (["new", "{new}", "--number", "123"], "card_no"),
        (["new", "{new}", "--from", "{image}"], "sandbox.json"),
        (["serve", "--image", "{image}", "--port", "9"], "vsmartcard-vpcd"),
        (["serve", "--image", "{image}", "--cut-at", "breakfast"], "credit_for_load"),
        (["topup", "1000", "--front", "{front}", "--image", "{image}"], "cannot be reached"),
        (["topup", "1000", "--front", "{image}", "--image", "{image}"], "huzhou"),
        (["recover", "{image}", "--front", "{front}", "--image", "{image}"], "not an order file"),
    ],
)
def test_what_cannot_be_done_says_why_and_exits_with_2(tmp_path, image_file, front_file, arguments, says):
    names = {"image": image_file, "front": front_file, "new": tmp_path / "new.json"}
    result = tongka_card(*(each.format(**names) for each in arguments))
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())


@pytest.mark.parametrize("missing", ["base_url", "joininstid", "areaflag", "partner_private_key"])
def test_a_card_front_file_that_lacks_a_field_names_it(tmp_path, section, missing):
    del section[missing]
    path = tmp_path / "front.json"
    path.write_text(json.dumps({"huzhou": section}))
    with pytest.raises(Malformed, match=f"huzhou.{missing}"):
        front_of(path)


async def test_a_card_front_file_gives_a_client_with_its_identity(front_file):
    async with front_of(front_file) as front:
        assert front.identity.area == "00"


def test_what_a_broken_topup_leaves_is_read_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_order(leave_order_file(ORDER)) == ORDER
