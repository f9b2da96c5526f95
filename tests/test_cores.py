"""Work spread over processes: in order, restarted when one died, ended with its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tongka.cores import Cores
from tongka.errors import Failed

SCRIPT = """
import asyncio, os
from tongka.cores import Cores
from tests_of_cores import pids
async def main():
    cores = Cores(2)
    print(*set(await cores.map(pids, range(40))), flush=True)
    await asyncio.sleep(60)
if __name__ == "__main__":
    asyncio.run(main())
"""
HELPER = "import os\ndef pids(items):\n    return [os.getpid() for _ in items]\n"


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """A module that the processes can import."""
    (tmp_path / "tests_of_cores.py").write_text(
        HELPER + "def squares(items):\n    return [n * n for n in items]\n"
        "def dies(items):\n    os.kill(os.getpid(), 9)\n    return list(items)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import tests_of_cores  # noqa: PLC0415 - made just now

    return tests_of_cores


async def test_results_come_in_the_order_of_the_items(helper):
    for processes in (1, 2):
        cores = Cores(processes)
        for count in (0, 1, 4, 5, 37, 100):
            assert await cores.map(helper.squares, range(count)) == [n * n for n in range(count)]
        cores.close()


async def test_a_few_items_and_a_single_process_stay_here(helper):
    cores = Cores(2)
    assert set(await cores.map(helper.pids, range(4))) == {os.getpid()}
    assert set(await Cores(1).map(helper.pids, range(40))) == {os.getpid()}
    assert os.getpid() not in set(await cores.map(helper.pids, range(40)))
    cores.close()


async def test_a_process_that_dies_fails_the_call_and_not_the_next(helper):
    cores = Cores(2)
    with pytest.raises(Failed, match="died"):
        await cores.map(helper.dies, range(10))
    assert await cores.map(helper.squares, range(10)) == [n * n for n in range(10)]
    cores.close()


def alive(pid: int) -> bool:
    """Neither gone nor a zombie that waits for its reaper."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_processes_end_with_a_parent_that_is_killed(helper, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE)
    children = list(map(int, parent.stdout.readline().split()))
    assert children
    assert all(map(alive, children))
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    until = time.monotonic() + 20
    while any(map(alive, children)):
        assert time.monotonic() < until
        time.sleep(0.05)
