"""tongka wallet: what it takes onto the books, lists, changes, and refuses."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from tongka.card.profiles import PROFILES
from tongka.cli import wallet
from tongka.keys.keyfile import KeyRing, write_keyfile
from tongka.sandbox.element import mint

NUMBERS = ("--profile", "huzhou-ministry-3des", "--prefix", "31048806", "--digits", 11)


@pytest.fixture
async def run(postgres, database, tmp_path):
    ring = KeyRing.generate(PROFILES.values(), secrets.token_bytes)
    write_keyfile(tmp_path / "keys.json", ring, b"secret", sandbox=True)
    (tmp_path / "passphrase").write_text("secret")
    variables = {
        "DATABASE_URL": postgres.url_of(await database.read_value("SELECT current_database()")),
        "COLUMNS": "200",
        "TONGKA_CONFIG": "",
        "TONGKA_KEYS_URI": f"software:{tmp_path / 'keys.json'}",
        "TONGKA_KEYS_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
    }

    def command(*arguments):
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            return apart.submit(CliRunner().invoke, wallet.app, list(map(str, arguments)), env=variables).result()

    return command


def listed(run, *arguments):
    return json.loads(run(*arguments, "--json").stdout)


def test_an_issuer_gets_numbers_once(run):
    for _ in range(2):
        assert run("add-issuer", "I1", *NUMBERS).exit_code == 0
    assert [(one["issuer_id"], one["prefix"]) for one in listed(run, "issuers")] == [("I1", "31048806")]
    for other in (("--prefix", "31048807"), ("--digits", 10), ("--prefix", "3104880x"), ("--profile", "none")):
        assert run("add-issuer", "I1", *NUMBERS, *other).exit_code == 2


def test_elements_come_from_a_file_and_their_keys_are_not_shown(run, tmp_path):
    images = mint.elements(bytes(32))
    entries = [image.entry() for image in images]
    (tmp_path / "elements.json").write_text(json.dumps(entries))
    for _ in range(2):
        assert run("add-elements", tmp_path / "elements.json").exit_code == 0
    shown = listed(run, "elements")
    assert {one["se_id"] for one in shown} == {image.se_id for image in images}
    assert images[0].keys.enc.hex().upper() not in json.dumps(shown)
    assert len(listed(run, "elements", "--device", images[0].device_id)) == 1
    for wrong in ("no json", "{}", json.dumps([{}]), json.dumps([entries[0] | {"scp": "01"}])):
        (tmp_path / "wrong.json").write_text(wrong)
        assert run("add-elements", tmp_path / "wrong.json").exit_code == 2


def test_products_are_offered_changed_and_withdrawn(run):
    assert run("offer", "I1", "--name", "Card").exit_code == 2  # no numbers yet
    run("add-issuer", "I1", *NUMBERS)
    for price in (100, 200):
        assert (
            run("offer", "I1", "--name", "Card", "--price", price, "--deposit", 1_800, "--topup", 1_000).exit_code == 0
        )
    (product,) = listed(run, "products")
    assert (product["fee_fen"], product["deposit_fen"], product["topups_fen"]) == (200, 1_800, [1_000])
    for _ in range(2):
        assert run("withdraw", "I1").exit_code == 0
    assert listed(run, "products") == []


def test_only_a_riders_card_can_be_found(run):
    assert run("found", "3104880600000000001").exit_code == 2
