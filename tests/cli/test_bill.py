"""tongka payments bill: differences are listed, and told by the exit code; so is what could not be had."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from typer.testing import CliRunner

import bill_files
from tongka import shell
from tongka.card.profiles import PROFILES
from tongka.cli import payments
from tongka.days import ZONE
from tongka.errors import Failed
from tongka.keys.keyfile import KeyRing, write_keyfile
from tongka.payments.till import Till


@pytest.fixture
async def run(postgres, database, tmp_path):
    ring = KeyRing.generate(PROFILES.values(), secrets.token_bytes)
    write_keyfile(tmp_path / "keys.json", ring, b"secret", sandbox=True)
    (tmp_path / "passphrase").write_text("secret")
    variables = {
        "DATABASE_URL": postgres.url_of(await database.read_value("SELECT current_database()")),
        "TONGKA_CONFIG": "",
        "TONGKA_KEYS_URI": f"software:{tmp_path / 'keys.json'}",
        "TONGKA_KEYS_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
        "TONGKA_PAYMENTS_INSTITUTION": "simulator",
    }

    def command(*arguments):
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            return apart.submit(CliRunner().invoke, payments.app, list(map(str, arguments)), env=variables).result()

    return command


def test_a_day_without_differences_is_zero_and_one_with_them_is_one(run, tmp_path):
    quiet = run("bill", "2026-03-02", "--json")
    assert (quiet.exit_code, json.loads(quiet.stdout)) == (0, [])
    (tmp_path / "bill.zip").write_bytes(bill_files.alipay(("P1", "1.00", "")))
    told = run("bill", "2026-03-02", "--acquirer", "alipay", "--file", tmp_path / "bill.zip", "--json")
    assert (told.exit_code, json.loads(told.stdout)) == (1, [
        {"acquirer": "alipay", "why": "missing_here", "kind": "payment", "number": "P1", "bill_fen": 100,
         "books_fen": 0}
    ])  # fmt: skip


class Unreachable(Till):
    """A till whose bill cannot be had."""

    async def bill(self, day):
        raise Failed(f"no bill of {day} today")


async def test_an_institution_that_cannot_be_reached_does_not_hide_the_others(run, database, monkeypatch):
    def both(settings, database, clock, random):
        return {
            "wechat": Unreachable(database, clock, random, name="wechat"),
            "sandbox": Till(database, clock, random),
        }  # fmt: skip

    await database.execute(
        "INSERT INTO payment (payment_no, order_no, acquirer, amount_fen, state, created_at, expires_at, asked_at)"
        " VALUES ('P1', 'P1', 'sandbox', 100, 'paid', $1, $1, $1)",
        datetime(2026, 3, 2, 12, tzinfo=ZONE),
    )
    monkeypatch.setattr(shell, "open_acquirers", both)
    told = run("bill", "2026-03-02", "--json")
    assert told.exit_code == 2
    assert [(row["acquirer"], row["why"]) for row in json.loads(told.stdout)] == [("sandbox", "missing_there")]
    assert "wechat, bill of 2026-03-02: no bill of 2026-03-02 today" in told.stderr
    assert "sandbox" not in told.stderr


def test_what_cannot_be_read_is_refused(run, tmp_path):
    (tmp_path / "bill").write_bytes(b"nothing of the kind")
    for arguments in (
        ("2026-03-02", "--acquirer", "nobody"),
        ("2026-03-02", "--file", tmp_path / "bill"),
        ("2026-03-02", "--file", tmp_path / "bill", "--acquirer", "wechat"),
        ("2026-03-02", "--file", tmp_path / "none", "--acquirer", "wechat"),
        ("yesterday",),
    ):
        assert run("bill", *arguments).exit_code not in {0, 1}
