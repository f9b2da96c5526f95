"""tongka wallet: what it takes onto the books, lists, changes, and refuses."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tongka.card.profiles import PROFILES
from tongka.cli import wallet
from tongka.keys.keyfile import KeyRing, write_keyfile
from tongka.sandbox.element import mint
from tongka.store import cards, elements
from tongka.store.cards import CardRow
from tongka.store.elements import CardRange

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


def test_an_issuers_numbers_change_close_and_open_again_and_none_is_given_out_twice(run):
    assert run("change-issuer", "I1", *NUMBERS).exit_code == 2  # it has none
    assert run("close-issuer", "I1").exit_code == 2
    run("add-issuer", "I1", *NUMBERS)
    run("offer", "I1", "--name", "Card")
    for _ in range(2):
        assert run("close-issuer", "I1").exit_code == 0
    assert (listed(run, "products"), listed(run, "issuers")[0]["closed"]) == ([], True)
    for refused in (("offer", "I1", "--name", "Card"), ("add-issuer", "I1", *NUMBERS)):
        assert run(*refused).exit_code == 2
    for _ in range(2):
        assert run("change-issuer", "I1", *NUMBERS, "--prefix", "31048807").exit_code == 0
    (numbers,) = listed(run, "issuers")
    assert (numbers["prefix"], numbers["closed"]) == ("31048807", False)
    for nested in (("--prefix", "31048807"), ("--prefix", "310488071", "--digits", 10)):
        assert "among these" in run("add-issuer", "I2", *NUMBERS, *nested).output
    assert run("add-issuer", "I2", *NUMBERS).exit_code == 0


def card(number: str) -> CardRow:
    return CardRow(number, f"0{number}", "huzhou-ministry-3des", 1, bytes(30))


async def test_changed_numbers_begin_behind_those_that_cards_have(database):
    first = CardRange("I1", "huzhou-ministry-3des", "31048806", 11, 10**11 - 1)
    other = replace(first, prefix="31048807")
    await elements.add_range(database, first)
    assert [await elements.allot(database, "I1") for _ in range(2)] == ["3104880600000000001", "3104880600000000002"]
    await cards.register(database, [card("3104880700000000041")])
    for expected, numbers in ((42, other), (1, first), (43, other)):
        await elements.change_range(database, numbers)
        given = await elements.allot(database, "I1")
        assert given.startswith(numbers.prefix)
        if numbers is other:
            assert int(given[8:]) == expected
            await cards.register(database, [card(given)])
    await elements.change_range(database, other)
    await elements.change_range(database, other)
    assert await elements.allot(database, "I1") == "3104880700000000044"


async def test_an_element_is_retired_unless_a_card_or_an_order_needs_it(run, database, tmp_path):
    image = mint.elements(bytes(32))[0]
    (tmp_path / "elements.json").write_text(json.dumps([image.entry()]))
    run("add-elements", tmp_path / "elements.json")
    await database.execute(
        "INSERT INTO wallet_card VALUES ('1', 'I1', 'I1', $1, $2, 'live', now())", image.device_id, image.se_id
    )
    assert "card 1 lives" in run("retire-element", image.se_id).output
    await database.execute("UPDATE wallet_card SET state = 'gone'")
    await database.execute(
        "INSERT INTO wallet_order (institution, server_order_id, digest, session_id, business, issuer_id, device_id,"
        " card_no, amount_fen, state, created_at, contacted_at)"
        " VALUES ('I1', 'O1', '', 's', 'OPEN', 'I1', $1, '1', 0, 'unknown', now(), now())",
        image.device_id,
    )
    assert "order O1 is under way" in run("retire-element", image.se_id).output
    await database.execute("UPDATE wallet_order SET elements = '{another}'")
    for told in ("is retired", "is not on the books"):
        done = run("retire-element", image.se_id)
        assert (done.exit_code, told in done.output) == (0, True)
    assert listed(run, "elements") == []
    assert await database.read_value("SELECT count(*) FROM audit WHERE action = 'remove element'") == 1


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
