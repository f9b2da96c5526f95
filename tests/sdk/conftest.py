"""The gate's library, built once for the run by its own Makefile."""

import fcntl
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from posoffline import BUILD, Library

from tongka.sandbox.mint import UPPER_HALF, Mint

SDK = BUILD.parent
VECTORS = Path(__file__).parents[1] / "vectors" / "ridecode.json"


def _make(*targets: str) -> subprocess.CompletedProcess[str]:
    """Run make; only one at a time, whoever else tests."""
    with (SDK / "Makefile").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return subprocess.run(
            ["make", "-C", str(SDK), *targets], capture_output=True, text=True, timeout=300, check=False
        )


@pytest.fixture(scope="session")
def built() -> Path:
    done = _make("test-build")
    assert done.returncode == 0, done.stderr
    return BUILD


@pytest.fixture(scope="session")
def run_make() -> Callable[..., subprocess.CompletedProcess[str]]:
    return _make


@pytest.fixture(scope="session")
def mint() -> Mint:
    return Mint(b"tests of the gate's library".ljust(32, b"\0"), UPPER_HALF)


@pytest.fixture
def library(built: Path, mint: Mint) -> Library:
    """The test build, initialised with all keys of the mint, at a fixed second."""
    loaded = Library(built / "libposoffline-test.so")
    assert loaded.init(mint.keys().to_json(), '["ANT00001","T0000001"]') == 1
    loaded.set_clock(1_800_000_000)
    return loaded


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    return json.loads(VECTORS.read_text(encoding="utf-8"))


@pytest.fixture
def replay(built: Path) -> Callable[[list[str]], list[str]]:
    """Send lines to a fresh process with the library in it; its answers."""

    def send(lines: list[str]) -> list[str]:
        done = subprocess.run(
            [built / "replay"], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.splitlines()

    return send
