"""`tongka day`: the end of a business day, what it came to, the lists of partners."""

from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tongka.cli.acting import OperatorOption, PassphraseOption, acting
from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    database_of,
    print_json,
    print_rows,
    run,
    stamp_in,
    stamp_of,
    system_of,
)
from tongka.cli.sheets import content_of, file_name, write_book, write_bytes, write_sheet
from tongka.days import ZONE
from tongka.journeys import day as journey
from tongka.journeys.reconcile import Compared, compare_list
from tongka.journeys.reconcile import resolve as resolve_difference
from tongka.money import format_yuan
from tongka.reconcile import COLUMNS, ROLES, rows, to_csv
from tongka.store import day_figures, days, settlement_lists
from tongka.store.db import Database
from tongka.store.settlement_lists import Listed

app = typer.Typer(no_args_is_help=True, help="Business days: closed, looked at, settled with partners.")

DayArgument = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Business day, YYYY-MM-DD.")]
CARRIED_MAX = 10_000
OWN = "own"
"""In names of files: what no partner has to do with."""


@app.command()
def close(
    day: Annotated[
        datetime | None, typer.Argument(formats=["%Y-%m-%d"], help="YYYY-MM-DD; left out: every day that is over.")
    ] = None,
    config: ConfigOption = None,
    *,
    early: Annotated[bool, typer.Option("--early", help="Cut today now: what comes belongs to tomorrow.")] = False,
) -> None:
    """Close a business day, which the worker does by itself; doing it again changes nothing."""

    async def work() -> list[date]:
        async with system_of(config) as system:
            if day is None:
                return await journey.close_over(system, stamp_of(system))
            return await journey.close(system, day.date(), stamp_of(system), early=early)

    closed = run(work())
    for one in closed:
        console.print(f"closed {one}; `tongka day show {one}` tells what it came to", highlight=False)
    if not closed:
        console.print("nothing to close")


@app.command("list")
def list_days(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 31,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List closed days, the latest first."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            return [_in_city(asdict(one)) for one in await days.closed(database, limit)]

    print_rows(run(work()), as_json=as_json)


@app.command()
def show(
    day: DayArgument,
    out: Annotated[Path | None, typer.Option(help="Write it into this Excel workbook instead.")] = None,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what a closed day came to: accounts, partners, what was posted, the orders that it carried on."""

    async def work() -> dict[str, Any]:
        async with database_of(config) as database:
            return await report(database, day.date())

    found = run(work())
    if as_json:
        print_json(found)
        return
    sections = {title: section for title, section in found.items() if isinstance(section, list) and section}
    if out:
        write_book(
            out, {title: [list(section[0]), *(row.values() for row in section)] for title, section in sections.items()}
        )
        console.print(f"{day:%Y-%m-%d} is in {out}", highlight=False)
        return
    for title, section in sections.items():
        console.print(_table(title, section))


async def report(database: Database, day: date) -> dict[str, Any]:
    """The figures of a closed day, in sections."""
    one = await days.require_closed(database, day)
    accounts = await day_figures.accounts(database, day)
    return {
        "day": asdict(one),
        "accounts": [asdict(each) | {"closing_fen": each.closing_fen} for each in accounts],
        "partners": [asdict(each) for each in await day_figures.figures(database, day)],
        "posted": [asdict(each) for each in await day_figures.moved(database, day)],
        "carried over": [asdict(each) for each in await day_figures.carried(database, day)],
        "orders carried over": await day_figures.carried_orders(database, day, CARRIED_MAX),
    }


@app.command()
def export(
    day: DayArgument,
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    role: Annotated[str | None, typer.Option(help=f"Only these partners: {', '.join(filter(None, ROLES))}.")] = None,
    party: Annotated[str | None, typer.Option(help="Only this partner.")] = None,
    config: ConfigOption = None,
) -> None:
    """Write a closed day's settlement list for each partner: CSV, the same bytes whenever it is made, and Excel."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            await days.require_closed(database, day.date())
            listed = await settlement_lists.partners(database, day.date())
            wanted = [one for one in listed if role in {None, one.role} and party in {None, one.party}]
            return [await _write(database, day.date(), one, out) for one in wanted]

    print_rows(run(work()), as_json=False)


async def _write(database: Database, day: date, one: Listed, out: Path) -> dict[str, object]:
    lines = await settlement_lists.lines(database, day, one.role, one.party)
    path = out / file_name(str(day), one.role or OWN, one.party)
    write_bytes(path.with_name(f"{path.name}.csv"), to_csv(lines))
    write_sheet(path.with_name(f"{path.name}.xlsx"), str(day), COLUMNS, rows(lines))
    return {"list": f"{path.name}.csv", "lines": len(lines), "amount_fen": one.amount_fen}


@app.command()
def compare(
    file: Annotated[Path, typer.Argument(help="A partner's list: CSV with the columns of ours.")],
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Compare a partner's list of a closed day with ours; differences are kept. Exit code 1 if any is open."""

    async def work() -> Compared:
        async with database_of(config) as database:
            return await compare_list(database, content_of(file), await stamp_in(database, config))

    found = run(work())
    print_rows([_in_city(asdict(one)) for one in found.open], as_json=as_json)
    if not as_json:
        console.print(f"{found.lines} lines, {len(found.open)} differences open, {found.resolved} resolved before")
    raise typer.Exit(int(bool(found.open)))


@app.command()
def differences(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    config: ConfigOption = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Resolved ones as well.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List differences with partners' lists that are open."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            return [
                _in_city(asdict(one)) for one in await settlement_lists.differences(database, every=every, limit=limit)
            ]

    print_rows(run(work()), as_json=as_json)


@app.command()
def resolve(
    number: Annotated[int, typer.Argument(help="Of the difference.")],
    operator: OperatorOption,
    note: Annotated[str, typer.Option(help="What came of it.")],
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Say what came of a difference with a partner's list."""
    acting(
        (operator, passphrase_file, config),
        f"resolve difference {number}",
        lambda database, stamp: resolve_difference(database, number, note, stamp),
    )
    console.print(f"difference {number} is resolved", highlight=False)


def _in_city(row: dict[str, object]) -> dict[str, object]:
    """Moments by the city's clock, to the second."""
    return {
        name: f"{value.astimezone(ZONE):%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _table(title: str, section: list[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in section[0]:
        table.add_column(name.removesuffix("_fen"), justify="right" if name.endswith("_fen") else "left")
    for row in section:
        table.add_row(*(format_yuan(v) if n.endswith("_fen") else str(v) for n, v in row.items()))
    return table
