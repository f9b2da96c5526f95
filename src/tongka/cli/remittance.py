"""`tongka remittance`: what partners are paid, and pay, for closed days; by two people."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tongka.cli.acting import OperatorOption, PassphraseOption, acting
from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_rows, run
from tongka.cli.sheets import write_sheet
from tongka.journeys import remittance as journey
from tongka.money import MAX_FEN, format_yuan
from tongka.reconcile import ROLES
from tongka.store import remittances
from tongka.store.db import Database
from tongka.store.remittances import Remittance, RemittanceState
from tongka.store.stamp import Stamp

app = typer.Typer(no_args_is_help=True, help="Remittances: what partners are paid, and pay, for closed days.")

NumberArgument = Annotated[str, typer.Argument(help="Number of the remittance.")]
COLUMNS = ("number", "state", "direction", "role", "party", "account", "through", "amount_fen", "fee_fen",
           "transferred_fen", "pay_to", "proposed_by", "approved_by", "bank_reference")  # fmt: skip


@app.command()
def account(  # noqa: PLR0917 - arguments and options of a command
    role: Annotated[str, typer.Argument(help=f"One of {', '.join(filter(None, ROLES))}.")],
    party: Annotated[str, typer.Argument(help="The partner, as the settlement lists name it.")],
    operator: OperatorOption,
    pay_to: Annotated[str, typer.Option(help="Bank and account, as the bank wants them.")],
    fee_bp: Annotated[int, typer.Option(min=0, max=9999, help="Kept of what is paid: 60 is 0.60 %.")] = 0,
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Say where a partner's money goes, and what is kept of it."""
    acting(
        (operator, passphrase_file, config),
        f"settlement account of {party}",
        lambda database, stamp: journey.save_account(database, role, party, pay_to, stamp, fee_bp=fee_bp),
    )
    console.print(f"{party} is paid to {pay_to}", highlight=False, markup=False)


@app.command()
def propose(  # noqa: PLR0917 - arguments and options of a command
    through: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Last closed day that is in it.")],
    operator: OperatorOption,
    party: Annotated[str, typer.Option(help="This partner alone.")] = "",
    most_fen: Annotated[int, typer.Option(min=1, max=MAX_FEN, help="At most so much of what is owed.")] = MAX_FEN,
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Propose what closed days left owed, either way; exit code 1 if something could not be proposed."""

    async def act(database: Database, stamp: Stamp) -> journey.Proposed:
        return await journey.propose(database, through.date(), stamp, party=party, most_fen=most_fen)

    found = acting((operator, passphrase_file, config), f"propose remittances through {through:%Y-%m-%d}", act)
    print_rows(list(map(_row, found.made)), as_json=False)
    for one, why in found.left:
        console.print(f"{one.role} {one.party}: {format_yuan(abs(one.net_fen))} stays open: {why}", highlight=False)
    raise typer.Exit(int(bool(found.left)))


@app.command()
def approve(
    number: NumberArgument,
    operator: OperatorOption,
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Approve what another has proposed; its amount is reserved in the books from then on."""
    _move(
        (operator, passphrase_file, config), f"approve {number}", lambda db, stamp: journey.approve(db, number, stamp)
    )


@app.command()
def paid(
    number: NumberArgument,
    operator: OperatorOption,
    reference: Annotated[str, typer.Option(help="The bank's, of the transfer.")],
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Say that the bank has done it; the books follow."""
    _move(
        (operator, passphrase_file, config),
        f"remitted {number}",
        lambda database, stamp: journey.paid(database, number, reference, stamp),
    )


@app.command()
def withdraw(
    number: NumberArgument,
    operator: OperatorOption,
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Take a remittance back that the bank has not got."""
    _move(
        (operator, passphrase_file, config), f"withdraw {number}", lambda db, stamp: journey.withdraw(db, number, stamp)
    )


@app.command("list")
def list_remittances(
    state: Annotated[RemittanceState | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the latest.")] = 100,
    out: Annotated[Path | None, typer.Option(help="Write them into this Excel workbook instead.")] = None,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List remittances; with --out as a workbook for the finance department."""

    async def work() -> list[Remittance]:
        async with database_of(config) as database:
            return await remittances.listed(database, state or "", limit)

    rows = list(map(_row, run(work())))
    if out:
        write_sheet(out, "remittances", COLUMNS, (list(row.values()) for row in rows))
        console.print(f"{len(rows)} remittances in {out}", highlight=False)
    else:
        print_rows(rows, as_json=as_json)


@app.command()
def owed(
    through: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Up to this closed day.")],
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what closed days left open with each partner; above zero they owe us."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            return [asdict(one) for one in await remittances.owed(database, through.date())]

    print_rows(run(work()), as_json=as_json)


def _move(
    who: tuple[str, str, Path | None], what: str, act: Callable[[Database, Stamp], Awaitable[Remittance]]
) -> None:
    one = acting(who, what, act)
    console.print(f"remittance {one.number} is {one.state}: {format_yuan(one.transferred_fen)}", highlight=False)


def _row(one: Remittance) -> dict[str, object]:
    return {name: getattr(one, name) for name in COLUMNS}
