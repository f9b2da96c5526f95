"""tongka card-stock: cards come onto the books, new ones and a whole city's, whole or not at all."""

import csv
from datetime import date

import openpyxl
import pytest

from tongka.card.files import File15
from tongka.card.profiles import PROFILES
from tongka.ledger import Account
from tongka.store import card_stock, cards, ledger, ledger_checks

CITY, MINISTRY = "huzhou-city-3des", "huzhou-ministry-sm4"
NEW = ("card number", "card type", "key version", "valid to")
TAKEN = ("卡号", "卡类型", "密钥版本", "售卡日期", "余额", "押金", "状态")


def stock(count, first=1):
    return [(f"{first + nth:016d}", CITY, "1", "2035-12-31") for nth in range(count)]


@pytest.fixture
def listed(tmp_path):
    """Write a CSV file; its path."""

    def write(headings, rows, name="cards.csv"):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([headings, *rows])
        return tmp_path / name

    return write


@pytest.fixture(autouse=True)
async def books_are_right(database):
    yield
    assert await ledger_checks.check(database) == []


# --- stock ------------------------------------------------------------------------------------------------------------


async def test_a_factorys_list_is_on_the_books_in_an_operators_name(office, listed, database):
    file = listed(NEW, stock(3))
    result = office.run("card-stock", "import", file, "--batch", "F1", by="li")
    assert result.exit_code == 0, result.output
    assert "batch F1: 3 cards, balances 0.00, deposits 0.00 yuan; they are on the books" in result.stdout
    card = await cards.find(database, f"{2:016d}")
    assert (card.status, card.enabled, card.deposit_fen, card.valid_to) == ("00", False, 0, date(2035, 12, 31))
    file15 = File15.parse(card.file15)
    assert (file15.asn, file15.issuer, file15.enabled) == (card.asn, PROFILES[CITY].issuer, False)
    rows = await database.read("SELECT actor, action FROM audit WHERE subject = 'F1' ORDER BY id")
    assert [tuple(row) for row in rows] == [("li", "import card batch"), ("li", "cards on the books")]
    (batch,) = office.json("card-stock", "list")
    assert (batch["in_stock"], batch["with_riders"], batch["imported_by"], batch["taken_over"]) == (3, 0, "li", False)
    assert [one["card_no"] for one in office.json("card-stock", "list", "F1")] == [row[0] for row in stock(3)]


async def test_the_same_list_twice_is_the_same_also_from_a_spreadsheet(office, listed, tmp_path, database):
    assert office.run("card-stock", "import", listed(NEW, stock(2)), "--batch", "F1", by="li").exit_code == 0
    book = openpyxl.Workbook()
    for row in [NEW, *reversed(stock(2))]:
        book.active.append(row)
    book.save(tmp_path / "cards.xlsx")
    again = office.run("card-stock", "import", tmp_path / "cards.xlsx", "--batch", "F1", by="wang")
    assert (again.exit_code, "this very list came in before" in again.stdout) == (0, True)
    assert len(await card_stock.batches(database)) == 1
    other = office.run("card-stock", "import", listed(NEW, stock(1)), "--batch", "F1", by="li")
    assert (other.exit_code, "repeated_with_other_contents" in other.stderr) == (2, True)


async def test_file_15_can_be_brought_whole(office, listed, database):
    profile = PROFILES[MINISTRY]
    number = "3104880600000000001"
    file15 = File15(
        issuer=profile.issuer, application_type=2, enable_flag=0, asn=profile.asn(number), valid_from=None,
        valid_to=date(2040, 1, 2), private=b"\x07\x08",
    ).build()  # fmt: skip
    file = listed(("card number", "card type", "key version", "file15"), [(number, MINISTRY, "1", file15.hex())])
    assert office.run("card-stock", "import", file, "--batch", "M", by="li").exit_code == 0
    card = await cards.find(database, number)
    assert (card.file15, card.valid_to) == (file15, date(2040, 1, 2))


async def test_a_dry_run_keeps_nothing_and_asks_nobody(office, listed, database):
    result = office.run("card-stock", "import", listed(NEW, stock(2)), "--batch", "F1", "--dry-run")
    assert (result.exit_code, "it could come in; nothing is kept" in result.stdout) == (0, True)
    assert await card_stock.batches(database) == []
    assert await cards.find(database, stock(1)[0][0]) is None


async def test_every_mistake_is_told_with_its_row_and_field_and_nothing_is_kept(office, listed, database):
    headings = (*NEW, "file15", "deposit", "balance", "status", "sold on", "issuer", "asn")
    good = stock(1)[0]
    rows = [
        good,
        good,
        ("12x", CITY, "1", ""),
        ("123", CITY, "1", ""),
        (f"{3:016d}", "gold", "1", ""),
        (f"{4:016d}", CITY, "256", ""),
        (f"{5:016d}", CITY, "1", "2035-02-30"),
        (f"{6:016d}", CITY, "1", "", "00" * 29),
        (f"{7:016d}", CITY, "1", "2030-01-01", "00" * 30),
        (f"{8:016d}", CITY, "1", "", "00003360FFFFFFFF0000" + f"{9:020d}" + "00" * 10),
        (f"{10:016d}", CITY, "1", "", "", "5"),
        (f"{11:016d}", CITY, "1", "", "", "", "1.00"),
        (f"{12:016d}", CITY, "1", "", "", "", "", "lost"),
        (f"{13:016d}", CITY, "1", "", "", "", "", "returned"),
        (f"{14:016d}", CITY, "1", "", "", "", "1", "", "2999-01-01"),
        (f"{15:016d}", CITY, "1", "", "", "", "1000.01", "", "2020-01-01"),
        (f"{16:016d}", CITY, "1", "", "", "", "", "", "2020-01-01"),
        (f"{17:016d}", CITY, "1", "", "", "", "", "", "", "0102336000000000"),
        (f"{18:016d}", CITY, "1", "", "", "", "", "", "", "", f"{19:020d}"),
    ]
    result = office.run("card-stock", "import", listed(headings, rows), "--batch", "F1", by="li")
    assert result.exit_code == 1
    told = dict(line.split(": ", 1) for line in result.stdout.splitlines() if line.startswith("row "))
    fields = {
        3: "card 0000000000000001 stands in row 2 already", 4: "card number: digits", 5: "card_no: ",
        6: "card profile 'gold'", 7: "key version: ", 8: "valid to: ", 9: "file 15: has 60 hex digits",
        10: "file 15: holds valid to itself", 11: "file 15: holds the number", 12: "deposit: ", 13: "balance: ",
        14: "status: ", 15: "status: ", 16: "sold on: ", 17: "balance: ", 18: "balance: ", 19: "issuer: ", 20: "asn: ",
    }  # fmt: skip
    assert sorted(told) == sorted(f"row {row}" for row in fields)
    assert [row for row, words in fields.items() if not told[f"row {row}"].startswith(words)] == []
    assert await card_stock.batches(database) == []


async def test_cards_on_the_books_and_cards_without_keys_are_mistakes(office, listed):
    assert office.run("card-stock", "import", listed(NEW, stock(2)), "--batch", "F1", by="li").exit_code == 0
    rows = [*stock(2, first=2), (f"{4:016d}", CITY, "9", "")]
    result = office.run("card-stock", "import", listed(NEW, rows), "--batch", "F2", by="li")
    assert result.exit_code == 1
    assert "row 2: card number: 0000000000000002 is on the books already; it came in batch F1" in result.stdout
    assert "row 4: key version: " in result.stdout
    assert "2 mistakes; nothing is kept" in result.stdout


@pytest.mark.parametrize("batch", ["", "a b", "x" * 65, "丙"])
def test_a_batch_has_a_plain_name(office, listed, batch):
    result = office.run("card-stock", "import", listed(NEW, stock(1)), "--batch", batch, by="li")
    assert (result.exit_code, "--batch" in result.stderr) == (2, True)


def test_a_file_that_is_no_list_is_refused(office, listed, tmp_path):
    run = ("card-stock", "import")
    assert "has no column key version" in office.run(*run, listed(NEW[:2], []), "--batch", "F", by="li").stderr
    assert "two columns" in office.run(*run, listed((*NEW, "卡号"), []), "--batch", "F", by="li").stderr
    assert "no cards" in office.run(*run, listed(NEW, []), "--batch", "F", by="li").stderr
    assert "file: " in office.run(*run, tmp_path / "none.csv", "--batch", "F", by="li").stderr


def test_production_asks_for_an_operator(office, listed):
    nobody = office.run("card-stock", "import", listed(NEW, stock(1)), "--batch", "F1")
    assert (nobody.exit_code, "operator_needed" in nobody.stderr) == (2, True)
    (office.folder / "mallory").write_text("guessed at random")
    mallory = office.run("card-stock", "import", listed(NEW, stock(1)), "--batch", "F1", by="mallory")
    assert (mallory.exit_code, "operator_wrong" in mallory.stderr) == (2, True)


# --- a city that is taken over ----------------------------------------------------------------------------------------


def city(count):
    return [(f"{nth:016d}", CITY, "1", "20230105", "12.34", "18", "正常") for nth in range(1, count + 1)]


async def test_riders_cards_count_when_another_operator_has_confirmed_them(office, listed, database):
    result = office.run("card-stock", "import", listed(TAKEN, city(3)), "--batch", "OLD", by="li")
    assert result.exit_code == 0, result.output
    assert "3 cards, balances 37.02, deposits 54.00 yuan; they wait for another operator" in result.stdout
    assert await cards.find(database, f"{1:016d}") is None
    for name in ("li", "LI"):
        (office.folder / name).write_text((office.folder / "li").read_text())
        same = office.run("card-stock", "confirm", "OLD", by=name)
        assert (same.exit_code, "second_person_needed" in same.stderr) == (2, True)
    assert office.run("card-stock", "confirm", "OLD", by="wang").exit_code == 0
    card = await cards.find(database, f"{1:016d}")
    assert (card.enabled, card.sold_on, card.deposit_fen, card.status) == (True, date(2023, 1, 5), 1_800, "00")
    assert await ledger.card_balance(database, card.card_no) == 1_234
    assert (await ledger.balance(database, Account.OPENING_BALANCES)).balance_fen == -(3 * (1_234 + 1_800))
    (row,) = office.json("card-stock", "show", card.card_no)
    assert (row["balance_fen"], row["batch"]) == (1_234, "OLD")
    assert office.run("card-stock", "confirm", "OLD", by="zhao").exit_code == 0  # again changes nothing
    assert await ledger.card_balance(database, card.card_no) == 1_234
    (batch,) = office.json("card-stock", "list")
    assert (batch["confirmed_by"], batch["with_riders"], batch["in_stock"]) == ("wang", 3, 0)


async def test_a_batch_that_waits_keeps_its_numbers_until_it_is_withdrawn(office, listed, database):
    file = listed(TAKEN, city(2))
    assert office.run("card-stock", "import", file, "--batch", "OLD", by="li").exit_code == 0
    clash = office.run("card-stock", "import", listed(NEW, stock(1), "new.csv"), "--batch", "F1", by="li")
    assert "is on the books already; it came in batch OLD" in clash.stdout
    assert office.run("card-stock", "withdraw", "OLD", by="wang").exit_code == 0
    assert "batch_unknown" in office.run("card-stock", "withdraw", "OLD", by="wang").stderr
    assert "batch_unknown" in office.run("card-stock", "confirm", "OLD", by="wang").stderr
    assert office.run("card-stock", "import", listed(NEW, stock(1), "new.csv"), "--batch", "F1", by="li").exit_code == 0
    confirmed = office.run("card-stock", "withdraw", "F1", by="wang")
    assert (confirmed.exit_code, "batch_unknown" in confirmed.stderr) == (2, True)


async def test_a_card_that_came_otherwise_meanwhile_keeps_the_whole_batch_out(office, listed, database):
    assert office.run("card-stock", "import", listed(TAKEN, city(2)), "--batch", "OLD", by="li").exit_code == 0
    number = city(2)[1][0]
    await cards.register(database, [cards.CardRow(number, number.rjust(20, "0"), CITY, 1, bytes(30))])
    result = office.run("card-stock", "confirm", "OLD", by="wang")
    assert (result.exit_code, "card_on_books" in result.stderr) == (2, True)
    assert await cards.find(database, city(2)[0][0]) is None
    assert (await card_stock.batches(database))[0].confirmed_by is None


def test_a_sandbox_asks_nobody_and_one_person_is_enough(office, listed):
    office.variables |= {"TONGKA_MODE": "sandbox", "TONGKA_KEYS_URI": f"software:{office.folder / 'trials.json'}"}
    assert office.run("card-stock", "import", listed(TAKEN, city(1)), "--batch", "OLD").exit_code == 0
    assert office.run("card-stock", "confirm", "OLD").exit_code == 0
    assert office.json("card-stock", "list")[0]["confirmed_by"].startswith("cli:")


# --- single cards -----------------------------------------------------------------------------------------------------


async def test_a_card_is_blocked_and_let_free_with_the_reason_on_record(office, listed, database):
    assert office.run("card-stock", "import", listed(NEW, stock(1)), "--batch", "F1", by="li").exit_code == 0
    number = stock(1)[0][0]
    for _ in range(2):
        assert office.run("card-stock", "block", number, "--reason", "stolen", by="li").exit_code == 0
        assert (await cards.find(database, number)).status == "01"
    assert office.run("card-stock", "unblock", number, "--reason", "it was not", by="wang").exit_code == 0
    assert (await cards.find(database, number)).status == "00"
    rows = await database.read("SELECT actor, detail FROM audit WHERE action = 'card status' ORDER BY id")
    assert [tuple(row) for row in rows] == [("li", "00 01: stolen"), ("wang", "01 00: it was not")]


async def test_cards_that_are_gone_or_unknown_cannot_be_blocked(office, listed, database):
    assert office.run("card-stock", "import", listed(NEW, stock(1)), "--batch", "F1", by="li").exit_code == 0
    number = stock(1)[0][0]
    await cards.set_status(database, number, "02")
    assert "status 02" in office.run("card-stock", "block", number, "--reason", "x", by="li").stderr
    assert "not on our books" in office.run("card-stock", "unblock", "1" * 16, "--reason", "x", by="li").stderr
    assert "not on our books" in office.run("card-stock", "show", "1" * 16).stderr
    assert "--reason" in office.run("card-stock", "block", number, "--reason", " ", by="li").stderr
    assert "operator_needed" in office.run("card-stock", "block", number, "--reason", "x").stderr
