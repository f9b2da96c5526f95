"""tongka channel, prepaid, recharge-card, group-card: what they do, what they print, what they refuse."""

import csv
import json
import secrets
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import openpyxl
import pytest
from typer.testing import CliRunner

from tongka.card.profiles import PROFILES
from tongka.cli import channel, group_card, operator, order, prepaid, recharge_card
from tongka.keys.keyfile import KeyRing, write_keyfile
from tongka.store import cards, group_cards
from tongka.store.cards import CardRow
from tongka.store.ledger_checks import check

CARDS = ["3104880600000000001", "3104880600000000002"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    ring = KeyRing.generate(PROFILES.values(), secrets.token_bytes)
    write_keyfile(folder / "keys.json", ring, b"secret", sandbox=True)
    (folder / "passphrase").write_text("secret")
    return {
        "TONGKA_KEYS_URI": f"software:{folder / 'keys.json'}",
        "TONGKA_KEYS_PASSPHRASE_FILE": str(folder / "passphrase"),
    }


@pytest.fixture
async def run(postgres, database, keys):
    """Run a command of a group against the database; answers the result."""
    url = postgres.url_of(await database.read_value("SELECT current_database()"))

    def command(group, *arguments):
        variables = {"DATABASE_URL": url, "COLUMNS": "200", "TONGKA_CONFIG": ""} | keys
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            return apart.submit(CliRunner().invoke, group.app, list(map(str, arguments)), env=variables).result()

    yield command
    assert not await check(database)


def listed(run, group, *arguments):
    return json.loads(run(group, "list", *arguments, "--json").stdout)


# --- channels and prepaid accounts ------------------------------------------------------------------------------------


def test_a_channels_key_is_drawn_and_shown_once(run):
    result = run(channel, "save", "01", "02", "--address", "10.0.0.0/8", "--name", "App")
    assert result.exit_code == 0
    key = result.stdout.split()[-1]
    assert len(bytes.fromhex(key)) == 16
    (row,) = listed(run, channel)
    assert (row["domain"], row["channel"], row["addresses"], row["active"]) == ("01", "02", ["10.0.0.0/8"], True)
    assert key not in json.dumps(row)
    assert run(channel, "deactivate", "01", "02").exit_code == 0
    assert listed(run, channel)[0]["active"] is False
    assert run(channel, "activate", "01", "02").exit_code == 0
    assert "App" in run(channel, "list").stdout


def test_a_merchant_is_told_where_it_says(run):
    assert run(prepaid, "notify", "M1", "01", "https://merchant.example/low").exit_code == 2
    run(prepaid, "open", "M1", "01", "--low-balance", "500")
    result = run(prepaid, "notify", "M1", "01", "https://merchant.example/low")
    assert (result.exit_code, len(bytes.fromhex(result.stdout.split()[-1]))) == (0, 32)
    assert listed(run, prepaid)[0]["notify_url"] == "https://merchant.example/low"
    assert run(prepaid, "notify", "M1", "01", "ftp://merchant.example").exit_code == 2
    assert "nowhere" in run(prepaid, "notify", "M1", "01").stdout
    assert not listed(run, prepaid)[0]["notify_url"]


async def test_who_looks_for_a_payer_is_on_record(run, database, tmp_path):
    (tmp_path / "li").write_text("li has a long passphrase")
    shown = ("--operator", "li", "--passphrase-file", tmp_path / "li")
    assert run(operator, "save", "li", *shown[2:]).exit_code == 0
    result = run(order, "payer", "202603020000000000000001", *shown)
    assert (result.exit_code, "order_not_found" in result.stderr) == (2, True)
    subjects = await database.read("SELECT subject FROM audit WHERE actor = 'li'")
    assert [row["subject"] for row in subjects] == ["look at the payer of 202603020000000000000001"]


def test_parties_of_a_domain_are_admitted_and_dismissed(run):
    assert run(channel, "admit", "01", "operator", "000001").exit_code == 2  # a domain that has no channel
    assert run(channel, "save", "01", "02").exit_code == 0
    assert run(channel, "admit", "01", "terminal", "0000336002ab", "--name", "Kiosk").exit_code == 0
    assert run(channel, "admit", "01", "operator", "000001").exit_code == 0
    assert run(channel, "dismiss", "01", "terminal", "0000336002AB").exit_code == 0
    assert run(channel, "admit", "01", "clerk", "1").exit_code == 2
    rows = json.loads(run(channel, "parties", "01", "--json").stdout)
    assert [(row["role"], row["id"], row["name"], row["active"]) for row in rows] == [
        ("operator", "000001", "", True), ("terminal", "0000336002AB", "Kiosk", False)
    ]  # fmt: skip
    assert run(channel, "save", "01", "02").exit_code == 0
    assert listed(run, channel)[0]["known_parties_only"] is True
    assert run(channel, "save", "01", "02", "--any-parties").exit_code == 0
    assert listed(run, channel)[0]["known_parties_only"] is False


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--key", "870fc2e8"), "128 bits"),
        (("--key", "z" * 32), "hexadecimal"),
        (("--address", "here"), "not a network"),
    ],
)
def test_a_weak_key_or_a_wrong_address_is_refused(run, options, why):
    result = run(channel, "save", "01", "02", *options)
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.split())


def test_a_channel_that_is_not_there_cannot_be_let_in(run):
    assert run(channel, "activate", "01", "02").exit_code == 2


def test_a_prepaid_account_is_opened_supplied_and_stated(run):
    assert run(prepaid, "open", "B1", "01", "--low-balance", "500").exit_code == 0
    assert run(prepaid, "open", "B1", "01").exit_code == 0
    for _ in range(2):
        assert "B1 has 10.00 yuan" in run(prepaid, "supply", "B1", "01", "1000", "bank-7").stdout
    assert run(prepaid, "supply", "B1", "01", "1001", "bank-7").exit_code == 2
    assert run(prepaid, "supply", "B1", "77", "1000", "bank-8").exit_code == 2
    assert run(prepaid, "open", "B1", "77").exit_code == 2
    (row,) = listed(run, prepaid)
    assert (row["balance_fen"], row["low_balance_fen"]) == (1_000, 500)
    lines = json.loads(run(prepaid, "statement", "B1", "01", "2020-01-01", "2099-01-01", "--json").stdout)
    assert [(line["reason"], line["credit_fen"]) for line in lines] == [("prepaid", 1_000)]
    assert "10.00" in run(prepaid, "statement", "B1", "01", "2020-01-01", "2099-01-01").stdout


# --- recharge cards ---------------------------------------------------------------------------------------------------


def test_a_batch_goes_from_the_print_shop_to_its_buyers(run, tmp_path):
    to = tmp_path / "batch.csv"
    assert run(recharge_card, "issue", "A1", 5, 1_000, "2040-12-31", "--to", to).exit_code == 0
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    with to.open(newline="") as file:
        printed = list(csv.DictReader(file))
    assert [row["serial"] for row in printed] == [f"A1{n:06d}" for n in range(5)]
    assert len({row["password"] for row in printed}) == 5
    assert all(len(row["password"]) == 16 and row["password"].isdecimal() for row in printed)
    assert "2 cards" in run(recharge_card, "activate", "A1", "--first", "A1000001", "--last", "A1000002").stdout
    assert [row["state"] for row in listed(run, recharge_card, "A1")] == ["issued", "active", "active", *["issued"] * 2]
    assert "3 cards" in run(recharge_card, "activate", "A1").stdout
    assert "0 cards" in run(recharge_card, "activate", "A1").stdout
    shown = run(recharge_card, "list").stdout
    assert not any(row["password"] in shown for row in printed)


async def test_cards_past_their_day_expire(run, database, tmp_path):
    assert run(recharge_card, "issue", "OLD", 2, 1_000, "2020-12-31", "--to", tmp_path / "past.csv").exit_code == 2
    assert not (tmp_path / "past.csv").exists()
    run(recharge_card, "issue", "OLD", 2, 1_000, "2099-12-31", "--to", tmp_path / "old.csv")
    run(recharge_card, "activate", "OLD")
    await database.execute("UPDATE recharge_card SET expires_on = '2020-12-31'")
    assert "2 cards expired" in run(recharge_card, "expire").stdout
    assert [row["state"] for row in listed(run, recharge_card)] == ["expired"] * 2


def test_a_batch_is_issued_once_and_never_over_a_file(run, tmp_path):
    to = tmp_path / "batch.csv"
    run(recharge_card, "issue", "A1", 1, 1_000, "2040-12-31", "--to", to)
    before = to.read_bytes()
    assert run(recharge_card, "issue", "A2", 1, 1_000, "2040-12-31", "--to", to).exit_code == 2
    assert to.read_bytes() == before
    other = tmp_path / "other.csv"
    assert run(recharge_card, "issue", "A1", 1, 1_000, "2040-12-31", "--to", other).exit_code == 2
    assert not other.exists()
    assert run(recharge_card, "issue", "a 1", 1, 1_000, "2040-12-31", "--to", other).exit_code == 2


# --- group cards ------------------------------------------------------------------------------------------------------

ROWS = [("卡号", "姓名", "金额", "密码"), (CARDS[0], "A", "50.00", "s3cret0"), (CARDS[1], "B", "20.5", "s3cret1")]


@pytest.fixture
async def known_cards(database):
    rows = [
        CardRow(number, f"0{number}", "huzhou-ministry-3des", 1, bytes(30), valid_to=date(2040, 1, 1))
        for number in CARDS
    ]
    await cards.register(database, rows)


def as_csv(path, rows, encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows(rows)
    return path


def as_excel(path, rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


WRITERS = {
    "utf-8.csv": as_csv,
    "bom.csv": lambda path, rows: as_csv(path, rows, "utf-8-sig"),
    "gbk.csv": lambda path, rows: as_csv(path, rows, "gb18030"),
    "list.xlsx": as_excel,
}


@pytest.mark.parametrize("name", WRITERS)
async def test_a_companys_list_counts_once(run, known_cards, database, tmp_path, name):
    file = WRITERS[name](tmp_path / name, ROWS)
    assert "2 cards" in run(group_card, "import", "ACME", "May", file).stdout
    assert "0 cards" in run(group_card, "import", "ACME", "May", file).stdout
    assert "2 cards" in run(group_card, "import", "ACME", "June", file).stdout
    assert [row["balance_fen"] for row in listed(run, group_card, "ACME")] == [10_000, 4_100]
    assert "s3cret0" not in str(await group_cards.page(database))


async def test_numbers_of_a_spreadsheet_are_read_as_typed(run, known_cards, tmp_path):
    rows = [("card number", "amount", "password"), (CARDS[0], 50, "s3cret0"), (CARDS[1], 20.5, "s3cret1")]
    assert run(group_card, "import", "ACME", "May", as_excel(tmp_path / "n.xlsx", rows)).exit_code == 0
    assert [row["balance_fen"] for row in listed(run, group_card)] == [5_000, 2_050]


async def test_every_mistake_is_told_and_nothing_imported(run, known_cards, tmp_path):
    rows = [
        *ROWS,
        (int(CARDS[0]), "", "1", "s3cret0"),
        (CARDS[1], "", "1", "s3cret0"),
        ("x", "", "1", "s3cret0"),
        (CARDS[0] + "9", "", "1.001", "s3cret0"),
        (CARDS[0] + "8", "", "1", "12345"),
        (None, "", "", ""),
    ]
    result = run(group_card, "import", "ACME", "May", as_excel(tmp_path / "wrong.xlsx", rows))
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [f"row {n}" for n in (4, 5, 6, 7, 8)]
    assert listed(run, group_card) == []


async def test_cards_that_are_not_ours_or_anothers_are_told(run, known_cards, tmp_path):
    run(group_card, "import", "ACME", "May", as_csv(tmp_path / "acme.csv", ROWS[:2]))
    rows = [*ROWS[:2], ("3104880600000000077", "", "1", "s3cret0")]
    result = run(group_card, "import", "Other", "May", as_csv(tmp_path / "other.csv", rows))
    assert result.exit_code == 1
    assert "3104880600000000077 is not on our books" in result.stdout
    assert f"{CARDS[0]} is ACME's" in result.stdout


@pytest.mark.parametrize("contents", [b"", b"a,b\n1,2\n", b"PK\x03\x04", b"\xff\xfe\xff"])
@pytest.mark.parametrize("name", ["list.csv", "list.xlsx"])
def test_a_file_that_is_no_list_is_refused(run, tmp_path, name, contents):
    file = tmp_path / name
    file.write_bytes(contents)
    assert run(group_card, "import", "ACME", "May", file).exit_code == 2
