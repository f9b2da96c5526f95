"""The counts of several web processes on one machine, through a folder with a file for each place among them.

Each process writes its file every second if anything was counted, whole or not at all, and before it answers a scrape.
A process that takes the place of one that died goes on from its file, so that no count ever falls.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from tongka.traffic import Counts, Traffic

WRITE_S = 1.0

_decoder = msgspec.json.Decoder(list[tuple[tuple[str, str, str], list[float]]])


class TrafficFile:
    """One process's place in the folder, or the only process's counts where there is no folder."""

    def __init__(self, folder: Path | None = None, place: int = 0) -> None:
        self._folder = folder
        self._own = folder / f"{place}.json" if folder else None
        self._written = 0.0

    def before(self) -> Counts:
        """What this place has counted so far."""
        return _read(self._own) if self._own else {}

    async def keep(self, traffic: Traffic) -> None:
        """Write the counts every second, until cancelled."""
        while self._own:
            await asyncio.sleep(WRITE_S)
            self.write(traffic)

    def write(self, traffic: Traffic) -> None:
        total = sum(sum(row[:-1]) for row in traffic.counts.values())
        if self._own is None or total == self._written:
            return
        beside = self._own.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(list(traffic.counts.items())))
        beside.replace(self._own)
        self._written = total

    def all(self, traffic: Traffic) -> Counts:
        """The counts of every process."""
        if self._folder is None:
            return traffic.counts
        self.write(traffic)
        total: Counts = {}
        for counts in self._each():
            for key, row in counts.items():
                before = total.get(key)
                total[key] = row if before is None else [a + b for a, b in zip(before, row, strict=True)]
        return total

    def _each(self) -> Iterator[Counts]:
        for file in sorted(self._folder.glob("*.json")) if self._folder else ():
            yield _read(file)


def _read(file: Path) -> Counts:
    with suppress(OSError, msgspec.MsgspecError):
        return dict(_decoder.decode(file.read_bytes()))
    return {}
