"""The embedded server through everything that happens to processes: shared, killed at any moment, found again."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from tongka.errors import Failed, Misconfigured
from tongka.store.embedded import SERVER_OPTIONS, SOCKET_PATH_MAX, EmbeddedPostgres, wheel_binaries

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("1[5-9]/bin/postgres"))

USER = """
import sys
from pathlib import Path
from tongka.store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print("ready", flush=True)
sys.stdin.read()
server.close()
"""
"""A process that uses a folder's server until its standard input closes."""


def user(folder):
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def await_ready(process):
    assert process.stdout.readline() == "ready\n"


def leave(process):
    process.communicate(timeout=60)
    assert process.returncode == 0


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def query(server, sql):
    async def ask():
        connection = await asyncpg.connect(server.url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(ask())


@pytest.fixture
def server(folder):
    started = EmbeddedPostgres(folder)
    started.start()
    yield started
    started.close()


def test_the_second_start_goes_on_with_the_same_data(folder):
    for count in range(3):
        server = EmbeddedPostgres(folder)
        server.start()
        query(server, "CREATE TABLE IF NOT EXISTS seen (n int)")
        query(server, "INSERT INTO seen VALUES (1)")
        assert query(server, "SELECT count(*) FROM seen") == count + 1
        server.close()


def test_the_last_one_out_stops_the_server(folder, processes_of):
    first, second = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    first.start()
    second.start()
    first.close()
    assert query(second, "SELECT 1") == 1
    second.close()
    assert processes_of(folder) == []


def test_starting_and_closing_again_is_harmless(server):
    server.start()
    assert query(server, "SELECT 1") == 1
    server.close()
    server.close()


def test_options_are_in_force_and_durability_is_not_for_sale(server):
    assert (SERVER_OPTIONS["fsync"], SERVER_OPTIONS["full_page_writes"], SERVER_OPTIONS["synchronous_commit"]) == (
        ("on",) * 3
    )
    for name, value in SERVER_OPTIONS.items():
        assert query(server, f"SHOW {name}") == value
    assert query(server, "SHOW data_checksums") == "on"


def test_nothing_listens_on_tcp_and_the_socket_is_the_owner_s(server):
    assert query(server, "SHOW listen_addresses") == ""
    assert server.sockets.stat().st_mode & 0o777 == 0o700


def test_processes_that_start_at_the_same_moment_share_one_server(new_folder, processes_of):
    users = [user(new_folder) for _ in range(4)]
    for process in users:
        await_ready(process)
    server = EmbeddedPostgres(new_folder)
    server.start()
    log = server.log.read_text()
    assert log.count("database system is ready") == 1
    server.close()
    for process in users:
        leave(process)
    assert processes_of(new_folder) == []


def test_users_that_were_killed_are_not_counted(folder, processes_of):
    killed, living = user(folder), user(folder)
    await_ready(killed)
    await_ready(living)
    kill(killed)
    leave(living)
    assert processes_of(folder) == []


def test_a_server_whose_users_were_all_killed_is_found_again(folder, processes_of):
    only = user(folder)
    await_ready(only)
    before = processes_of(folder)
    kill(only)
    server = EmbeddedPostgres(folder)
    server.start()
    assert set(processes_of(folder)) & set(before)
    server.close()
    assert processes_of(folder) == []


@pytest.mark.parametrize("postmaster_only", [True, False])
def test_a_killed_server_starts_again_with_its_data(folder, postmaster_only, processes_of):
    server = EmbeddedPostgres(folder)
    server.start()
    query(server, "CREATE TABLE kept (n int)")
    postmaster = int((server.pgdata / "postmaster.pid").read_text().split()[0])
    for pid in [postmaster] if postmaster_only else processes_of(folder):
        os.kill(pid, signal.SIGKILL)
    again = EmbeddedPostgres(folder)
    again.start()
    assert query(again, "SELECT count(*) FROM kept") == 0
    server.close()
    again.close()
    assert processes_of(folder) == []


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.1, 0.2, 0.3, 0.45])
def test_a_first_start_that_was_killed_is_done_again(new_folder, delay_s):
    """Making a cluster takes about half a second; the kill falls at several places, and may leave initdb at work."""
    process = user(new_folder)
    while not new_folder.exists():
        time.sleep(0.005)
    time.sleep(delay_s)
    kill(process)
    server = EmbeddedPostgres(new_folder)
    server.start()
    assert query(server, "SELECT 1") == 1
    server.close()
    assert not (new_folder / "pgdata.new").exists()


def test_initdb_killed_with_everything_else_leaves_nothing_in_the_way(new_folder, processes_of):
    process = user(new_folder)
    while not (new_folder / "pgdata.new" / "PG_VERSION").exists():
        time.sleep(0.005)
    kill(process)
    for pid in processes_of(new_folder):
        os.kill(pid, signal.SIGKILL)
    server = EmbeddedPostgres(new_folder)
    server.start()
    assert query(server, "SELECT 1") == 1
    server.close()


@pytest.mark.parametrize("pid", ["ours", "init", "nobody's"])
def test_leftovers_of_a_dead_server_do_not_stand_in_the_way_even_if_their_pid_lives(folder, pid, processes_of):
    server = EmbeddedPostgres(folder)
    server.start()
    stale = (server.pgdata / "postmaster.pid").read_text().split("\n", 1)[1]
    for each in processes_of(folder):
        os.kill(each, signal.SIGKILL)
    number = {"ours": os.getpid(), "init": 1, "nobody's": 2**22 - 1}[pid]
    while processes_of(folder):
        time.sleep(0.01)
    (server.pgdata / "postmaster.pid").write_text(f"{number}\n{stale}")
    (server.sockets / ".s.PGSQL.5432.lock").write_text(f"{number}\n")
    server.start()
    assert query(server, "SELECT 1") == 1
    server.close()


def test_a_long_path_has_its_socket_elsewhere(tmp_path):
    folder = tmp_path / ("x" * SOCKET_PATH_MAX) / ("y" * SOCKET_PATH_MAX)
    server, other = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    server.start()
    other.start()
    assert not server.sockets.is_relative_to(folder)
    assert query(other, "SELECT 1") == 1
    server.close()
    other.close()
    server.sockets.rmdir()


def test_a_socket_folder_that_another_placed_is_refused(tmp_path):
    folder = tmp_path / ("x" * SOCKET_PATH_MAX)
    server = EmbeddedPostgres(folder)
    server.sockets.symlink_to(tmp_path)
    try:
        with pytest.raises(Misconfigured, match="belongs to another user"):
            server.start()
    finally:
        server.sockets.unlink()
        server.close()


def test_a_folder_without_programs_is_refused(tmp_path):
    with pytest.raises(Misconfigured, match=r"database\.binaries"):
        EmbeddedPostgres(tmp_path / "data", tmp_path).start()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match=r"database\.data_dir"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_a_cluster_that_does_not_start_says_why(folder):
    server = EmbeddedPostgres(folder)
    server.start()
    server.close()
    (server.pgdata / "postgresql.conf").write_text("no_such_option = 1\n")
    with pytest.raises(Failed, match="no_such_option"):
        server.start()
    server.close()


@pytest.mark.skipif(not DEBIAN, reason="needs Debian's PostgreSQL 15 or later")
def test_another_postgresql_serves_as_well(new_folder):
    server = EmbeddedPostgres(new_folder, DEBIAN[0].parent)
    server.start()
    assert query(server, "SHOW server_version").startswith(DEBIAN[0].parent.parent.name)
    server.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_it_as_well(tmp_path):
    """As nobody, in a folder of his own, with the interpreter and programs of this installation."""
    for parent in [tmp_path, *tmp_path.parents][:3]:
        parent.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    reach = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *reach, "--"]
    done = subprocess.run(
        [*become, sys.executable, "-B", "-c", USER, str(home / "data")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/", timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("ready\n", 0), done.stderr
    assert (home / "data" / "pgdata").stat().st_uid == 65534


def test_the_wheel_has_what_is_needed():
    assert {"postgres", "initdb"} <= {path.name for path in wheel_binaries().iterdir()}
