"""SIGTERM ends what serves, at whatever moment it comes, and leaves no server behind."""

import fcntl
import subprocess
import sys
import time

import pytest

from tongka import cli

GIVE_UP_S = 60


@pytest.mark.parametrize("made", ["postgres", "postgres/pgdata.new", "postgres/pgdata"])
def test_a_sandbox_that_is_just_beginning_ends_cleanly(tmp_path, made):
    command = [sys.executable, "-c", "from tongka.cli import main; main()"]
    sandbox = subprocess.Popen([*command, "sandbox", "--dir", str(tmp_path), "--port", "0"])
    deadline = time.monotonic() + GIVE_UP_S
    while not (tmp_path / made).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    sandbox.terminate()
    assert sandbox.wait(GIVE_UP_S) == 0
    assert not (tmp_path / "sandbox.json").exists()
    with (tmp_path / "postgres" / "server.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a server that lived would hold it


@pytest.mark.parametrize("name", sorted(cli.UNTIL_ENDED))
def test_it_ends_cleanly_while_it_loads(name):
    code = f"""
import signal, sys
from tongka import cli
sys.meta_path.insert(0, type("Told", (), {{"find_spec": lambda *_: signal.raise_signal(signal.SIGTERM)}}))
cli._Lazy(name="tongka").get_command(None, {name!r})
sys.exit("it loaded all the same")
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=GIVE_UP_S, check=False).returncode == 0
