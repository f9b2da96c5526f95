"""Who may do what: operators' passphrases in production, two people where one could enrich himself."""

import json
from datetime import datetime, timedelta

import pytest

from tongka.authority import AUTHORITY, Who
from tongka.crypto import sm2
from tongka.days import ZONE
from tongka.store import ledger_checks, operators, parties, proposals
from tongka.store.parties import Party, Role
from tongka.store.stamp import Stamp

SUPPLY = ("prepaid", "supply", "M1", "01", "5000000", "T1")


def point():
    return sm2.generate().public_key.compressed.hex().upper()


async def trail(database, action):
    rows = await database.read("SELECT actor, subject, detail FROM audit WHERE action = $1 ORDER BY id", action)
    return [tuple(row) for row in rows]


# --- the trail --------------------------------------------------------------------------------------------------------


async def test_a_change_leaves_who_and_what_was_before(office, database):
    assert office.run("partner", "save", "area", "330500", "--name", "Huzhou", by="li").exit_code == 0
    assert office.run("partner", "save", "area", "330500", "--name", "Wuxing", by="wang").exit_code == 0
    assert office.run("partner", "save", "area", "330500", "--name", "Wuxing", by="wang").exit_code == 0
    assert office.run("partner", "deactivate", "area", "330500").exit_code == 0
    added, *changed = await trail(database, "add party") + await trail(database, "change party")
    assert added[:2] == ("li", "area 330500")
    assert json.loads(added[2])["name"] == "Huzhou"
    (renamed, out) = changed
    assert (renamed[0], json.loads(renamed[2])) == ("wang", {"name": ["Huzhou", "Wuxing"]})
    assert (out[0].startswith("cli:"), json.loads(out[2])) == (True, {"active": [True, False]})


async def test_sql_by_hand_is_in_the_trail_too_and_secrets_never_are(office, database):
    await database.execute("SET tongka.actor = ''")
    await database.execute("UPDATE operator SET digest = $1 WHERE name = 'li'", b"forged" * 4)
    rows = await trail(database, "change operator")
    assert [json.loads(detail) for _, _, detail in rows] == [{"digest": "changed"}]
    added = [json.loads(detail) for _, _, detail in await trail(database, "add operator")]
    assert all(one["digest"] == one["salt"] == "changed" for one in added)


async def test_a_change_that_fails_leaves_no_row(database):
    with pytest.raises(Exception, match="party_role_check"):
        await parties.save(database, Party("nobody", "1"))  # type: ignore[arg-type]
    assert await trail(database, "add party") == []


async def test_a_channels_key_is_not_in_the_trail(office, database):
    result = office.run("channel", "save", "01", "02", by="li")
    key = result.stdout.split()[-1]
    ((actor, subject, detail),) = await trail(database, "add channel")
    assert (actor, subject, json.loads(detail)["sealed_key"]) == ("li", "01 02", "changed")
    assert key not in detail


async def test_devices_of_a_domain_that_is_not_there_are_refused(office, database):
    unknown = office.run("channel", "admit", "9999", "device", "D1")
    assert (unknown.exit_code, "domain '9999' is not known" in unknown.stderr) == (2, True)
    office.run("channel", "save", "01", "02", by="li")
    assert office.run("channel", "admit", "01", "device", "D1").exit_code == 0
    typo = office.run("channel", "admit", "01", "terminal", "T0001")
    assert (typo.exit_code, "12 hexadecimal digits" in typo.stderr) == (2, True)
    assert [row[1] for row in await trail(database, "add channel party")] == ["01 device D1"]


# --- two people -------------------------------------------------------------------------------------------------------


async def balance(office):
    return [one["balance_fen"] for one in office.json("prepaid", "list")]


async def test_money_is_made_when_two_operators_say_the_same(office, database):
    assert office.run("prepaid", "open", "M1", "01").exit_code == 0
    assert "operator_needed" in office.run(*SUPPLY).stderr
    first = office.run(*SUPPLY, by="li")
    assert (first.exit_code, "it waits for another operator" in first.stdout) == (0, True)
    assert "it waits" in office.run(*SUPPLY, by="li").stdout
    assert "it waits" in office.run(*SUPPLY[:4], "500000", "T1", by="wang").stdout  # another amount is another matter
    assert await balance(office) == [0]
    assert "has 50000.00 yuan" in office.run(*SUPPLY, by="wang").stdout
    assert "has 50000.00 yuan" in office.run(*SUPPLY, by="li").stdout  # after a broken connection, once more
    assert await balance(office) == [5_000_000]
    assert [row[0] for row in await trail(database, "propose")] == ["li", "wang"]
    ((confirmed_by, command, said),) = await trail(database, "confirm")
    assert (confirmed_by, command) == ("wang", "prepaid supply")
    assert said.endswith("transfer T1; proposed by li")
    assert await trail(database, "supply prepaid") == [("wang", "M1", "5000000")]
    assert await ledger_checks.check(database) == []


def test_a_sandbox_asks_nobody(office):
    office.variables |= {"TONGKA_MODE": "sandbox", "TONGKA_KEYS_URI": f"software:{office.folder / 'trials.json'}"}
    opened = office.run("prepaid", "open", "M1", "01")
    assert opened.exit_code == 0, opened.stderr
    assert "has 50000.00 yuan" in office.run(*SUPPLY).stdout


async def test_a_proposal_is_forgotten_after_a_week_and_an_agreement_after_an_hour(database):
    at = datetime(2026, 11, 2, 9, tzinfo=ZONE)

    async def say(who, after):
        return await proposals.say(database, "c", "x", Stamp(at + after, at.date(), who))

    assert (await say("li", timedelta(0))).confirmed_by is None
    assert (await say("LI", timedelta(1))).confirmed_by is None
    late = await say("wang", timedelta(days=7, seconds=1))
    assert (late.proposed_by, late.confirmed_by) == ("wang", None)
    day = timedelta(days=8)
    assert (await say("li", day)).confirmed_by == "li"
    assert (await say("wang", day + timedelta(minutes=59))).confirmed_by == "li"
    assert (await say("wang", day + timedelta(minutes=61))).confirmed_by is None
    assert [one.proposed_by for one in await proposals.waiting(database, at)] == ["wang"]


async def test_a_recharge_batch_is_printed_by_one_and_worth_something_by_two(office, database, tmp_path):
    issue = ("recharge-card", "issue", "B1", "2", "1000")
    past = office.run(*issue, "2020-01-01", "--to", tmp_path / "past.csv", by="li")
    assert (past.exit_code, "is over" in past.stderr, (tmp_path / "past.csv").exists()) == (2, True, False)
    assert office.run(*issue, "2099-01-01", "--to", tmp_path / "b.csv", by="li").exit_code == 0
    assert "it waits" in office.run("recharge-card", "activate", "B1", by="li").stdout
    assert {one["state"] for one in office.json("recharge-card", "list")} == {"issued"}
    assert "2 cards of batch B1 are active" in office.run("recharge-card", "activate", "B1", by="wang").stdout


# --- operators --------------------------------------------------------------------------------------------------------


async def test_a_new_operator_waits_for_another_than_who_saved_him(office, database):
    (office.folder / "sun").write_text("sun has a long passphrase")
    saved = ("operator", "save", "sun", "--passphrase-file", office.folder / "sun")
    assert "operator_needed" in office.run(*saved).stderr
    mine = ("--operator", "li", "--operator-passphrase-file", office.folder / "li")
    assert "waits for another operator" in office.run(*saved, *mine).stdout
    assert "operator_wrong" in office.run("card-stock", "withdraw", "X", by="sun").stderr
    assert "second_operator_needed" in office.run("operator", "activate", "sun", by="li").stderr
    assert office.run("operator", "activate", "sun", by="wang").exit_code == 0
    assert "batch_unknown" in office.run("card-stock", "withdraw", "X", by="sun").stderr  # he may act


async def test_a_forgotten_passphrase_is_set_by_two_others_and_ones_own_by_oneself(office, database):
    (office.folder / "new").write_text("another long passphrase")
    own = ("operator", "save", "li", "--passphrase-file", office.folder / "new")
    assert "may act" in office.run(*own, "--operator", "li", "--operator-passphrase-file", office.folder / "li").stdout
    of_wang = ("operator", "save", "wang", "--passphrase-file", office.folder / "new")
    zhao = ("--operator", "zhao", "--operator-passphrase-file", office.folder / "zhao")
    assert "waits for another" in office.run(*of_wang, *zhao).stdout
    assert [one["saved_by"] for one in office.json("operator", "list")] == [None, "zhao", None]
    assert not (await operators.find(database, "wang")).active


async def test_the_first_two_operators_ask_nobody_and_the_third_does(database):
    at = datetime.now(ZONE)
    free = [
        await operators.save(database, operators.Operator(name, bytes(16), bytes(32)), Stamp(at, at.date(), "li"))
        for name in ("li", "wang", "zhao")
    ]
    assert free == [True, True, False]
    again = await operators.save(database, operators.Operator("WANG", bytes(16), b"x" * 32), Stamp(at, at.date(), "li"))
    assert again is False  # the second is no more to be had by the first alone


async def test_a_locked_operator_is_told_until_when_and_another_lifts_it(office, database):
    (office.folder / "guess").write_text("not the passphrase at all")
    for _ in range(5):
        wrong = ("--operator", "li", "--passphrase-file", office.folder / "guess")
        assert "operator_wrong" in office.run("card-stock", "withdraw", "X", *wrong).stderr
    locked = office.run("card-stock", "withdraw", "X", by="li")
    assert "too_many_passwords" in locked.stderr
    assert f"{datetime.now(ZONE) + timedelta(minutes=59):%H:}" in locked.stderr
    assert office.run("operator", "unlock", "li", by="wang").exit_code == 0
    assert "batch_unknown" in office.run("card-stock", "withdraw", "X", by="li").stderr
    assert await trail(database, "unlock operator") == [("wang", "li", "operator li")]


# --- keys of partners -------------------------------------------------------------------------------------------------


async def test_an_institutions_key_takes_two_operators(office, database):
    first, following = point(), point()
    save = ("partner", "save", "institution", "10000001", "--public-key", first)
    assert "it waits" in office.run(*save, by="li").stdout
    assert await parties.every(database) == []
    assert "is on the books" in office.run(*save, by="wang").stdout
    beside = ("partner", "save", "institution", "10000001", "--next-public-key", following)
    assert "it waits" in office.run(*beside, by="wang").stdout
    assert "is on the books" in office.run(*beside, by="zhao").stdout
    (held,) = await parties.every(database)
    assert (held.public_key, held.next_public_key) == (first, following)
    assert office.run("partner", "promote", "10000001", by="li").exit_code == 0
    (held,) = await parties.every(database)
    assert (held.public_key, held.next_public_key) == (following, "")
    gone = office.run("partner", "promote", "10000001", by="li")
    assert (gone.exit_code, "unknown_party" in gone.stderr) == (2, True)
    last = (await trail(database, "change party"))[-1]
    assert json.loads(last[2])["public_key"] == [first, following]


async def test_what_is_not_said_stays_as_it_is(office, database):
    key = point()
    await parties.save(database, Party(Role.INSTITUTION, "1", "Name", public_key=key, sign_mode="omit"))
    assert office.run("partner", "save", "institution", "1", "--name", "Other", by="li").exit_code == 0
    assert (await parties.every(database))[0] == Party(Role.INSTITUTION, "1", "Other", public_key=key, sign_mode="omit")
    merchant = office.run("partner", "save", "merchant", "2", "--parent", "1", "--public-key", key, by="li")
    assert (merchant.exit_code, "signs nothing" in merchant.stderr) == (2, True)


def test_every_row_of_the_table_is_a_command(office):
    for command, (who, _) in AUTHORITY.items():
        words = command.split(" --")[0].split()
        shown = office.run(*words, "--help")
        assert shown.exit_code == 0, command
        assert "--operator" in shown.stdout, command
        assert who in Who


# --- keys -------------------------------------------------------------------------------------------------------------


async def test_master_keys_are_made_by_two_operators_and_the_trail_has_their_check_values(office, database, tmp_path):
    path, passphrase = tmp_path / "keys.json", tmp_path / "passphrase"
    passphrase.write_text("secret")
    passphrase.chmod(0o600)
    own = {"TONGKA_KEYS_URI": f"software:{path}", "TONGKA_KEYS_PASSPHRASE_FILE": str(passphrase)}
    generate = ("key", "generate", "--profile", "huzhou-city-3des")
    assert "operator_needed" in office.run(*generate, **own).stderr
    assert "it waits" in office.run(*generate, by="li", **own).stdout
    assert not path.exists()
    assert office.run(*generate, by="wang", **own).exit_code == 0
    rotate = ("key", "rotate", "huzhou-city-3des")
    assert "it waits" in office.run(*rotate, by="wang", **own).stdout
    assert "version 2" in office.run(*rotate, by="li", **own).stdout
    ((actor, subject, detail),) = await trail(database, "key rotate")
    assert (actor, subject, detail.startswith("check values load ")) == ("li", "huzhou-city-3des 2", True)
    assert "it waits" in office.run(*rotate, by="li", **own).stdout  # the next version is another matter
    assert office.run("key", "rotate-data", **own).exit_code == 0
    assert [row[1] for row in await trail(database, "key rotate-data")] == ["2"]


def test_a_machine_without_a_database_says_what_to_write_down(office, tmp_path):
    alone = {
        "TONGKA_MODE": "sandbox", "DATABASE_URL": "", "TONGKA_DATABASE_DATA_DIR": str(tmp_path / "none"),
        "TONGKA_KEYS_URI": f"software:{tmp_path / 'keys.json'}",
    }  # fmt: skip
    made = office.run("key", "generate", "--no-card-keys", **alone)
    assert (made.exit_code, (tmp_path / "none").exists()) == (0, False)
    assert "not in the audit trail (this machine has no database" in made.stderr


# --- rides in production, and what says that there is nothing ---------------------------------------------------------


async def test_card_types_are_registered_without_a_sandbox(office, database):
    assert [one["card_type"] for one in office.json("application", "card-types")] == ["ANT00001"]
    add = ("application", "add-card-type", "GJ330500", "--title", "Bus")
    assert "operator_needed" in office.run(*add).stderr
    assert office.run(*add, by="li").exit_code == 0
    assert [one["card_type"] for one in office.json("application", "card-types")] == ["ANT00001", "GJ330500"]
    assert "application '2021' is not known" in office.run(*add, "--app-id", "2021", by="li").stderr
    short = office.run("application", "add-card-type", "GJ33", "--title", "Bus", by="li")
    assert (short.exit_code, "8 letters and digits" in short.stderr) == (2, True)
    assert [row[:2] for row in await trail(database, "add ride card type")] == [("li", "GJ330500")]


def test_a_bill_of_nobody_is_no_bill_without_differences(office):
    nothing = office.run("payments", "bill", "2026-11-20")
    assert (nothing.exit_code, "nothing_connected" in nothing.stderr) == (2, True)


def test_the_morning_has_an_exit_code(office):
    free = office.run("todo")
    assert (free.exit_code, "nothing waits" in free.stdout) == (0, True)
    office.run("prepaid", "open", "M1", "01")
    office.run(*SUPPLY, by="li")
    waits = office.run("todo")
    assert (waits.exit_code, "transfer T1" in waits.stdout.replace("\n", "")) == (1, True)
    (row,) = json.loads(office.run("todo", "--json").stdout)
    assert (row["name"], row["things"], row["age_hours"]) == ("proposals", 1, 0)


async def test_verifying_the_trail_ends_with_what_an_auditor_keeps(office):
    assert office.run("audit", "seal").exit_code == 0
    verified = office.run("audit", "verify")
    assert verified.exit_code == 0
    assert verified.stdout.splitlines()[-1] == office.run("audit", "head").stdout.strip()
    assert office.run("audit", "verify", "--anchor", verified.stdout.splitlines()[-1]).exit_code == 0
