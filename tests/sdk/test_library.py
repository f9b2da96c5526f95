"""The library as a whole: the vectors, the threads and the memory in C, and its twin in Python."""

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import fuzz_ridecode
import pytest

Make = Callable[..., CompletedProcess[str]]


def test_the_vectors_the_threads_and_the_memory_hold(built: Path, run_make: Make) -> None:
    done = run_make("test")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_no_byte_too_many_is_touched(run_make: Make) -> None:
    """The same under AddressSanitizer and UndefinedBehaviorSanitizer."""
    done = run_make("asan")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("qemu-aarch64-static") or not shutil.which("aarch64-linux-gnu-gcc"),
    reason="needs gcc-aarch64-linux-gnu, qemu-user-static and the arm64 libraries (see the Makefile)",
)
def test_it_holds_on_arm64(run_make: Make) -> None:
    done = run_make("arm64")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_c_and_python_do_not_differ(built: Path) -> None:
    """The fuzzer's short form: every cut and flip of a few codes comes first, then the mutations."""
    tally = fuzz_ridecode.run(9000, seed=20170518, systematic=3000)
    assert len(tally) == 11


def test_make_says_what_to_install(run_make: Make, tmp_path: Path) -> None:
    done = run_make(f"BUILD={tmp_path}", "CPPFLAGS=-nostdinc")
    assert done.returncode != 0
    assert "apt-get install libsecp256k1-dev libssl-dev" in done.stderr
