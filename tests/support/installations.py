"""An installation in a folder: settings, a key file, and `tongka` commands as processes that end in any case."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tongka.keys.keyfile import write_keyfile
from tongka.keys.keyring import ENDPOINTS, GATEWAYS, KeyRing

GIVE_UP_S = 60
PASSPHRASE = b"correct horse"


@dataclass(frozen=True)
class Installation:
    """`tongka.toml` and what belongs to it; `url` is where `serve` will answer."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "tongka.toml"

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command from its beginning to its end."""
        return subprocess.run(
            [*_tongka(*command), "-c", str(self.config)],
            env=os.environ | environment, capture_output=True, text=True, timeout=GIVE_UP_S, check=False,
        )  # fmt: skip

    @contextmanager
    def started(self, *command: str, **environment: str) -> Iterator["Started"]:
        """A command that goes on until it is ended; killed with its children at the end, if it still runs."""
        log = self.folder / f"{command[0]}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [*_tongka(*command), "-c", str(self.config)],
                env=os.environ | environment, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
            try:
                yield Started(process, log)
            finally:
                for pid in (*children_of(process.pid), process.pid):
                    end(pid)
                process.wait(GIVE_UP_S)

    def answers(self, path: str = "/health") -> bool:
        try:
            return httpx.get(self.url + path, timeout=5).is_success
        except httpx.HTTPError:
            return False


@dataclass(frozen=True)
class Started:
    """A running command, and the lines that it has written."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict]:
        """Of its log; fails where one is not JSON."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def told(self, event: str) -> list[dict]:
        return [line for line in self.lines() if line["event"] == event]


def make(folder: Path, database_url: str, workers: int = 1, mode: str = "sandbox", **sections: dict) -> Installation:
    """Settings over a database, logs in JSON, keys of its own."""
    keys = folder / "keys.json"
    write_keyfile(
        keys,
        KeyRing.generate([], os.urandom, ENDPOINTS).completed(os.urandom, ENDPOINTS, GATEWAYS),
        PASSPHRASE,
        sandbox=mode == "sandbox",
    )
    (folder / "passphrase").write_bytes(PASSPHRASE)
    (folder / "passphrase").chmod(0o600)
    made = Installation(folder, free_port())
    settings = {
        "database": {"url": database_url},
        "web": {"port": made.port, "workers": workers},
        "keys": {"uri": f"software:{keys}", "passphrase_file": str(folder / "passphrase")},
        "log": {"format": "json"},
    }
    for name, values in sections.items():
        settings[name] = settings.get(name, {}) | values
    made.config.write_text(
        f'mode = "{mode}"\n' + "".join(f"[{name}]\n{_lines(values)}" for name, values in settings.items())
    )
    return made


def _lines(values: dict) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def _tongka(*command: str) -> list[str]:
    return [sys.executable, "-m", "tongka", *command]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(holds: Callable[[], object]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + GIVE_UP_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """The processes that it started and that live."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def web_children_of(pid: int) -> list[int]:
    return [child for child in children_of(pid) if name_of(child).startswith("tongka web")]


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
