"""`tongka operator`: the people who decide and refund orders at the command line, and their passphrases."""

import secrets
from typing import Annotated, Any

import typer

from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    database_of,
    print_rows,
    run,
    secret_of,
    stamp_at,
)
from tongka.crypto.scrypt import SALT_BYTES
from tongka.journeys import operators as journey
from tongka.store import operators

app = typer.Typer(no_args_is_help=True, help="The people who act with money at the command line.")

NameArgument = Annotated[str, typer.Argument(help="The operator's name; it stands in the audit trail.")]


@app.command("list")
def list_operators(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the operators."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            return [{"name": one.name, "active": one.active} for one in await operators.every(database)]

    print_rows(run(work()), as_json=as_json)


@app.command()
def save(
    name: NameArgument,
    passphrase_file: Annotated[str, typer.Option(help="File with the passphrase; left out: it is asked for.")] = "",
    config: ConfigOption = None,
) -> None:
    """Add an operator, or give one a new passphrase, which nobody else is to know."""
    passphrase = secret_of(passphrase_file, f"New passphrase of {name}", twice=True)

    async def work() -> None:
        async with database_of(config) as database:
            await journey.save(database, name, passphrase, secrets.token_bytes(SALT_BYTES), stamp_at(config))

    run(work())
    console.print(f"operator {name} may act", highlight=False)


@app.command()
def activate(name: NameArgument, config: ConfigOption = None) -> None:
    """Let an operator act again."""
    _set_active(name, config, active=True)


@app.command()
def deactivate(name: NameArgument, config: ConfigOption = None) -> None:
    """Let an operator act no more; what he has done stays."""
    _set_active(name, config, active=False)


def _set_active(name: str, config: Any, *, active: bool) -> None:
    async def work() -> None:
        async with database_of(config) as database:
            await operators.set_active(database, name, stamp_at(config), active=active)

    run(work())
    console.print(f"operator {name} may {'act' if active else 'act no more'}", highlight=False)
