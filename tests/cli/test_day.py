"""A closed day at the command line: closed, shown, listed, compared, paid out; in a production installation."""

from datetime import datetime

import pytest
from openpyxl import load_workbook

from tongka.days import ZONE
from tongka.ledger import Account, Posting
from tongka.orders import Kind
from tongka.store import ledger
from zoo import NOON, order

TOWARDS = "2026-03-02_institution_90000001"


@pytest.fixture
async def town(office, database):
    """An office with one paid order on 2026-03-02."""
    await order(database, "o1", Kind.TOPUP)
    return office


def test_days_are_closed_in_order_and_shown(town, tmp_path):
    refused = town.run("day", "close", "2026-03-03")
    assert (refused.exit_code, "2026-03-02 is open" in refused.output) == (2, True)
    assert "closed 2026-03-02" in town.run("day", "close", "2026-03-02").output
    assert town.run("day", "close", "2026-03-02").output.strip() == "nothing to close"
    today = datetime.now(ZONE).date()
    assert "not over yet" in town.run("day", "close", str(today)).output
    assert [one["business_date"] for one in town.json("day", "list")] == ["2026-03-02"]
    report = town.json("day", "show", "2026-03-02")
    assert [(one["kind"], one["lines"], one["amount_fen"]) for one in report["partners"]] == [("topup", 1, 1_000)]
    assert [one["in_hand_fen"] for one in report["carried over"]] == [1_000]
    assert report["orders carried over"][0]["order_no"] == "o1"
    assert "orders_in_hand" in town.run("day", "show", "2026-03-02").output
    assert town.run("day", "show", "2026-03-02", "--out", tmp_path / "day.xlsx").exit_code == 0
    assert load_workbook(tmp_path / "day.xlsx")["partners"]["G2"].value == 10
    assert "not closed" in town.run("day", "show", "2026-03-03").output


def test_lists_are_written_compared_and_their_differences_resolved(town, tmp_path):
    town.run("day", "close", "2026-03-02")
    for folder in (tmp_path / "one", tmp_path / "two"):
        assert town.run("day", "export", "2026-03-02", "--out", folder).exit_code == 0
    csv = (tmp_path / "one" / f"{TOWARDS}.csv").read_bytes()
    assert csv == (tmp_path / "two" / f"{TOWARDS}.csv").read_bytes()
    sheet = load_workbook(tmp_path / "one" / f"{TOWARDS}.xlsx").active
    assert [cell.value for cell in sheet[1]][-1] == "amount"
    assert ([cell.value for cell in sheet[2]][5], sheet[2][-1].value, sheet[3][-1].value) == ("o1", 10, 10)
    mine = tmp_path / "theirs.csv"
    mine.write_bytes(csv)
    assert town.run("day", "compare", mine).exit_code == 0
    mine.write_bytes(csv.replace(b",1000\n", b",999\n"))
    assert town.run("day", "compare", mine).exit_code == 1
    [found] = town.json("day", "differences")
    assert (found["what"], found["ours_fen"], found["theirs_fen"]) == ("other amount", 1_000, 999)
    assert town.run("day", "resolve", found["id"], "--note", "a typing error", by="li").exit_code == 0
    assert town.run("day", "compare", mine).exit_code == 0
    assert [one["resolved_by"] for one in town.json("day", "differences", "--all")] == ["li"]
    assert town.run("day", "compare", tmp_path / "none.csv").exit_code == 2


async def test_two_people_pay_out_a_closed_day(town, database, tmp_path):
    owed = Posting(Account.BANK, Account.RECEIVABLE_ALIPAY, 2_500, "test", card_no="card-o1", order_no="o1")
    await ledger.post(database, [owed], NOON, NOON.date())
    town.run("day", "close", "2026-03-02")
    assert [one["net_fen"] for one in town.json("remittance", "owed", "2026-03-02")] == [-1_500]
    left = town.run("remittance", "propose", "2026-03-02", by="li")
    assert (left.exit_code, "bank account" in left.output) == (1, True)
    account = ("remittance", "account", "institution", "90000001", "--pay-to", "ICBC 1", "--fee-bp", "100")
    assert town.run(*account, by="li").exit_code == 0
    assert town.run("remittance", "propose", "2026-03-02", by="li").exit_code == 0
    [one] = town.json("remittance", "list")
    assert (one["direction"], one["amount_fen"], one["fee_fen"], one["transferred_fen"]) == ("pay", 1_500, 15, 1_485)
    assert town.run("remittance", "approve", one["number"], by="li").exit_code == 2
    assert town.run("remittance", "approve", one["number"], by="wang").exit_code == 0
    book = tmp_path / "finance.xlsx"
    assert town.run("remittance", "list", "--state", "approved", "--out", book).exit_code == 0
    assert [cell.value for cell in load_workbook(book).active[2]][7:11] == [15, 0.15, 14.85, "ICBC 1"]
    paid = town.run("remittance", "paid", one["number"], "--reference", "B-77", by="li")
    assert (paid.exit_code, "is paid: 14.85" in paid.output) == (0, True)
    assert town.run("remittance", "withdraw", one["number"], by="li").exit_code == 2
    actors = await database.read("SELECT actor FROM audit WHERE subject = $1 ORDER BY id", one["number"])
    assert [row["actor"] for row in actors] == ["li", "wang", "li"]
