"""The library as a whole: the vectors, the threads and the memory in C, and its twin in Python."""

import os
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


def need(*programs: str) -> None:
    """Missing, they are a failure in CI, where setup has installed them, and a reason to skip elsewhere."""
    if missing := [program for program in programs if not shutil.which(program)]:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs {', '.join(missing)} (see the Makefile)")


@pytest.mark.slow
def test_nothing_leaks_or_is_read_before_it_is_written(run_make: Make) -> None:
    need("valgrind")
    done = run_make("valgrind")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_it_holds_on_arm64(run_make: Make) -> None:
    need("aarch64-linux-gnu-gcc", "qemu-aarch64-static")
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
