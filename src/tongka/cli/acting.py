"""What the commands share that move money by hand: an operator shows a passphrase first, and stands in the trail."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tongka.cli.common import database_of, run, secret_of, stamp_at
from tongka.journeys import operators
from tongka.store.db import Database
from tongka.store.stamp import Stamp

OperatorOption = Annotated[str, typer.Option(help="Who you are, see `tongka operator`; it stands in the audit trail.")]
PassphraseOption = Annotated[str, typer.Option(help="File with your passphrase; left out: it is asked for.")]
T = TypeVar("T")


def acting(who: tuple[str, str, Path | None], what: str, act: Callable[[Database, Stamp], Awaitable[T]]) -> T:
    """Do something in the name of an operator, who shows his passphrase first. `who`: name, passphrase file, config."""
    operator, passphrase_file, config = who
    passphrase = secret_of(passphrase_file, "Your passphrase")

    async def work() -> T:
        async with database_of(config) as database:
            stamp = stamp_at(config)
            name = await operators.authenticate(database, operator, passphrase, what, stamp)
            return await act(database, replace(stamp, actor=name))

    return run(work())
