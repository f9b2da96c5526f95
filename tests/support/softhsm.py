"""Tokens of SoftHSM2 for tests: made in a folder of the run's own, gone with it."""

import importlib.util
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/*.so")
PIN, SO_PIN = b"271828", b"314159"
_numbers = itertools.count(1)


def module() -> str:
    """Where the module is; empty where it is not installed."""
    found = (path for pattern in MODULES for path in Path("/").glob(pattern.lstrip("/")))
    return str(next(found, ""))


def require_softhsm() -> None:
    """Skip the test where SoftHSM2 is missing; in CI fail it."""
    lacks = {
        "softhsm2-util (apt-get install softhsm2)": not shutil.which("softhsm2-util"),
        "libsofthsm2.so (apt-get install softhsm2)": not module(),
        "PyKCS11 (uv sync --extra pkcs11)": importlib.util.find_spec("PyKCS11") is None,
    }
    if lacking := ", ".join(what for what, lack in lacks.items() if lack):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"the tests with an HSM need {lacking}")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes tokens. The module reads its configuration once in a process, so all of a run stand in one folder."""

    folder: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "Tokens":
        (folder / "tokens").mkdir()
        config = folder / "softhsm2.conf"
        config.write_text(
            f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(config)
        return cls(folder)

    def new(self) -> str:
        """The URI of a fresh initialised token."""
        label = f"tongka test {next(_numbers):03d}"
        command = ["softhsm2-util", "--init-token", "--free", "--label", label]
        command += ["--pin", PIN.decode(), "--so-pin", SO_PIN.decode()]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        return f"pkcs11:token={label.replace(' ', '%20')}?module-path={module()}"

    @contextmanager
    def lost(self, uri: str) -> Iterator[None]:
        """As if the token were pulled out: its folder is gone for a while."""
        label = uri.partition("token=")[2].partition("?")[0].replace("%20", " ").encode()
        mine = [one for one in (self.folder / "tokens").iterdir() if label in (one / "token.object").read_bytes()]
        for folder in mine:
            folder.rename(self.folder / folder.name)
        yield
        for folder in mine:
            (self.folder / folder.name).rename(folder)

    @contextmanager
    def all_lost(self) -> Iterator[None]:
        """As if the module itself were broken: it does not load without its folder."""
        (self.folder / "tokens").rename(self.folder / "gone")
        yield
        (self.folder / "gone").rename(self.folder / "tokens")
