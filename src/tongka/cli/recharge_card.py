"""`tongka recharge-card`: scratch cards, from the print shop to their last day. Amounts are fen."""

import csv
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from tongka.cli.acting import OperatorOption, PassphraseOption, Person, agreed, authorised
from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    database_of,
    print_rows,
    run,
    stamp_of,
    system_of,
)
from tongka.errors import Misconfigured, TongkaError
from tongka.journeys import recharge
from tongka.journeys.recharge import Printed
from tongka.ledger import Account
from tongka.store import recharge_cards

app = typer.Typer(no_args_is_help=True, help="Recharge cards. Amounts are fen.")

BatchArgument = Annotated[str, typer.Argument(help="The batch's name: capital letters and digits.")]
OWNER_ONLY = 0o600
LAST_SERIAL = "~"
"""Beyond every serial."""


@app.command()
def issue(  # noqa: PLR0917 - arguments and options of a command
    batch: BatchArgument,
    count: Annotated[int, typer.Argument(min=1, help="How many cards.")],
    amount: Annotated[int, typer.Argument(min=1, help="What each is worth, in fen.")],
    expires: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Last day, YYYY-MM-DD.")],
    to: Annotated[Path, typer.Option(help="File for the print shop (CSV); must not be there yet.")],
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Issue a batch. The passwords are written to the file and kept nowhere: what is lost can't be had again."""

    async def work() -> None:
        actor = await authorised(config, "recharge-card issue", Person(operator, passphrase_file), batch)
        async with system_of(config, actor) as system:
            recharge.require_future(expires.date(), stamp_of(system).day)
            printed = recharge.draw(system, batch, count)
            _write(to, printed, amount, expires.date())
            try:
                await recharge.issue(system, batch, printed, amount, expires_on=expires.date(), stamp=stamp_of(system))
            except TongkaError:
                to.unlink()
                raise

    run(work())
    console.print(f"{count} cards of batch {batch} are in {to}; activate them when they are sold", highlight=False)


def _write(path: Path, printed: Sequence[Printed], amount_fen: int, expires_on: date) -> None:
    """For the owner only, and never over another file."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except OSError as error:
        raise Misconfigured(f"--to: {path} cannot be made: {error.strerror}") from error
    with open(handle, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - of a descriptor
        lines = csv.writer(file)
        lines.writerow(("serial", "password", "amount_fen", "expires_on"))
        lines.writerows((one.serial, one.password, amount_fen, expires_on) for one in printed)
        file.flush()
        os.fsync(file.fileno())


@app.command()
def activate(  # noqa: PLR0917 - arguments and options of a command
    batch: BatchArgument,
    first: Annotated[str, typer.Option(help="First serial; the batch's first if left out.")] = "",
    last: Annotated[str, typer.Option(help="Last serial; the batch's last if left out.")] = LAST_SERIAL,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Activate the issued cards of a batch, or some of them: whoever sells them owes their worth from now on."""
    person = Person(operator, passphrase_file)
    span = f"from {first or 'the first'} to {'the last' if last == LAST_SERIAL else last}"

    async def work() -> int | None:
        actor = await authorised(config, "recharge-card activate", person, batch)
        async with system_of(config, actor) as system:
            if not await agreed(system.database, "recharge-card activate", f"batch {batch} {span}", person, config):
                return None
            paid_into = Account.RECEIVABLE_CASH
            return await recharge_cards.activate(system.database, batch, (first, last), paid_into, stamp_of(system))

    activated = run(work())
    if activated is not None:
        console.print(f"{activated} cards of batch {batch} are active now", highlight=False)


@app.command("list")
def list_cards(
    batch: Annotated[str, typer.Argument(help="Only this batch.")] = "",
    after: Annotated[str, typer.Option(help="Only serials beyond this one; a page has 1,000.")] = "",
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List cards with their states: issued, active, used, expired."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            found = await recharge_cards.page(database, batch, after)
            return [asdict(one) | {"state": one.shown_state} for one in found]

    print_rows(run(work()), as_json=as_json)


@app.command()
def expire(config: ConfigOption = None) -> None:
    """Set aside what cards hold whose last day is over; the worker does so too."""

    async def work() -> int:
        async with system_of(config) as system:
            return await recharge.expire(system)

    console.print(f"{run(work())} cards expired", highlight=False)
