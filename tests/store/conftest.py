"""Embedded servers to be killed: seeing their processes, and a cluster to copy, which is quicker than making one."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tongka.store.embedded import EmbeddedPostgres


def _processes_of(folder: Path) -> list[int]:
    lock = str(folder / "server.lock")
    others = (path for path in Path("/proc").iterdir() if path.name.isdecimal() and int(path.name) != os.getpid())
    return [int(path.name) for path in others if lock in _open_files(path)]


def _open_files(process: Path) -> list[str]:
    try:
        return [str(link.readlink()) for link in (process / "fd").iterdir()]
    except OSError:
        return []


@pytest.fixture(scope="session")
def processes_of() -> Callable[[Path], list[int]]:
    """Every live process of the server of a folder, by its descriptor of `server.lock`, which we hold too at times."""
    return _processes_of


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fresh cluster, stopped."""
    folder: Path = tmp_path_factory.mktemp("cluster") / "data"
    server = EmbeddedPostgres(folder)
    server.start()
    server.close()
    return folder


@pytest.fixture
def new_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that does not exist yet; whatever the test starts in it is gone at the end."""
    path = tmp_path / "data"
    yield path
    while left := _processes_of(path):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def folder(new_folder: Path, cluster: Path) -> Path:
    """The same, with a cluster in it."""
    shutil.copytree(cluster, new_folder, ignore=shutil.ignore_patterns("socket"))
    owner = (cluster / "pgdata").stat()
    for path in [new_folder / "pgdata", *(new_folder / "pgdata").rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    return new_folder
