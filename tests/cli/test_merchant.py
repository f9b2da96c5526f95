"""`tongka merchant` and the gates' administration: what is printed, kept and refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from typer.testing import CliRunner

from tongka.cli import gate, merchant
from tongka.days import ZONE
from tongka.journeys.gates import token_digest
from tongka.store import gates

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=ZONE)
FARES = """
version = "2026-01"
valid_from = 2026-01-01
[[service]]
id = "tram"
name = "有轨电车"
kind = "zone"
zones = { a = 1, b = 2 }
fares_fen = [100, 250]
"""


@pytest.fixture
async def run(postgres, database):
    url = postgres.url_of(await database.read_value("SELECT current_database()"))

    def command(group, *arguments):
        variables = {"DATABASE_URL": url, "COLUMNS": "200", "TONGKA_CONFIG": ""}
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            return apart.submit(CliRunner().invoke, group.app, list(map(str, arguments)), env=variables).result()

    return command


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "fares.toml"
    path.write_text(FARES, encoding="utf-8")
    return path


def test_a_fare_table_is_checked_priced_and_imported_once(run, table):
    assert "1 services" in run(merchant, "fares", "check", table).stdout
    assert run(merchant, "fares", "price", table, "tram", "a", "b").stdout == "2.50 yuan\n"
    assert run(merchant, "fares", "import", table).exit_code == 0
    (row,) = json.loads(run(merchant, "fares", "list", "--json").stdout)
    assert row == {"version": "2026-01", "valid_from": "2026-01-01", "services": "tram"}
    again = run(merchant, "fares", "import", table)
    assert (again.exit_code, "another version" in again.output) == (2, True)


def test_a_fare_table_with_a_mistake_is_exit_2_with_its_name(run, table):
    table.write_text(FARES.replace("zones", "zone"), encoding="utf-8")
    for command in ("check", "import"):
        result = run(merchant, "fares", command, table)
        assert (result.exit_code, "zone" in result.output) == (2, True)
    assert run(merchant, "fares", "check", "missing.toml").exit_code == 2


async def test_a_gate_gets_a_token_that_is_kept_nowhere(run, database):
    added = run(gate, "add", "g1", "tram", "entry", "--station", "a")
    token = added.stdout.strip()
    assert (await gates.by_token(database, token_digest(token))).station == "a"
    assert token not in str(await database.read("SELECT * FROM gate"))
    (row,) = json.loads(run(gate, "list", "--json").stdout)
    assert (row["gate_id"], row["role"], row["active"]) == ("g1", "entry", True)
    assert run(gate, "stop", "g1").exit_code == 0
    assert await gates.by_token(database, token_digest(token)) is None
    assert run(gate, "start", "g1").exit_code == 0
    assert run(gate, "stop", "g2").exit_code == 2
    renewed = run(gate, "add", "g1", "tram", "entry", "--station", "a").stdout.strip()
    assert await gates.by_token(database, token_digest(token)) is None
    assert await gates.by_token(database, token_digest(renewed))


@pytest.fixture
async def held(database):
    """A trip that waits for a person."""
    await database.execute(
        "INSERT INTO trip (user_id, out_trade_no, card_type, card_no, kind, service, started_at, business_date,"
        " first_gate, first_record, subject, fare_version, amount_fen, state, made_at, moved_at)"
        " VALUES ('u1', 'N1', '', '', 'late', 'tram', $1, $2, 'g1', 'r1', 's', 'v', 250, 'held', $1, $1)",
        NOON,
        NOON.date(),
    )


@pytest.mark.usefixtures("held")
def test_trips_are_listed_and_held_ones_decided(run):
    (row,) = json.loads(run(merchant, "trips", "--state", "held", "--json").stdout)
    assert (row["out_trade_no"], row["amount_fen"]) == ("N1", 250)
    assert "2.50" in run(merchant, "trips").stdout
    assert json.loads(run(merchant, "trips", "--user", "u2", "--json").stdout) == []
    assert run(merchant, "charge", "N1").exit_code == 0
    told = json.loads(run(merchant, "status", "--json").stdout)
    assert told["trades"] == {"due": {"trips": 1, "amount_fen": 250}}
    assert run(merchant, "status").exit_code == 0
    refused = run(merchant, "waive", "N1")
    assert (refused.exit_code, "trade_move_forbidden" in refused.output) == (2, True)
    assert run(merchant, "retry", "N1").exit_code == 0
    assert run(merchant, "retry", "N2").exit_code == 2
