"""`tongka order`: lists, sheets, and the decision of two people."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from tongka.card.files import LogRecord
from tongka.cli import order
from tongka.orders import Event, Kind
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
def run(url):
    def command(*arguments):
        variables = {"DATABASE_URL": url, "COLUMNS": "200", "TONGKA_CONFIG": ""}
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            return apart.submit(CliRunner().invoke, order.app, list(map(str, arguments)), env=variables).result()

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
