"""What the benchmarks share: servers in processes of their own, their CPU time, pgbench, medians."""

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tongka.store.embedded import EmbeddedPostgres

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
READY_S = 60


@dataclass(frozen=True)
class Figure:
    """One figure beside its limit; `at_most` tells on which side it must stay."""

    name: str
    seen: float
    limit: float | None = None
    at_most: bool = True
    unit: str = ""

    @property
    def holds(self) -> bool:
        if self.limit is None:
            return True
        return self.seen <= self.limit if self.at_most else self.seen >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        beside = "" if self.limit is None else f"  {sign} {self.limit:g}  {'ok' if self.holds else 'MISSED'}"
        return f"{self.name:<66} {self.seen:>10,.3f} {self.unit:<4}{beside}"


def report(figures: list[Figure]) -> int:
    """Print the figures; the exit code."""
    for figure in figures:
        print(figure, flush=True)
    return int(not all(figure.holds for figure in figures))


# --- CPU time ---------------------------------------------------------------------------------------------------------


def cpu_s(pid: int) -> float:
    """CPU time of a process so far, its waited-for children included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) * TICK_S


def family_cpu_s(parent: int) -> float:
    """CPU time of a process and of all its present children; of those that ended if it waited for them."""
    total = 0.0
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(FileNotFoundError):  # it has just ended, and counts with its parent from now on
            total += cpu_s(int(child))
    return total + cpu_s(parent)


def postmaster_of(folder: Path) -> int:
    return int((folder / "pgdata" / "postmaster.pid").read_text().split()[0])


def rss_mb(pid: int) -> float:
    """Resident memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    raise AssertionError("no VmRSS")


# --- servers ----------------------------------------------------------------------------------------------------------


@contextmanager
def served(*command: str, ready: Callable[[], bool], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, from ready to ended."""
    process = subprocess.Popen(
        [sys.executable, *command], env=os.environ | environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until = time.monotonic() + READY_S
        while not ready():
            assert process.poll() is None, f"{command} ended"
            assert time.monotonic() < until, f"{command} is not ready"
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def city(folder: Path) -> Iterator[dict]:
    """A made city; its server is ended again, so that another can serve it."""
    file = folder / "sandbox.json"
    with served("-m", "tongka", "sandbox", "--dir", str(folder), "--port", "0", ready=file.exists):
        document = json.loads(file.read_bytes())
    yield document


# --- load -------------------------------------------------------------------------------------------------------------


async def at_once(clients: int, count: int, one: Callable[[int], Awaitable[None]]) -> list[float]:
    """Run `one` for 0 … count-1, so many at a time; answers how long each took, in seconds."""
    numbers = iter(range(count))
    took: list[float] = []

    async def client() -> None:
        for number in numbers:
            start = time.perf_counter()
            await one(number)
            took.append(time.perf_counter() - start)

    await asyncio.gather(*(client() for _ in range(clients)))
    return took


def percentile(values: list[float], percent: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def median_time(call: Callable[[], object], times: int) -> float:
    """Seconds of one call."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


# --- pgbench ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PgBench:
    """What pgbench reached with a script."""

    per_second: float
    server_cpu_s: float
    transactions: int


def pgbench_count(server: EmbeddedPostgres, script: Path, clients: int, each: int, **variables: int) -> float:
    """Run a script `each` times with every client; transactions a second. It may count with `:i`."""
    variables |= {"i": 0, "each": each}
    done = subprocess.run(
        [str(server.binaries / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-t", str(each),
         *(f"-D{name}={value}" for name, value in variables.items()), "-f", str(script), server.url],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("tps = "))
    return float(line.split()[2])


def pgbench(server: EmbeddedPostgres, script: Path, *, clients: int, seconds: int, jobs: int = 2) -> PgBench:
    """Run a script with prepared statements; the server's CPU time is measured around it."""
    postmaster = postmaster_of(server.folder)
    before = family_cpu_s(postmaster)
    done = subprocess.run(
        [str(server.binaries / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", str(jobs),
         "-T", str(seconds), "-f", str(script), server.url],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = dict(line.partition(" = ")[::2] for line in done.stdout.splitlines() if " = " in line)
    number = next(line for line in done.stdout.splitlines() if line.startswith("number of transactions actually"))
    count = int(number.rpartition(": ")[2].split("/")[0])
    return PgBench(float(lines["tps"].split()[0]), family_cpu_s(postmaster) - before, count)
