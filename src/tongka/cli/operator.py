"""`tongka operator`: the people who decide and refund orders at the command line, and their passphrases."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from tongka.cli.acting import OperatorOption, PassphraseOption, Person, alone, authorised
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
    """List the operators, and who waits to be let in by another than who saved him."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            found = await operators.every(database)
        return [{"name": one.name, "active": one.active, "saved_by": one.saved_by} for one in found]

    print_rows(run(work()), as_json=as_json)


@app.command()
def save(
    name: NameArgument,
    passphrase_file: Annotated[str, typer.Option(help="File with the passphrase; left out: it is asked for.")] = "",
    operator: OperatorOption = "",
    operator_passphrase_file: Annotated[str, typer.Option(help="File with your own passphrase, as --operator.")] = "",
    config: ConfigOption = None,
) -> None:
    """Add an operator, or give one a new passphrase, which nobody else is to know; wrong ones are forgotten.

    The first two are let in at once, and whoever changes his own; others by another operator, see `activate`.
    """
    person = Person(operator, operator_passphrase_file)

    async def work() -> bool:
        async with database_of(config) as database:
            first = not await operators.every(database)
        actor = "" if first else await authorised(config, "operator save", person, name)
        passphrase = secret_of(passphrase_file, f"New passphrase of {name}", twice=True)
        async with database_of(config, actor) as database:
            salt, stamp = secrets.token_bytes(SALT_BYTES), stamp_at(config, actor)
            return await journey.save(database, name, passphrase, salt, stamp, alone=alone(config, person))

    may = run(work())
    waits = f"waits for another operator: tongka operator activate {name}"
    console.print(f"operator {name} {'may act' if may else waits}", highlight=False)


@app.command()
def activate(
    name: NameArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Let an operator act, or act again; not by who has saved him."""
    person = Person(operator, passphrase_file)
    _set_active(name, "operator activate", person, config, active=True)


@app.command()
def deactivate(
    name: NameArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Let an operator act no more; what he has done stays."""
    _set_active(name, "operator deactivate", Person(operator, passphrase_file), config, active=False)


@app.command()
def unlock(
    name: NameArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Lift the lock of too many wrong passphrases."""

    async def work() -> None:
        actor = await authorised(config, "operator unlock", Person(operator, passphrase_file), name)
        async with database_of(config, actor) as database:
            await operators.unlock(database, name, stamp_at(config, actor))

    run(work())
    console.print(f"operator {name} is not locked", highlight=False)


def _set_active(name: str, command: str, person: Person, config: Path | None, *, active: bool) -> None:
    async def work() -> None:
        actor = await authorised(config, command, person, name)
        async with database_of(config, actor) as database:
            stamp, one = stamp_at(config, actor), alone(config, person)
            await operators.set_active(database, name, stamp, active=active, alone=one)

    run(work())
    console.print(f"operator {name} may {'act' if active else 'act no more'}", highlight=False)
