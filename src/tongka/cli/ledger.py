"""`tongka ledger`: prove the books, read them. Days are closed by `tongka day`."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.progress import Progress

from tongka.cli.acting import OperatorOption, PassphraseOption, Person, authorised
from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    any_database_of,
    complaints,
    console,
    database_of,
    print_json,
    print_rows,
    run,
    settings_of,
    stamp_at,
)
from tongka.journeys.operators import REASON_MAX, require_text
from tongka.store import card_checks, ledger, ledger_checks
from tongka.store.card_checks import CARDS_AHEAD
from tongka.store.ledger_checks import CHECKS, Finding
from tongka.store.migrate import require_current

app = typer.Typer(no_args_is_help=True, help="The double-entry books.")

DayArgument = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Business day, YYYY-MM-DD.")]


@app.command()
def check(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Prove the books from scratch; exit code 1 with the offending rows if anything is wrong.

    Where another platform loads with the same keys (city.shared_load_keys), cards ahead of the books are no finding.
    """

    async def work() -> list[Finding]:
        shared = settings_of(config).city.shared_load_keys
        checks = [one for one in CHECKS if not (one is CARDS_AHEAD and shared)]
        async with any_database_of(config) as database:
            await require_current(database)
            with Progress(console=complaints, transient=True) as progress:
                task = progress.add_task("checks", total=len(checks))
                return await ledger_checks.check(
                    database, checks, lambda one: progress.update(task, description=one.name, advance=1)
                )

    findings = run(work())
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            console.print(f"{finding.check}: {finding.sentence}, but not: {finding.row}", markup=False)
        console.print("the books are right" if not findings else f"{len(findings)} findings")
    raise typer.Exit(int(bool(findings)))


@app.command()
def ahead(
    config: ConfigOption = None,
    *,
    explained: Annotated[bool, typer.Option("--all", help="Also those that were explained.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List cards that showed loads which the books do not know, by counter and balance, each time that they did.

    After a restore to an earlier moment these are the cards whose last loads are lost to the books.
    """

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            return [asdict(one) for one in await card_checks.ahead(database, explained=explained)]

    print_rows(run(work()), as_json=as_json)


@app.command()
def explain(  # noqa: PLR0917 - arguments and options of a command
    card_no: Annotated[str, typer.Argument(help="The card's number.")],
    online_atc: Annotated[int, typer.Argument(help="The counter that `ahead` lists it with.")],
    reason: Annotated[str, typer.Option(help="What was found out; for the audit trail.")],
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Put down why a card was ahead of the books; `check` is silent about it from then on. It moves no money."""

    async def work() -> None:
        require_text("--reason", reason, REASON_MAX)
        actor = await authorised(config, "ledger explain", Person(operator, passphrase_file), card_no)
        async with database_of(config, actor) as database:
            await card_checks.explain(database, card_no, online_atc, reason, stamp_at(config, actor))

    run(work())
    console.print(f"card {card_no} is explained at counter {online_atc}", highlight=False)


@app.command()
def balance(
    account: Annotated[int | None, typer.Argument(help="Account number; all accounts if left out.")] = None,
    config: ConfigOption = None,
    *,
    card: Annotated[str, typer.Option(help="What the books say is on this card instead.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show posted balances in yuan, or in fen as JSON."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            if card:
                return [{"card_no": card, "balance_fen": await ledger.card_balance(database, card)}]
            found = await ledger.balances(database) if account is None else [await ledger.balance(database, account)]
            return [_balance_row(one) for one in found]

    print_rows(run(work()), as_json=as_json)


@app.command()
def statement(
    account: Annotated[int, typer.Argument(help="Account number.")],
    since: DayArgument,
    until: DayArgument,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List an account's transfers of some business days, both included."""

    async def work() -> list[ledger.Line]:
        async with database_of(config) as database:
            return await ledger.statement(database, account, since.date(), until.date())

    lines = run(work())
    if as_json:
        print_json(lines)
        return
    shown = ("id", "business_date", "kind", "reason", "card_no", "order_no", "other", "debit_fen", "credit_fen")
    print_rows([{name: getattr(line, name) for name in shown} for line in lines], as_json=False)


def _balance_row(one: ledger.Balance) -> dict[str, object]:
    return {
        "account": one.account,
        "name": one.name,
        "kind": one.kind.value,
        "debit_fen": one.debit_fen,
        "credit_fen": one.credit_fen,
        "balance_fen": one.balance_fen,
        "available_fen": one.available_fen,
    }
