"""`tongka key` as people use it: prompts answered, files looked at afterwards, nothing of a key on the screen."""

import getpass
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from softhsm import PIN, Tokens, require_softhsm
from tongka.card.profiles import PROFILES
from tongka.cli import key
from tongka.crypto import sm2
from tongka.crypto.pboc import Algorithm, check_value
from tongka.errors import Misconfigured
from tongka.keys import Purpose, keyfile
from tongka.keys.inventory import fingerprints
from tongka.keys.keyfile import read_keyfile
from tongka.store import operators
from tongka.store.installation import read, recognise
from tongka.store.stamp import Stamp

PASSPHRASE = "correct horse"
PROFILE = "huzhou-city-3des"
ONE, TWO = "0123456789ABCDEFFEDCBA9876543210", "00112233445566778899AABBCCDDEEFF"
WHOLE = bytes(a ^ b for a, b in zip(bytes.fromhex(ONE), bytes.fromhex(TWO), strict=True))


def kcv(value):
    return check_value(Algorithm.TDES, value if isinstance(value, bytes) else bytes.fromhex(value)).hex().upper()


CEREMONY = [ONE, kcv(ONE), TWO, kcv(TWO), "y", "y"]


@pytest.fixture(autouse=True)
def cheap_files(monkeypatch):
    monkeypatch.setattr(keyfile, "COST", (1, 1, 64))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def tongka(tmp_path, file):
    """Run a command on the key file, answering its prompts; the passphrase is in a file."""
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    variables = {"TONGKA_KEYS_URI": f"software:{file}", "TONGKA_KEYS_PASSPHRASE_FILE": str(secret)}

    def run(*arguments, answers=(), **changed):
        text = "".join(f"{answer}\n" for answer in answers)
        return CliRunner().invoke(key.app, list(map(str, arguments)), input=text, env=variables | changed)

    return run


@pytest.fixture
def made(tongka, file):
    assert tongka("generate", "--profile", PROFILE).exit_code == 0
    return file


def ring_of(file, passphrase=PASSPHRASE):
    return read_keyfile(file, passphrase.encode())[0]


def refusal(result):
    """The one line of a command that could not do its work."""
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.split())


# --- generate ---------------------------------------------------------------------------------------------------------


def test_a_key_file_is_made_with_everything_that_an_installation_needs(tongka, file):
    assert tongka("generate").exit_code == 0
    ring, sandbox = read_keyfile(file, PASSPHRASE.encode())
    assert {profile for profile, _, _ in ring.masters} == set(PROFILES)
    assert (set(ring.endpoints), set(ring.rsa), set(ring.data)) == ({"huzhou", "gates"}, {"alipay"}, {1})
    assert len(ring.ride_seed) == 32
    assert not sandbox


def test_sandbox_keys_say_so(tongka, file):
    tongka("generate", "--sandbox", "--no-card-keys")
    ring, sandbox = read_keyfile(file, PASSPHRASE.encode())
    assert sandbox
    assert ring.masters == {}
    assert "production mode refuses them" in tongka("list").output


def test_a_key_file_is_not_overwritten(tongka, made):
    before = made.read_bytes()
    assert "is not overwritten" in refusal(tongka("generate"))
    assert made.read_bytes() == before


def test_without_a_passphrase_file_it_is_asked_for_twice(tongka, file):
    asked = tongka("generate", "--no-card-keys", answers=["new one", "new one"], TONGKA_KEYS_PASSPHRASE_FILE="")
    assert asked.exit_code == 0
    assert "new one" not in asked.output
    assert ring_of(file, "new one").ride_seed


def test_an_empty_passphrase_is_refused(tongka, tmp_path, file):
    (tmp_path / "passphrase").write_text("\n")
    assert "passphrase: is empty" in refusal(tongka("generate"))
    assert not file.exists()


def test_an_unknown_card_type_is_told_with_those_there_are(tongka):
    assert PROFILE in refusal(tongka("generate", "--profile", "no such"))


# --- list, public -----------------------------------------------------------------------------------------------------


def test_the_list_tells_everything_but_keys(tongka, made):
    ring = ring_of(made)
    told = json.loads(tongka("list", "--json").output)
    cards = {(row["name"], row["purpose"], row["version"]): row for row in told["keys"] if row["kind"] == "card"}
    assert {name: row["check_value"] for name, row in cards.items()} == {
        (profile, purpose.value, version): kcv(one.value) for (profile, purpose, version), one in ring.masters.items()
    }
    assert {row["index"] for row in cards.values()} == {1}
    assert {row["kind"] for row in told["keys"]} == {"card", "endpoint", "gateway", "ride codes", "data"}
    text = (tongka("list").output + tongka("list", "--json").output).upper()
    secrets = [*(one.value for one in ring.masters.values()), *ring.data.values(), ring.ride_seed]
    secrets += [one.secret_bytes() for one in ring.endpoints.values()]
    assert not [secret for secret in secrets if secret.hex().upper() in text]


def test_public_keys_are_given_out(tongka, made):
    hexed = tongka("public", "huzhou").output.strip()
    assert sm2.PublicKey(bytes.fromhex(hexed)) == sm2.public_key(ring_of(made).endpoints["huzhou"])
    assert json.loads(tongka("public", "alipay", "--json").output)["public_key"].startswith("-----BEGIN PUBLIC KEY")
    assert "there are gates, huzhou, alipay" in refusal(tongka("public", "nobody"))


def test_a_store_that_is_not_there_is_told(tongka):
    assert "keys.uri" in refusal(tongka("list"))


# --- import -----------------------------------------------------------------------------------------------------------


def test_two_people_bring_a_key_in(tongka, made):
    result = tongka("import", PROFILE, "load", answers=CEREMONY)
    assert result.exit_code == 0, result.output
    assert ring_of(made).masters[PROFILE, Purpose.LOAD, 2].value == WHOLE
    assert f"version 2, is in: {kcv(WHOLE)}" in result.output
    assert not [secret for secret in (ONE, TWO, WHOLE.hex().upper()) if secret in result.output.upper()]


def test_three_people_bring_a_version_of_their_choice_in(tongka, made):
    three = "F0" * 15 + "0F"
    answers = [*CEREMONY[:4], three, kcv(three), "y", "y", "y"]
    result = tongka("import", PROFILE, "tac", "--people", 3, "--version", 9, answers=answers)
    assert result.exit_code == 0, result.output
    whole = bytes(a ^ b for a, b in zip(WHOLE, bytes.fromhex(three), strict=True))
    assert ring_of(made).masters[PROFILE, Purpose.TAC, 9].value == whole


def test_the_owners_check_value_is_kept_to(tongka, made):
    result = tongka("import", PROFILE, "load", "--check-value", kcv(WHOLE).lower(), answers=CEREMONY)
    assert result.exit_code == 0, result.output


WRONG = {
    "a wrong check value of a component": ([ONE, "000000"], "check value"),
    "a check value that is none": ([ONE, "00"], "6 hex digits"),
    "a component too short": (["00"], "32 hex digits, not 2"),
    "a component that is not hex": (["X" * 32], "digits other"),
    "a component of zeros": (["0" * 32], "zeros"),
    "the same component twice": ([ONE, kcv(ONE), ONE, kcv(ONE)], "cancel each other"),
    "the first person says no": ([*CEREMONY[:4], "n"], "person 1 does not confirm"),
    "the second person says no": ([*CEREMONY[:5], "n"], "person 2 does not confirm"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_ceremony_that_goes_wrong_keeps_nothing(tongka, made, case):
    answers, why = WRONG[case]
    before = made.read_bytes()
    assert why in refusal(tongka("import", PROFILE, "load", answers=answers))
    assert made.read_bytes() == before


def test_a_whole_with_another_check_value_is_refused(tongka, made):
    before = made.read_bytes()
    told = refusal(tongka("import", PROFILE, "load", "--check-value", "ABCDEF", answers=CEREMONY))
    assert f"has the check value {kcv(WHOLE)}, not ABCDEF" in told
    assert made.read_bytes() == before


def test_a_ceremony_that_is_broken_off_keeps_nothing(tongka, made):
    before = made.read_bytes()
    assert tongka("import", PROFILE, "load", answers=CEREMONY[:3]).exit_code == 1
    assert made.read_bytes() == before


def test_a_version_that_is_there_is_not_replaced(tongka, made):
    before = made.read_bytes()
    assert "needs a new version" in refusal(tongka("import", PROFILE, "load", "--version", 1, answers=CEREMONY))
    assert made.read_bytes() == before


def test_one_person_is_not_enough(tongka, made):
    assert tongka("import", PROFILE, "load", "--people", 1, answers=CEREMONY).exit_code == 2


def test_a_component_is_shown_with_its_check_value(tongka):
    shown = tongka("component", PROFILE).output
    digits = re.search(r"component +([0-9A-F ]+)\n", shown)[1].replace(" ", "")
    assert len(digits) == 32
    assert f"check value  {kcv(digits)}" in shown
    assert digits not in tongka("component", PROFILE).output.replace(" ", "")


# --- rotation, completion, passphrase ---------------------------------------------------------------------------------


def test_rotation_adds_a_version_and_keeps_the_old_one(tongka, made):
    before = ring_of(made)
    assert tongka("rotate", PROFILE).exit_code == 0
    after = ring_of(made)
    assert before.masters.items() <= after.masters.items()
    new = after.masters.keys() - before.masters.keys()
    assert new == {(PROFILE, purpose, 2) for purpose in Purpose}
    assert len({after.masters[name].value for name in after.masters}) == len(after.masters)


def test_rotated_data_keys_leave_the_old_ones(tongka, made):
    before = ring_of(made)
    assert tongka("rotate-data").exit_code == 0
    after = ring_of(made)
    assert set(after.data) == {1, 2}
    assert after.data[1] == before.data[1]


def test_completion_makes_what_lacks_and_changes_nothing_else(tongka, made):
    ring = ring_of(made)
    fewer = type(ring)(ring.masters, {"huzhou": ring.endpoints["huzhou"]}, ring.data)
    keyfile.write_keyfile(made, fewer, PASSPHRASE.encode(), sandbox=False)
    assert "complete now" in tongka("complete").output
    whole = ring_of(made)
    assert set(whole.endpoints) == {"huzhou", "gates"}
    assert whole.endpoints["huzhou"].secret_bytes() == ring.endpoints["huzhou"].secret_bytes()
    assert "was complete" in tongka("complete").output


def test_the_passphrase_is_changed(tongka, made, tmp_path):
    before = ring_of(made)
    (tmp_path / "new").write_text("another")
    assert tongka("passphrase", "--new-file", tmp_path / "new").exit_code == 0
    assert ring_of(made, "another").masters == before.masters
    with pytest.raises(Misconfigured):
        ring_of(made)


# --- the installation's stamp -----------------------------------------------------------------------------------------


@pytest.fixture
async def stamped(tongka, made, postgres, database):
    """Run a key command with a database that was stamped with the key file."""
    held = fingerprints(ring_of(made).rows(), ring_of(made))
    await recognise(database, "production", held, datetime.now(UTC))
    url = postgres.url_of(await database.read_value("SELECT current_database()"))

    def run(*arguments, **more):
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            variables = {"TONGKA_DATABASE_URL": url, "TONGKA_MODE": "production"} | more
            return apart.submit(tongka, *arguments, **variables).result()

    return run


@pytest.fixture
def agreed(stamped, database, people, production_keys):
    """The same for what two operators have to say."""

    async def run(*arguments, **more):
        at = datetime.now(UTC)
        for operator in people:
            await operators.save(database, operator, Stamp(at, at.date(), "set up"), alone=True)
        for name in ("li", "wang"):
            told = stamped(*arguments, "--operator", name, "--passphrase-file", production_keys / name, **more)
        return told

    return run


@pytest.mark.parametrize(
    ("command", "labels"),
    [
        (("rotate", PROFILE), {f"card/{PROFILE}/{purpose}/2" for purpose in Purpose}),
        (("rotate-data",), {"data/2"}),
    ],
)
async def test_new_keys_are_stamped_by_the_command_that_makes_them(stamped, agreed, made, database, command, labels):
    before = (await read(database)).keys
    told = await agreed(*command) if command[0] == "rotate" else stamped(*command)
    assert told.exit_code == 0
    after = (await read(database)).keys
    assert after.keys() - before.keys() == labels
    assert after == fingerprints(ring_of(made).rows(), ring_of(made))
    rows = await database.read("SELECT actor, subject FROM audit WHERE action = 'key added'")
    assert {row["subject"] for row in rows} == labels
    assert {row["actor"] for row in rows} == {f"cli:{getpass.getuser()}"}


async def test_a_key_that_is_added_to_another_store_is_not_stamped(agreed, tmp_path, database):
    before = await read(database)
    other = {"TONGKA_KEYS_URI": f"software:{tmp_path / 'other.json'}"}
    told = await agreed("generate", "--profile", PROFILE, **other)
    assert (told.exit_code, "is not the one of this installation" in " ".join(told.stderr.split())) == (0, True)
    told = await agreed("rotate", PROFILE, **other)
    assert (told.exit_code, "was not told of the keys" in told.stderr) == (0, True)
    assert await read(database) == before


def test_a_key_is_made_without_the_database_too(tongka, made):
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    told = tongka("rotate", PROFILE, TONGKA_DATABASE_URL=nowhere)
    assert (told.exit_code, "was not told of the keys" in told.stderr) == (0, True)
    assert (PROFILE, Purpose.LOAD, 2) in ring_of(made).masters


def test_a_key_is_made_without_making_a_database(tongka, made, tmp_path):
    assert tongka("rotate", PROFILE, TONGKA_DATABASE_DATA_DIR=str(tmp_path / "var")).exit_code == 0
    assert not (tmp_path / "var").exists()


async def test_another_store_is_accepted_by_people_who_see_what_differs(stamped, tmp_path, database):
    other = {"TONGKA_KEYS_URI": f"software:{tmp_path / 'other.json'}"}
    stamped("generate", "--no-card-keys", **other)
    before = await read(database)
    refused = stamped("accept", answers=["n"], **other)
    assert (refused.exit_code, f"card/{PROFILE}/load/1" in refused.stdout) == (2, True)
    assert await read(database) == before
    assert stamped("accept", answers=["y"], **other).exit_code == 0
    ring = ring_of(tmp_path / "other.json")
    assert (await read(database)).keys == fingerprints(ring.rows(), ring)
    assert "is this installation's" in stamped("accept", **other).stdout


async def test_nothing_is_accepted_on_a_database_that_no_start_has_stamped(stamped, database):
    await database.execute("DELETE FROM installation")
    assert "has no stamp" in refusal(stamped("accept", "--yes"))


# --- a token ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    require_softhsm()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", "")  # put back what it was
        yield Tokens.in_folder(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture
def on_token(tongka, tokens, tmp_path):
    """Run a command on a fresh token."""
    (tmp_path / "pin").write_bytes(PIN)
    variables = {
        "TONGKA_KEYS_URI": tokens.new(),
        "TONGKA_KEYS_PASSPHRASE_FILE": str(tmp_path / "pin"),
        "TONGKA_KEYS_COMPANION_FILE": str(tmp_path / "companion.json"),
    }
    return lambda *arguments, answers=(): tongka(*arguments, answers=answers, **variables)


@pytest.mark.softhsm
def test_a_token_is_filled_with_sandbox_keys(on_token):
    filled = on_token("init-token")
    assert filled.exit_code == 0, filled.output
    assert "left out huzhou-ministry-sm4" in filled.output
    told = json.loads(on_token("list", "--json").output)
    assert told["sandbox"]
    assert {row["name"] for row in told["keys"] if row["kind"] == "card"} == {
        name for name, profile in PROFILES.items() if profile.algorithm is Algorithm.TDES
    }
    assert "holds keys of this platform" in refusal(on_token("init-token"))


@pytest.mark.softhsm
def test_a_key_file_moves_into_a_token(tongka, on_token, made, tmp_path):
    (tmp_path / "old").write_text(PASSPHRASE)
    assert on_token("init-token", "--from", made, "--from-passphrase-file", tmp_path / "old").exit_code == 0
    before, after = (json.loads(run("list", "--json").output) for run in (tongka, on_token))
    assert before == after
    assert on_token("public", "huzhou").output == tongka("public", "huzhou").output


@pytest.mark.softhsm
def test_two_people_bring_a_key_into_a_token_and_it_is_rotated(on_token):
    on_token("init-token")
    result = on_token("import", PROFILE, "load", "--check-value", kcv(WHOLE), answers=CEREMONY)
    assert result.exit_code == 0, result.output
    assert on_token("rotate", PROFILE).exit_code == 0
    told = {
        (row["purpose"], row["version"]): row["check_value"]
        for row in json.loads(on_token("list", "--json").output)["keys"]
        if row["name"] == PROFILE
    }
    assert told["load", 2] == kcv(WHOLE)
    assert {version for _, version in told} == {1, 2, 3}
    assert on_token("rotate-data").exit_code == 0


@pytest.mark.softhsm
def test_an_sm4_key_is_refused_by_a_token_without_sm4(on_token):
    on_token("init-token")
    told = refusal(on_token("rotate", "huzhou-ministry-sm4"))
    assert "huzhou-ministry-sm4 needs sm4, which the token" in told


@pytest.mark.softhsm
def test_a_tokens_pin_is_not_changed_here(on_token):
    on_token("init-token")
    assert "with its maker's tool" in refusal(on_token("passphrase"))


def test_a_key_file_is_no_token(tongka, made):
    assert "init-token fills a token" in refusal(tongka("init-token"))
