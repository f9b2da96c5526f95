"""`tongka payments owed` and `paid-out`: what riders have not got back, and what people have paid by hand."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from tongka.cli import operator, payments
from tongka.orders import Event, Kind
from tongka.payments import OURS
from tongka.store import payouts
from tongka.store.ledger_checks import check
from tongka.store.payouts import PayoutState
from zoo import NOON, order


@pytest.fixture
async def url(postgres, database):
    for number, state in (("r1", PayoutState.OWED), ("r2", PayoutState.WAITING)):
        await order(database, number, Kind.RETURN, Event.WAITED, institution=OURS)
        found = await payouts.by_number(database, number)
        assert state is PayoutState.WAITING or await payouts.proceed(database, found, state, [], NOON)
    return postgres.url_of(await database.read_value("SELECT current_database()"))


@pytest.fixture
def run(url, tmp_path):
    def command(*arguments, group=payments):
        variables = {"DATABASE_URL": url, "COLUMNS": "200", "TONGKA_CONFIG": ""}
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            return apart.submit(CliRunner().invoke, group.app, list(map(str, arguments)), env=variables).result()

    (tmp_path / "wang").write_text("wang has a long passphrase")
    (tmp_path / "wrong").write_text("somebody else's passphrase")
    assert command("save", "wang", "--passphrase-file", tmp_path / "wang", group=operator).exit_code == 0
    return command


def paid_out(run, tmp_path, number="r1", reference="4711", passphrase="wang", *more):  # noqa: S107 - a file's name
    who = ("--operator", "wang", "--passphrase-file", tmp_path / passphrase)
    return run("paid-out", number, "--reference", reference, *who, *more)


def listed(run) -> list[tuple[str, str, int]]:
    rows = json.loads(run("owed", "--json").stdout)
    return [(row["order_no"], row["state"], row["owed_fen"]) for row in rows]


async def test_what_is_owed_is_listed_and_paid_by_hand_once(run, tmp_path, database):
    assert listed(run) == [("r1", "owed", 1_000), ("r2", "waiting", 1_000)]
    assert "10.00" in run("owed").stdout
    for _ in range(2):
        done = paid_out(run, tmp_path)
        assert (done.exit_code, "10.00 by hand under 4711" in done.stdout) == (0, True), done.output
    assert listed(run) == [("r2", "waiting", 1_000)]
    assert await check(database) == []
    bank = await database.read_value("SELECT sum(amount_fen)::bigint FROM transfer WHERE credit = 9")
    assert bank == 1_000
    trail = await database.read("SELECT actor FROM audit WHERE action = 'payout by hand'")
    assert [row["actor"] for row in trail] == ["wang"]


def test_what_is_not_owed_another_reference_and_a_wrong_passphrase_are_refused(run, tmp_path):
    for arguments in (("r2",), ("none",), ("r1", ""), ("r1", "x", "wrong"), ("r1", "x", "wang", "--from", "pocket")):
        assert paid_out(run, tmp_path, *arguments).exit_code == 2
    assert paid_out(run, tmp_path, "r1", "4711", "wang", "--from", "cash").exit_code == 0
    assert paid_out(run, tmp_path, "r1", "4712").exit_code == 2
