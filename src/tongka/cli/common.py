"""What the commands share: the settings option, an open database, errors as one line, output for machines."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console

from tongka.errors import TongkaError
from tongka.settings import Settings, load
from tongka.store.db import Database, open_database

ERROR = 2
"""Exit code when a command could not do its work; 1 is for what it found."""

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings file (TOML). Default: TONGKA_CONFIG, or none.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

T = TypeVar("T")

PIPED_COLUMNS = 200
"""Into a file or another program numbers are not to be broken over lines."""

console = Console(width=None if sys.stdout.isatty() else PIPED_COLUMNS)
complaints = Console(stderr=True)


def settings_of(config: Path | None) -> Settings:
    return load(config, os.environ).settings


@asynccontextmanager
async def database_of(config: Path | None) -> AsyncIterator[Database]:
    """The database that the settings name, closed at the end."""
    database = await open_database(settings_of(config).database)
    try:
        yield database
    finally:
        await database.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; what the platform says no with becomes its text and exit code 2."""
    try:
        return asyncio.run(work)
    except TongkaError as error:
        complain(error)
        raise typer.Exit(ERROR) from error


def complain(error: TongkaError) -> None:
    """Say on standard error what the platform says no with."""
    complaints.print(f"[bold red]{error.code}[/]", end=" ")
    complaints.print(str(error), markup=False, highlight=False)


def print_json(value: Any) -> None:
    """Dataclasses, dates and enums included."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
