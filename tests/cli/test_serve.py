"""Web processes and their parent: mistakes end them at once, deaths do not, and nobody is left behind."""

import os
import signal
import subprocess

import pytest

from installations import GIVE_UP_S, alive, end, free_port, name_of, until, web_children_of
from tongka.serving import bind

NO_SCHEMA = "DROP TABLE schema_migration"


def serving(two, started):
    """Wait until both web processes have told that they serve."""
    until(lambda: two.answers() and len(started.told("serving")) == 3)


@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_and_ends_cleanly(installed, workers):
    one = installed(workers)
    with one.started("serve") as started:
        until(lambda: one.answers() and started.told("serving"))
        started.process.terminate()
        assert started.process.wait(GIVE_UP_S) == 0
        assert not one.answers()
        assert {line["level"] for line in started.lines()} == {"info"}
        assert {line["url"] for line in started.told("serving")} == {one.url}


@pytest.mark.parametrize(
    ("workers", "mistake", "told"),
    [
        (1, {"keys": {"uri": "software:/no/such/keys.json"}}, "keys.uri: /no/such/keys.json"),
        (2, {"keys": {"uri": "software:/no/such/keys.json"}}, "keys.uri: /no/such/keys.json"),
        (2, {"web": {"tls_certificate": "/no/c.pem", "tls_key": "/no/k.pem"}}, "web.tls_certificate: /no/c.pem"),
        (2, {"web": {"host": "192.0.2.1"}}, "web.host, web.port: cannot listen on 192.0.2.1"),
    ],
    ids=["keys", "keys of two", "certificate", "address"],
)
def test_a_mistake_of_the_installation_is_one_line_and_the_end(installed, workers, mistake, told):
    done = installed(workers, **mistake).run("serve")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert told in line
    assert line.startswith("{")
    assert done.stdout == ""


def test_a_database_that_is_away_is_one_line_too_and_another_exit_code(installed):
    done = installed(2, database={"url": f"postgresql://nobody@127.0.0.1:{free_port()}/tongka"}).run("serve")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "the database cannot be reached" in line


async def test_who_dies_is_started_again_until_he_finds_a_mistake_which_ends_them_all(installed, database):
    two = installed(2)
    with two.started("serve") as started:
        serving(two, started)
        before = web_children_of(started.process.pid)
        assert len(before) == 2
        assert name_of(started.process.pid) == "tongka serve"
        end(before[0])
        until(lambda: len(started.told("serving")) == 4)
        assert set(web_children_of(started.process.pid)) & set(before) == {before[1]}
        (died,) = started.told("a web process died")
        assert (died["process"], died["exit_code"], died["level"]) == (before[0], -signal.SIGKILL, "error")
        assert two.answers()
        await database.execute(NO_SCHEMA)
        end(before[1])
        assert started.process.wait(GIVE_UP_S) == 2
        (line,) = started.told("cannot go on")
        assert "run `tongka db upgrade`" in line["text"]
    bind("127.0.0.1", two.port).close()


def test_web_processes_end_when_their_parent_is_killed(installed):
    two = installed(2)
    with two.started("serve") as started:
        serving(two, started)
        children = web_children_of(started.process.pid)
        os.kill(started.process.pid, signal.SIGKILL)
        started.process.wait(GIVE_UP_S)
        until(lambda: not any(map(alive, children)))
        bind("127.0.0.1", two.port).close()


@pytest.mark.parametrize("after_s", [1.2, 2.0])
def test_sigterm_at_any_moment_of_a_start_ends_it_cleanly(installed, after_s):
    two = installed(2)
    with two.started("serve") as started:
        with pytest.raises(subprocess.TimeoutExpired):
            started.process.wait(after_s)
        children = web_children_of(started.process.pid)
        started.process.terminate()
        code = started.process.wait(GIVE_UP_S)
        assert code == 0 or (not started.lines() and code == -signal.SIGTERM)  # while Python itself loads
        until(lambda: not any(map(alive, children)))
        assert not started.told("cannot go on")
