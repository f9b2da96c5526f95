"""`tongka config`: see and check the settings before anything starts."""

import os

import typer
from rich.table import Table

from tongka.cli.common import ConfigOption, JsonOption, console, print_json, run
from tongka.cli.inspection import inspect
from tongka.production import complaints
from tongka.settings import Loaded, load

app = typer.Typer(no_args_is_help=True, help="The settings: one TOML file and environment variables.")


@app.command()
def show(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Print every setting with its value and where it was read; secrets are masked."""
    loaded = run(_loaded(config))
    if as_json:
        print_json({key.name: {"value": value, "source": source} for key, value, source in loaded.shown()})
    else:
        _print(loaded, only_set=False)


@app.command()
def check(
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
    live: bool = typer.Option(
        False, "--live", help="Also open what a start opens: keys, certificate, database and schema, key files."
    ),
) -> None:
    """Check the settings, in production mode also for what is unsafe; exit code 2 with the mistakes, 1 if unfit.

    The verdict comes first, then each setting that is not at its default.
    """

    async def work() -> tuple[Loaded, list[str]]:
        loaded = await _loaded(config)
        found = complaints(loaded.settings)
        if live:
            found += [one for one in await inspect(loaded.settings) if one not in found]
        return loaded, found

    loaded, found = run(work())
    if as_json:
        print_json({"mode": loaded.settings.mode, "unsafe": found})
    else:
        console.print(_verdict(found, loaded.settings.mode, live=live), highlight=False)
        for complaint in found:
            console.print(f"unfit: {complaint}", markup=False, highlight=False, soft_wrap=True)
        _print(loaded, only_set=True)
    raise typer.Exit(int(bool(found)))


def _verdict(found: list[str], mode: str, *, live: bool) -> str:
    if found:
        return f"[bold red]{len(found)} mistake{'s' if len(found) > 1 else ''}[/] in this {mode} installation"
    return "the settings are good" + ("" if live else "; what they name was not opened, which --live does")


async def _loaded(config: ConfigOption) -> Loaded:
    return load(config, os.environ)


def _print(loaded: Loaded, *, only_set: bool) -> None:
    table = Table("setting", "value", "from")
    for key, value, source in loaded.shown():
        if not only_set or source != "default":
            table.add_row(key.name, value, source)
    if table.row_count:
        console.print(table)
    for variable in loaded.unread:
        console.print(f"not read: {variable}, for the file is self-contained", markup=False)
