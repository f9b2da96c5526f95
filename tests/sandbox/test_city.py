"""`tongka sandbox` as a process: its file, its restarts, its death."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tongka.card.commands import CommandKind
from tongka.cli import card as card_commands
from tongka.cli import config
from tongka.cli.card_front import front_of
from tongka.cli.common import database_of, system_of
from tongka.errors import Misconfigured
from tongka.keys.keyfile import KeyRing, write_keyfile
from tongka.partners.huzhou.client import Outcome, TopUpInterrupted
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import furnish
from tongka.sandbox.card.power import AFTER
from tongka.sandbox.city import city_settings, open_city
from tongka.shell import now
from tongka.store import parties
from tongka.store.db import open_database
from tongka.store.installation import recognise
from tongka.store.ledger_checks import check
from tongka.store.migrate import applied, migrations, upgrade

START_S, END_S = 60, 30
STAMPED = next(one.number for one in migrations() if one.name == "installation")


class Sandbox:
    """A sandbox in a folder, started as anybody starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "sandbox.json"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> dict:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tongka", "sandbox", "--dir", str(self.folder), "--port", "0"],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_S
        while not self.file.exists():
            assert self.process.poll() is None, "the sandbox ended"
            assert time.monotonic() < until, "the sandbox is not ready"
            time.sleep(0.05)
        return json.loads(self.file.read_bytes())

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_S)

    def kill(self, *, with_database: bool) -> None:
        """Kill -9 of the process group; the database has its own, and may be killed too."""
        self.file.unlink()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(END_S)
        if with_database:
            told = (self.folder / "postgres" / "pgdata" / "postmaster.pid").read_text()
            os.kill(int(told.split()[0]), signal.SIGKILL)


@contextmanager
def sandbox_in(folder: Path):
    sandbox = Sandbox(folder)
    try:
        yield sandbox
    finally:
        if sandbox.process and sandbox.process.poll() is None:
            sandbox.end()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with sandbox_in(tmp_path_factory.mktemp("city")) as sandbox:
        sandbox.start()
        yield sandbox


def plastic(entry: dict) -> SoftwareCard:
    return SoftwareCard(furnish(CardImage.from_json(entry)), secrets.token_bytes)


def test_the_file_has_what_the_contract_says(running):
    document = json.loads(running.file.read_bytes())
    assert (document["format"], document["base_url"]) == (1, f"http://127.0.0.1:{document['base_url'].split(':')[2]}")
    huzhou = document["huzhou"]
    for name, digits in (("partner_private_key", 64), ("partner_public_key", 66), ("platform_public_key", 66)):
        assert re.fullmatch(rf"[0-9A-F]{{{digits}}}", huzhou[name]), name
    for name in ["joininstid", "instid", "mchntid", "netid", "termid", "oprid", "batchno", "chnlid", "areaflag"]:
        assert isinstance(huzhou[name], str), name
    cards = document["cards"]
    kinds = Counter((c["algorithm"], c["enabled"], c["balance_fen"] == 0, c["balance_fen"] >= 90_000) for c in cards)
    assert len(cards) >= 60
    for algorithm in ("3des", "sm4"):
        assert kinds[algorithm, False, True, False] >= 3  # not yet sold
        assert kinds[algorithm, True, True, False] >= 3  # empty
        assert kinds[algorithm, True, False, True] >= 3  # nearly full
    for entry in cards:
        assert [len(entry["files"][name]) // 2 for name in ("0015", "0016", "0017")] == [30, 55, 60]
        assert entry["asn"] == entry["files"]["0015"][20:40]
        assert entry["asn"].endswith(entry["card_no"])
        assert len(entry["card_no"]) in {19, 16}
        assert entry["balance_fen"] + 1_000 <= 100_000
        assert all(re.fullmatch(r"[0-9A-F]{32}", entry["keys"][k]) for k in ("load", "purchase", "tac", "maintain"))


def test_its_files_are_their_owners_only(running):
    for name in ("sandbox.json", "keys.json", "passphrase", "partner.key", "seed", "tongka.toml"):
        assert (running.folder / name).stat().st_mode & 0o077 == 0, name


def test_health_and_console_answer(running):
    document = json.loads(running.file.read_bytes())
    assert httpx.get(document["base_url"] + "/health").json()["status"] == "ok"
    assert httpx.get(document["base_url"] + "/ready").json()["status"] == "ready"
    page = httpx.get(document["console"], follow_redirects=True)
    assert (page.status_code, "Tongka" in page.text) == (200, True)
    foreign = httpx.get(document["base_url"] + "/console/", headers={"Host": "evil.example"})
    assert foreign.status_code == 403


def test_a_card_file_is_topped_up_torn_and_recovered_by_the_commands(running, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = CliRunner()

    def call(*arguments: object) -> str:
        done = run.invoke(card_commands.app, list(map(str, arguments)))
        assert done.exit_code == 0, done.output
        return done.output

    call("new", "a.json", "--from", running.file)
    before = json.loads(call("read", "-i", "a.json", "--json"))["balance_fen"]
    call("topup", 1000, "-f", running.file, "-i", "a.json")
    assert json.loads(call("read", "-i", "a.json", "--json"))["balance_fen"] == before + 1000
    call("new", "blank.json", "--from", running.file, "--unsold")
    refused = run.invoke(card_commands.app, ["topup", "1000", "-f", str(running.file), "-i", "blank.json"])
    assert refused.exit_code == 2
    assert "000078" in refused.output


async def _torn(sandbox: Sandbox, entry: dict):
    card = plastic(entry)
    card.switch.arm(AFTER, kind=CommandKind.CREDIT_FOR_LOAD)
    async with front_of(sandbox.file) as front:
        with pytest.raises(TopUpInterrupted) as broken:
            await front.top_up(card, 1_000, f"torn-{entry['card_no']}")
    card.power_on()
    return card, broken.value.order


async def _recovered(sandbox: Sandbox, card: SoftwareCard, order) -> Outcome:
    async with front_of(sandbox.file) as front:
        return await front.recover(card, order)


async def test_the_city_goes_on_after_every_kind_of_end(tmp_path):
    """SIGTERM, kill -9 with the database alive, and with the database killed: the same keys, cards and orders."""
    with sandbox_in(tmp_path / "city") as sandbox:
        first = sandbox.start()
        used = [entry for entry in first["cards"] if entry["enabled"] and 0 < entry["balance_fen"] < 50_000]
        for ending, entry in zip(("term", "kill", "kill all"), used, strict=False):
            card, order = await _torn(sandbox, entry)
            if ending == "term":
                assert sandbox.end() == 0
                sandbox.file.unlink()
            else:
                sandbox.kill(with_database=ending == "kill all")
            again = sandbox.start()
            assert without_addresses(again) == without_addresses(first)
            assert await _recovered(sandbox, card, order) is Outcome.CREDITED
            assert card.image.balance_fen == entry["balance_fen"] + 1_000
        assert not await findings(sandbox)


@asynccontextmanager
async def opened(folder: Path):
    """The database of a city's folder, whoever's it is."""
    database = await open_database(city_settings(folder, "127.0.0.1", 0).database)
    try:
        yield database
    finally:
        await database.close()


async def findings(sandbox: Sandbox) -> list:
    async with database_of(sandbox.folder / "tongka.toml") as database:
        return await check(database)


async def test_the_citys_commands_are_not_led_elsewhere_by_the_environment(running, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/production")
    monkeypatch.setenv("TONGKA_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/production")
    monkeypatch.setenv("TONGKA_MODE", "production")
    monkeypatch.setenv("TONGKA_KEYS_URI", "software:production.json")
    async with system_of(running.folder / "tongka.toml") as system:
        assert system.installation.mode == "sandbox"
        assert await parties.every(system.database)


def test_variables_that_the_city_does_not_read_are_told(running, monkeypatch):
    monkeypatch.setenv("TONGKA_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/production")
    shown = CliRunner().invoke(config.app, ["show", "-c", str(running.folder / "tongka.toml")])
    assert "not read: TONGKA_DATABASE_URL, for the file is self-contained" in shown.stdout


async def test_the_sandbox_itself_is_not_led_elsewhere_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TONGKA_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/production")
    monkeypatch.setenv("TONGKA_MODE", "production")
    with sandbox_in(tmp_path) as sandbox:
        assert sandbox.start()["format"] == 1


async def test_a_sandbox_never_opens_the_database_of_production(tmp_path):
    """Nothing of a city is put into it, not even its schema's next version."""
    async with opened(tmp_path) as database:
        await upgrade(database, [one for one in migrations() if one.number <= STAMPED])
        await recognise(database, "production", {"endpoint/huzhou/1": "02AB"}, now())
    with pytest.raises(Misconfigured, match="this database is that of a production installation"):
        async with open_city(tmp_path, "127.0.0.1", 0, now):
            raise AssertionError
    async with opened(tmp_path) as database:
        assert await database.read_value("SELECT count(*) FROM party") == 0
        assert max(await applied(database)) == STAMPED


async def test_a_sandbox_never_takes_keys_that_are_worth_something(tmp_path):
    (tmp_path / "passphrase").write_text("secret")
    write_keyfile(tmp_path / "keys.json", KeyRing.generate([], bytes), b"secret", sandbox=False)
    before = (tmp_path / "keys.json").read_bytes()
    with pytest.raises(Misconfigured, match=r"--dir: .*keys\.json holds keys that are worth something"):
        async with open_city(tmp_path, "127.0.0.1", 0, now):
            raise AssertionError
    assert (tmp_path / "keys.json").read_bytes() == before


def without_addresses(document: dict) -> dict:
    text = json.dumps(document).replace(document["base_url"], "")
    return json.loads(text)


def test_a_taken_port_is_refused_by_name(running, tmp_path):
    port = json.loads(running.file.read_bytes())["base_url"].rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-m", "tongka", "sandbox", "--dir", str(tmp_path / "b"), "--port", port],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "web.port" in done.stderr


def test_a_folder_that_is_none_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "tongka", "sandbox", "--dir", str(tmp_path / "file"), "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, "--dir" in done.stderr) == (2, True)


def test_the_demo_walks_through_and_ends_well_also_when_it_is_repeated(tmp_path):
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "tongka", "demo", "--dir", str(tmp_path / "demo")],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "not one fen is lost" in done.stdout
