"""What the commands share: the settings option, an open database, errors as one line, output for machines."""

import asyncio
import getpass
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import structlog
import typer
from rich.console import Console
from rich.table import Table

from tongka import logs, processes
from tongka.days import ZONE, business_date
from tongka.errors import TongkaError
from tongka.money import format_yuan
from tongka.production import refuse_astray
from tongka.settings import Settings, load
from tongka.shell import now, open_system
from tongka.store.audit_epochs import require_continuity
from tongka.store.days import OpenDay
from tongka.store.db import Database, open_database
from tongka.store.installation import require_mode
from tongka.store.migrate import require_current
from tongka.store.stamp import Stamp
from tongka.system import System

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
log = structlog.get_logger()


def settings_of(config: Path | None) -> Settings:
    return load(config, os.environ).settings


def unix_user() -> str:
    """Who acts where no operator has shown a passphrase."""
    return f"cli:{getpass.getuser()}"


@asynccontextmanager
async def any_database_of(config: Path | None, actor: str = "") -> AsyncIterator[Database]:
    """The database that the settings name, in whatever state; changes are the actor's, or the unix user's.

    Raises:
        Misconfigured: it is an installation's of the other mode, or where it is depends on where the command is typed.

    """
    settings = settings_of(config)
    refuse_astray(settings)
    database = await open_database(settings.database, actor or unix_user())
    try:
        await require_mode(database, settings.mode)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def database_of(config: Path | None, actor: str = "") -> AsyncIterator[Database]:
    """The same, refused unless its schema is this version's and what is written to it can be sealed."""
    async with any_database_of(config, actor) as database:
        await require_current(database)
        await require_continuity(database)
        yield database


@asynccontextmanager
async def system_of(config: Path | None, actor: str = "") -> AsyncIterator[System]:
    """The whole system that the settings name, keys included, closed at the end; changes are the actor's."""
    async with open_system(settings_of(config), actor=actor or unix_user()) as system:
        yield system


def stamp_of(system: System) -> Stamp:
    """A change made by somebody at a keyboard, now."""
    at = system.clock()
    return Stamp(at, system.day(at), system.database.actor)


def stamp_at(config: Path | None, actor: str = "") -> Stamp:
    """The same without a system."""
    at = now()
    return Stamp(at, business_date(at, settings_of(config).city.cut), actor or unix_user())


async def stamp_in(database: Database, config: Path | None, actor: str = "") -> Stamp:
    """The same on a day that takes transfers, whatever was closed early."""
    stamp = stamp_at(config, actor)
    return replace(stamp, day=max(stamp.day, (await OpenDay.load(database)).first))


def secret_of(file: str, what: str, *, twice: bool = False) -> str:
    """A passphrase: a file's, or asked for; with `twice` a new one."""
    if file:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"cannot be read: {error}", param_hint="--passphrase-file") from error
    answer: str = typer.prompt(what, hide_input=True, confirmation_prompt=twice)
    return answer.strip()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; what the platform says no with becomes its text and exit code 2."""
    try:
        return asyncio.run(work)
    except TongkaError as error:
        complain(error)
        raise typer.Exit(ERROR) from error


@contextmanager
def refusing_to_start() -> Iterator[None]:
    """What keeps a process that serves from starting is its last line, and its exit code says whether to try again."""
    try:
        yield
    except TongkaError as error:
        if logs.in_json():
            log.error("cannot go on", error=error.code, text=str(error))  # noqa: TRY400 - a sentence, no traceback
        else:
            complain(error)
        raise SystemExit(processes.exit_code_of(error)) from error


def complain(error: TongkaError, of: str = "") -> None:
    """Say on standard error what the platform says no with; `of`: to what, where that is not plain."""
    complaints.print(f"[bold red]{error.code}[/]", end=" ")
    complaints.print(f"{of}{error}", markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Dataclasses, dates and enums included; moments in the city's time, with its offset."""
    plain = _in_city_time(msgspec.to_builtins(value, builtin_types=(datetime,)))
    typer.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode())


def _in_city_time(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(ZONE)
    if isinstance(value, dict):
        return {name: _in_city_time(one) for name, one in value.items()}
    return [_in_city_time(one) for one in value] if isinstance(value, list | tuple) else value


def moment(at: datetime) -> str:
    """For people: the city's time, to the second."""
    return f"{at.astimezone(ZONE):%Y-%m-%d %H:%M:%S}"


def print_rows(rows: list[dict[str, object]], *, as_json: bool) -> None:
    """A table with the amounts in yuan, or JSON with them in fen."""
    if as_json:
        print_json(rows)
        return
    table = Table()
    for name in rows[0] if rows else ("nothing",):
        fen = name.endswith("_fen")
        table.add_column(name.removesuffix("_fen"), justify="right" if fen else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(name, value) for name, value in row.items()))
    console.print(table)


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    return format_yuan(value) if name.endswith("_fen") and isinstance(value, int) else str(value)
