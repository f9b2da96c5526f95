"""`tongka config check --live` says what a start would stumble over, all of it; other commands say their one line."""

import json

import pytest

from installations import free_port
from tls_files import write_pair

PRODUCTION = {"mode": "production", "web": {"behind_tls": True, "trusted_proxies": ["10.0.0.1"]}}


def unfit(done):
    return json.loads(done.stdout)["unsafe"]


def test_a_good_installation_is_good_and_shows_what_is_set(installed):
    done = installed(**PRODUCTION).run("config", "check", "--live")
    assert done.stdout.startswith("the settings are good\n")
    assert done.returncode == 0
    assert "keys.uri" in done.stdout
    assert "city.day_cut" not in done.stdout


async def test_all_mistakes_are_told_at_once(installed, database, tmp_path):
    certificate, key = write_pair(tmp_path, days=-1)
    wrong = installed(mode="production", web={"tls_certificate": certificate, "tls_key": key, "trusted_proxies": []})
    (tmp_path / "passphrase").write_text("another")
    await database.execute("DELETE FROM schema_migration WHERE number = (SELECT max(number) FROM schema_migration)")
    done = wrong.run("config", "check", "--live", "--json")
    assert done.returncode == 1
    keys, tls, schema = unfit(done)
    assert keys.startswith("keys.uri: the passphrase does not open")
    assert tls.startswith("web.tls_certificate ended at ")
    assert schema.startswith("the database lacks 1 migrations")


def test_without_live_nothing_is_opened(installed):
    one = installed(keys={"uri": "software:/no/such"}, database={"url": f"postgresql://127.0.0.1:{free_port()}/x"})
    done = one.run("config", "check")
    assert done.returncode == 0
    assert "was not opened" in done.stdout
    live = one.run("config", "check", "--live", "--json")
    assert [text.split()[0] for text in unfit(live)] == ["keys.uri:", "the"]
    assert live.returncode == 1


@pytest.mark.parametrize("command", [("ledger", "check"), ("partner", "list")])
async def test_a_command_on_another_schema_says_which_command_helps(installed, database, command):
    await database.execute("DELETE FROM schema_migration WHERE number > 40")
    done = installed().run(*command)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith("run `tongka db upgrade`")


def test_a_command_without_its_database_is_one_line(installed):
    done = installed(database={"url": f"postgresql://127.0.0.1:{free_port()}/x"}).run("ledger", "check")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("failed the database cannot be reached")
