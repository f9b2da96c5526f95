"""`tongka demo`: a day in a city, from an empty folder to the books checked. What it shows runs over HTTP."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from tongka.cli.common import ERROR, complain, console
from tongka.cli.tour import cards, phones, rides
from tongka.cli.tour.books import books
from tongka.cli.tour.evening import evening
from tongka.cli.tour.onecard import onecard
from tongka.cli.tour.stage import Show, Stage, TourFailed, telling
from tongka.errors import TongkaError
from tongka.sandbox.city import DISCOVERY

CHAPTERS: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    cards.sell,
    cards.tear,
    cards.refund,
    onecard,
    rides.ride,
    phones.phone,
)

START_S = 90
END_S = 30
POLL_S = 0.1

app = typer.Typer(invoke_without_command=True)


@app.callback()
def demo(
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Play in the city of this folder and leave it there; else a new one.")
    ] = None,
    show: Annotated[Show, typer.Option(help="What to show besides the story.")] = Show.STORY,
) -> None:
    """Start a city on a free port and walk through its day; exit code 1 if the books do not balance."""
    try:
        if folder:
            right = asyncio.run(_day(folder, show))
        else:
            with TemporaryDirectory(prefix="tongka-") as temporary:
                right = asyncio.run(_day(Path(temporary), show))
    except TongkaError as error:
        complain(error)
        raise typer.Exit(ERROR) from error
    raise typer.Exit(int(not right))


async def _day(folder: Path, show: Show) -> bool:
    async with _city(folder) as document:
        taken = folder / "tour.json"  # a city that is toured again has fewer cards in the box
        stage = Stage(document, console, show, set(json.loads(taken.read_text()) if taken.exists() else ()))
        console.print(f"A city of {len(document['cards'])} cards serves on {document['base_url']}", highlight=False)
        try:
            for chapter in CHAPTERS:
                with telling(stage, chapter.__name__):
                    await chapter(stage)
        finally:
            taken.write_text(json.dumps(sorted(stage.taken)))
        with telling(stage, evening.__name__):
            await evening(stage, folder / "tongka.toml")
        right = await books(stage, folder / "tongka.toml")
    _go_on(right)
    return right


def _go_on(right: bool) -> None:
    console.print()
    if not right:
        console.print("[bold red]The books do not balance.[/]")
        return
    console.print("[bold]Go on:[/]")
    for command, what in (
        ("make demo SHOW=all", "the same, with every message and every APDU"),
        ("make serve", "a city of your own in var/city; its sandbox.json has all keys and cards"),
        ("tongka card new my.json --from var/city/sandbox.json", "put one of its cards into a file"),
        ("tongka card topup 1000 -f var/city/sandbox.json -i my.json", "and top it up"),
        ("make docs", "the documentation"),
    ):
        console.print(f"  {command:<62} {what}", highlight=False, markup=False, soft_wrap=True)


@asynccontextmanager
async def _city(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """`tongka sandbox` in a process of its own, as anybody starts it; answers its sandbox.json."""
    process = _start(folder)
    try:
        with console.status("a city is being made: keys, cards, a database"):
            document = await _ready(folder, process)
        yield document
    finally:
        await _end(process)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DISCOVERY).unlink(missing_ok=True)  # an earlier city's
    with (folder / "sandbox.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tongka", "sandbox", "--dir", str(folder), "--port", "0"],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


async def _ready(folder: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    for _ in range(int(START_S / POLL_S)):
        if process.poll() is not None:
            raise TourFailed(f"the sandbox ended: {(folder / 'sandbox.log').read_text()[-2000:]}")
        if (folder / DISCOVERY).exists():
            found: dict[str, Any] = json.loads((folder / DISCOVERY).read_bytes())
            return found
        await asyncio.sleep(POLL_S)
    raise TourFailed(f"the sandbox was not ready after {START_S} s; see {folder / 'sandbox.log'}")


async def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(process.wait, END_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise TourFailed(f"the sandbox did not end within {END_S} s of SIGTERM") from None
