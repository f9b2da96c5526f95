"""`tongka order`: lists, sheets, and the decision of two people."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from tongka.card.files import LogRecord
from tongka.cli import operator, order
from tongka.orders import Event, Kind
from tongka.payments import OURS
from tongka.store.ledger_checks import check
from zoo import fill, step
from zoo import order as one_order

LOG = LogRecord(
    sequence=8, overdraft=0, amount=1_000, kind=2, terminal=bytes.fromhex("000090000001"), date="20260302",
    time="120000",
)  # fmt: skip


@pytest.fixture
async def url(postgres, database):
    await fill(database)
    open_one = await one_order(database, "n1", Kind.TOPUP, Event.AUTHORISE, Event.KEYS_ANSWERED)
    await step(database, open_one, Event.MANAGED_UNDECIDED, evidence=LOG.build() + b"\xff" * 23)
    return postgres.url_of(await database.read_value("SELECT current_database()"))


@pytest.fixture
def run(url, tmp_path):
    """Run a command; whoever acts shows his passphrase, in a file of his name."""

    def command(*arguments, group=order):
        variables = {"DATABASE_URL": url, "COLUMNS": "200", "TONGKA_CONFIG": ""}
        given = list(map(str, arguments))
        if "--operator" in given and "--passphrase-file" not in given:
            given += ["--passphrase-file", str(tmp_path / given[given.index("--operator") + 1].lower())]
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            return apart.submit(CliRunner().invoke, group.app, given, env=variables).result()

    for name in ("li", "wang"):
        (tmp_path / name).write_text(f"{name} has a long passphrase\n")
        assert command("save", name, "--passphrase-file", tmp_path / name, group=operator).exit_code == 0
    return command


def listed(run, *arguments):
    return {row["order_no"] for row in json.loads(run("list", "--json", *arguments).stdout)}


def test_orders_are_listed_by_state_card_kind_and_day(run):
    assert listed(run, "--state", "9") == {"topup-9", "return-9", "n1"}
    assert listed(run, "--state", "9", "--kind", "return") == {"return-9"}
    assert listed(run, "--card", "card-topup-A") == {"topup-A"}
    assert listed(run, "--day", "2026-03-02", "--state", "B") == {"topup-B"}
    assert listed(run, "--day", "2026-03-03") == set()
    assert len(listed(run, "--limit", 5)) == 5
    assert "9 undecided" in run("list", "--state", "9").stdout


def test_an_unknown_state_is_refused(run):
    result = run("list", "--state", "X")
    assert (result.exit_code, "X is not one of" in result.stderr) == (2, True)


def test_a_sheet_tells_facts_moves_transfers_and_the_log(run):
    sheet = json.loads(run("show", "n1", "--json").stdout)
    assert (sheet["order"]["state"], sheet["order"]["amount_fen"]) == ("9", 1_000)
    assert [event["action"] for event in sheet["events"]][-2:] == ["keys_answered", "managed_undecided"]
    assert [(each["kind"], each["debit"], each["credit"]) for each in sheet["transfers"]] == [
        ("single", "receivable_alipay", "orders_in_hand"), ("pending", "orders_in_hand", "card_float")
    ]  # fmt: skip
    assert (sheet["log"][0]["sequence"], sheet["log"][0]["amount"]) == (8, 1_000)
    assert sheet["log"][1]["raw"] == "FF" * 23
    shown = run("show", "n1").stdout
    for word in ("9 undecided", "10.00", "managed_undecided", "orders_in_hand", "20260302"):
        assert word in shown


def test_a_sheet_holds_nothing_secret_or_personal(run):
    assert not {"command", "customer", "challenge", "init"} & set(
        json.loads(run("show", "n1", "--json").stdout)["order"]
    )


def test_an_order_that_is_not_there_is_an_error(run):
    result = run("show", "nothing")
    assert (result.exit_code, "there is no order nothing" in result.stderr) == (2, True)


async def test_two_people_decide(run, database):
    why = ("--reason", "card read at the counter")
    assert "waits for another person" in run("decide", "n1", "--credited", "--operator", "li", *why).stdout
    assert "waits for another person" in run("decide", "n1", "--credited", "--operator", "LI", *why).stdout
    assert json.loads(run("show", "n1", "--json").stdout)["decision"]["proposed_by"] == "li"
    refused = run("decide", "n1", "--not-credited", "--operator", "wang", *why)
    assert (refused.exit_code, "decision_differs" in refused.stderr) == (2, True)
    done = run("decide", "n1", "--credited", "--operator", "wang", *why)
    assert "order n1 is 8 adjusted, decided by li and wang" in done.stdout
    again = json.loads(run("decide", "n1", "--credited", "--operator", "wang", *why, "--json").stdout)
    assert (again["state"], again["confirmed_by"]) == ("8", "wang")
    assert json.loads(run("show", "n1", "--json").stdout)["log"]
    assert await check(database) == []


def test_a_verdict_is_required(run):
    assert run("decide", "n1", "--operator", "li", "--reason", "x").exit_code == 2


def test_a_proposal_is_withdrawn(run):
    run("decide", "n1", "--credited", "--operator", "li", "--reason", "x")
    assert run("withdraw", "n1", "--operator", "wang").exit_code == 0
    assert "proposal_gone" in run("withdraw", "n1", "--operator", "wang").stderr


# --- who acts ---------------------------------------------------------------------------------------------------------

DECIDE = ("decide", "n1", "--credited", "--reason", "x", "--operator")


@pytest.mark.parametrize("name", ["li", "nobody"])
def test_who_does_not_know_the_passphrase_does_not_act(run, tmp_path, name):
    (tmp_path / "wrong").write_text("another long passphrase")
    results = [run(*DECIDE, name, "--passphrase-file", tmp_path / "wrong") for _ in range(6)]
    assert {result.exit_code for result in results} == {2}
    assert ["operator_wrong" in result.stderr for result in results] == [True] * 5 + [False]
    assert "too_many_passwords" in results[-1].stderr
    assert json.loads(run("show", "n1", "--json").stdout)["decision"] is None


def test_an_operator_who_left_does_not_act(run):
    assert run("deactivate", "LI", group=operator).exit_code == 0
    assert "operator_wrong" in run(*DECIDE, "li").stderr
    assert json.loads(run("list", "--json", group=operator).stdout) == [
        {"name": "li", "active": False, "saved_by": None}, {"name": "wang", "active": True, "saved_by": None}
    ]  # fmt: skip
    assert run("activate", "li", group=operator).exit_code == 0
    assert run(*DECIDE, "li").exit_code == 0
    assert run("deactivate", "zhou", group=operator).exit_code == 2


def test_a_short_passphrase_is_refused(run, tmp_path):
    (tmp_path / "short").write_text("eleven char")
    result = run("save", "zhou", "--passphrase-file", tmp_path / "short", group=operator)
    assert (result.exit_code, "12 characters" in result.stderr) == (2, True)


async def test_the_trail_says_who_acted_under_which_account(run, database):
    run(*DECIDE, "LI")
    rows = await database.read("SELECT actor, action, subject, detail FROM audit ORDER BY id DESC LIMIT 2")
    acted = {row["action"]: (row["actor"], row["subject"]) for row in rows}
    assert acted == {"decision proposed": ("li", "n1"), "operator acts": ("li", "decide n1")}
    assert any(row["detail"].startswith("cli:") for row in rows)


# --- an operator's refund ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["1", "3", "C"])
async def test_an_operator_refunds_what_is_not_on_its_card(run, database, state):
    result = run("refund", f"topup-{state}", "--operator", "li", "--reason", "the rider moved away")
    assert (result.exit_code, "A refunding" in result.stdout) == (0, True)
    assert "took the money, and pays it back itself; the refund stands in its list" in result.stdout
    sheet = json.loads(run("show", f"topup-{state}", "--json").stdout)
    event = sheet["events"][-1]
    assert (event["action"], event["actor"], event["detail"]) == ("refund", "li", "the rider moved away")
    assert sheet["order"]["refund_no"].startswith(f"Rtopup-{state}-")
    assert run("refund", f"topup-{state}", "--operator", "li", "--reason", "again").exit_code == 2
    assert await check(database) == []


@pytest.mark.parametrize("number", ["topup-2", "topup-4", "topup-5", "topup-8", "topup-9", "sale-1", "return-3"])
def test_what_may_be_on_a_card_is_not_refunded(run, number):
    result = run("refund", number, "--operator", "li", "--reason", "x")
    assert (result.exit_code, "order_state" in result.stderr or "unsupported" in result.stderr) == (2, True)


async def test_what_an_app_ordered_is_refunded_there(run, database):
    await one_order(database, "app", Kind.TOPUP, institution=OURS)
    assert "in an app" in run("refund", "app", "--operator", "li", "--reason", "x").stderr
