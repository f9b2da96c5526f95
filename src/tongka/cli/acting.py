"""Operators at the command line: who acts shows a passphrase first, and stands in the trail.

Who decides about orders is always an operator (`acting`); who administers is one where `tongka.authority` asks for it
(`authorised`), which is in production.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tongka.authority import AUTHORITY
from tongka.cli.common import console, database_of, run, secret_of, settings_of, stamp_at, stamp_in
from tongka.errors import Refused
from tongka.journeys import operators
from tongka.store import proposals
from tongka.store.db import Database
from tongka.store.stamp import Stamp

OperatorOption = Annotated[str, typer.Option(help="Who you are, see `tongka operator`; it stands in the audit trail.")]
PassphraseOption = Annotated[str, typer.Option(help="File with your passphrase; left out: it is asked for.")]
T = TypeVar("T")


def acting(
    who: tuple[str, str, Path | None],
    what: str,
    act: Callable[[Database, Stamp], Awaitable[T]],
    opened: Callable[[Path | None], AbstractAsyncContextManager[Database]] = database_of,
) -> T:
    """Do something in the name of an operator, who shows his passphrase first. `who`: name, passphrase file, config."""
    operator, passphrase_file, config = who
    passphrase = secret_of(passphrase_file, "Your passphrase")

    async def work() -> T:
        async with opened(config) as database:
            stamp = await stamp_in(database, config)
            name = await operators.authenticate(database, operator, passphrase, what, stamp)
            return await act(database, replace(stamp, actor=name))

    return run(work())


class OperatorNeeded(Refused):
    """In production this is done in an operator's name."""

    code = "operator_needed"


@dataclass(frozen=True, slots=True)
class Person:
    """Who says to be acting, and where the passphrase is; nobody: the unix user."""

    operator: str
    passphrase_file: str


async def authorised(config: Path | None, command: str, person: Person, subject: str = "") -> str:
    """The name that the audit trail is to bear: the operator's, when the passphrase is right; empty: the unix user's.

    Raises:
        OperatorNeeded: production asks for an operator, and none is named.
        OperatorWrong, TooManyPasswords: as `operators.authenticate`.

    """
    if not person.operator:
        if command in AUTHORITY and settings_of(config).mode == "production":
            raise OperatorNeeded(f"`tongka {command}` needs an operator in production: add --operator NAME")
        return ""
    passphrase = secret_of(person.passphrase_file, f"Passphrase of {person.operator}")
    async with database_of(config) as database:
        what = f"{command} {subject}".strip()
        return await operators.authenticate(database, person.operator, passphrase, what, stamp_at(config))


async def agreed(database: Database, command: str, contents: str, person: Person, config: Path | None) -> bool:
    """Whether two operators have said the same; in a sandbox whoever has the shell is enough. If not, it says so."""
    if alone(config, person):
        return True
    proposal = await proposals.say(database, command, contents, stamp_at(config, database.actor))
    if proposal.confirmed_by is None:
        console.print(f"proposed: {contents}", highlight=False, markup=False)
        console.print("it waits for another operator to say the same; `tongka todo` lists it", highlight=False)
    return proposal.confirmed_by is not None


def alone(config: Path | None, person: Person) -> bool:
    """Whether one person may do what needs two: in a sandbox, by whoever has the shell."""
    return not person.operator and settings_of(config).mode != "production"
