"""The commands over the store: what they print, and their exit codes."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from typer.testing import CliRunner

from tongka.cli import audit, config, db, ledger
from tongka.days import ZONE
from tongka.ledger import Account, Posting
from tongka.settings import Database
from tongka.store.audit import record
from tongka.store.db import open_url
from tongka.store.ledger import post

NOON = datetime(2025, 6, 2, 12, 0, tzinfo=ZONE)
CARD = "3104870012345678901"


@pytest.fixture
async def url(postgres, database):
    """A database with one posted transfer and one audit row."""
    posting = Posting(Account.OPENING_BALANCES, Account.CARD_FLOAT, 12345, "import", card_no=CARD)
    await post(database, [posting], NOON, NOON.date())
    await record(database, NOON, actor="operator", action="card.import", subject=CARD)
    return postgres.url_of(await database.read_value("SELECT current_database()"))


@pytest.fixture
def run(url):
    """Run a command of a group against that database; answers the result."""

    def command(group, *arguments, **environment):
        variables = {"DATABASE_URL": url, "COLUMNS": "200", "TONGKA_CONFIG": ""} | environment
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            return apart.submit(CliRunner().invoke, group.app, list(map(str, arguments)), env=variables).result()

    return command


def test_status_lists_the_migrations_and_upgrade_has_nothing_to_do(run):
    result = run(db, "status", "--json")
    assert result.exit_code == 0
    assert [row["migration"] for row in json.loads(result.stdout)][:2] == ["0001_ledger", "0002_audit"]
    assert "0001_ledger" in run(db, "status").stdout
    assert "up to date" in run(db, "upgrade").stdout


async def test_status_of_an_empty_database_is_pending_and_upgrade_applies_it(run, database):
    await database.execute("DROP SCHEMA public CASCADE")
    await database.execute("CREATE SCHEMA public")
    assert "applied 0001_ledger" not in run(db, "status").stdout
    assert run(db, "status").exit_code == 1
    assert "applied 0001_ledger" in run(db, "upgrade").stdout
    assert run(db, "status").exit_code == 0


def test_right_books_are_said_to_be_right(run):
    result = run(ledger, "check")
    assert (result.exit_code, result.stdout) == (0, "the books are right\n")
    assert json.loads(run(ledger, "check", "--json").stdout) == []


async def test_wrong_books_are_shown_and_exit_1(run, database):
    await database.execute("ALTER TABLE transfer DISABLE TRIGGER transfer_append_only")
    result = run(ledger, "check")
    assert (result.exit_code, "guards_in_place" in result.stdout) == (1, True)
    (finding,) = json.loads(run(ledger, "check", "--json").stdout)
    assert finding["row"] == "name=transfer_append_only"


def test_balances_are_yuan_for_people_and_fen_for_programs(run):
    assert "123.45" in run(ledger, "balance").stdout
    (row,) = json.loads(run(ledger, "balance", 1, "--json").stdout)
    assert (row["name"], row["balance_fen"], row["available_fen"]) == ("card_float", 12345, None)
    assert json.loads(run(ledger, "balance", "--card", CARD, "--json").stdout) == [
        {"card_no": CARD, "balance_fen": 12345}
    ]


def test_an_unknown_account_is_refused_with_exit_2(run):
    result = run(ledger, "balance", 77)
    assert (result.exit_code, "account_not_found" in result.output) == (2, True)


def test_a_statement_lists_the_days_asked_for(run):
    assert CARD in run(ledger, "statement", 1, "2025-06-02", "2025-06-02").stdout
    assert json.loads(run(ledger, "statement", 1, "2025-06-03", "2025-06-09", "--json").stdout) == []


def sealed(run):
    """Seal once no other database of this server holds the horizon back; answers the last seal's line."""
    for _ in range(100):
        if lines := run(audit, "seal").stdout.splitlines():
            return lines[-1]
    raise AssertionError("nothing could be sealed")


def test_a_trail_is_sealed_verified_and_exported(run):
    anchor = sealed(run)
    assert anchor.startswith("1:")
    assert run(audit, "verify", "--anchor", anchor).exit_code == 0
    lines = [json.loads(line) for line in run(audit, "export").stdout.splitlines()]
    assert (lines[0]["seal"]["number"], lines[1]["entry"]["subject"]) == (1, CARD)


async def test_a_touched_trail_exits_1_and_names_the_row(run, database):
    sealed(run)
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE audit SET actor = 'x' WHERE id = 1")
    result = run(audit, "verify")
    assert (result.exit_code, "seal 1, row 1: the row was changed" in result.stdout) == (1, True)
    assert json.loads(run(audit, "verify", "--json").stdout)[0]["entry"] == 1


@pytest.mark.parametrize("anchor", ["1", "x:00", "1:zz"])
def test_an_anchor_of_another_form_is_refused(run, anchor):
    assert run(audit, "verify", "--anchor", anchor).exit_code == 2


def test_settings_are_shown_with_their_sources_and_without_secrets(run, url):
    result = run(config, "show", TONGKA_WEB_PORT="9000")
    assert ("TONGKA_WEB_PORT" in result.stdout, url in result.stdout) == (True, False)
    shown = json.loads(run(config, "show", "--json").stdout)
    assert shown["database.url"] == {"value": "***", "source": "DATABASE_URL"}


def test_with_live_the_database_is_looked_at_and_the_key_store_too(run):
    (told,) = json.loads(run(config, "check", "--live", "--json", TONGKA_KEYS_URI="software:/no/such").stdout)["unsafe"]
    assert told.startswith("keys.uri: /no/such is not a readable key file")


def test_mistakes_are_told_with_exit_2(run):
    result = run(config, "check", TONGKA_WEB_PORT="x", TONGKA_NO="1")
    assert (result.exit_code, "web.port" in result.output, "TONGKA_NO" in result.output) == (2, True, True)


def test_what_is_unfit_for_production_is_told_with_exit_1(run):
    result = run(config, "check", "--json", TONGKA_MODE="production", TONGKA_LOG_LEVEL="debug")
    assert result.exit_code == 1
    assert any(line.startswith("log.level") for line in json.loads(result.stdout)["unsafe"])


async def test_an_upgrade_is_refused_while_others_serve_unless_it_is_told_so(run, url):
    serving = await open_url(url, Database(pool_min=1, pool_max=1), role="web")
    refused = run(db, "upgrade")
    assert (refused.exit_code, "stop serve and worker" in refused.output) == (2, True)
    assert run(db, "upgrade", "--online").exit_code == 0
    await serving.close()


async def test_the_head_of_the_trail_is_what_verify_takes(run):
    sealed(run)
    head = run(audit, "head").stdout.strip()
    assert run(audit, "verify", "--anchor", head).exit_code == 0
    assert f"{json.loads(run(audit, 'head', '--json').stdout)['number']}:" == head[: head.index(":") + 1]


def test_moments_are_the_city_s_for_people_and_bear_their_offset_in_json(run):
    (first, *_) = json.loads(run(db, "status", "--json").stdout)
    assert datetime.fromisoformat(first["applied_at"]).utcoffset() == timedelta(hours=8)
    assert re.search(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} ", run(db, "status").stdout)
