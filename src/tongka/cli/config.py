"""`tongka config`: see and check the settings before anything starts."""

import os

import typer
from rich.table import Table

from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_json, run
from tongka.payments.key_files import complaints_of
from tongka.production import complaints, live_complaints
from tongka.settings import Loaded, load
from tongka.shell import now
from tongka.store.db import durability

app = typer.Typer(no_args_is_help=True, help="The settings: one TOML file and environment variables.")


@app.command()
def show(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Print every setting with its value and where it was read; secrets are masked."""
    loaded = run(_loaded(config))
    _print(loaded, as_json=as_json)


@app.command()
def check(
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
    live: bool = typer.Option(False, "--live", help="Also look at the live database, and at the keys of institutions."),
) -> None:
    """Check the settings, in production mode also for what is unsafe; exit code 2 with the mistakes, 1 if unsafe."""

    async def work() -> tuple[Loaded, list[str]]:
        loaded = await _loaded(config)
        found = complaints(loaded.settings)
        if live:
            async with database_of(config) as database:
                found += live_complaints(loaded.settings, await durability(database))
            if loaded.settings.mode == "production":
                found += complaints_of(loaded.settings, now())
        return loaded, found

    loaded, found = run(work())
    if not as_json:
        _print(loaded, as_json=False)
        for complaint in found:
            console.print(f"unsafe: {complaint}", markup=False)
        console.print("the settings are good" if not found else f"{len(found)} settings are not fit for production")
    else:
        print_json({"mode": loaded.settings.mode, "unsafe": found})
    raise typer.Exit(int(bool(found)))


async def _loaded(config: ConfigOption) -> Loaded:
    return load(config, os.environ)


def _print(loaded: Loaded, *, as_json: bool) -> None:
    if as_json:
        print_json({key.name: {"value": value, "source": source} for key, value, source in loaded.shown()})
        return
    table = Table("setting", "value", "from")
    for key, value, source in loaded.shown():
        table.add_row(key.name, value, source)
    console.print(table)
    for variable in loaded.unread:
        console.print(f"not read: {variable}, for the file is self-contained", markup=False)
