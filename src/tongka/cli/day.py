"""`tongka day`: the end of a business day, what it came to, the lists of partners."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    database_of,
    print_json,
    print_rows,
    run,
    stamp_of,
    system_of,
)
from tongka.journeys import day as journey
from tongka.money import format_yuan
from tongka.store import day_figures, days
from tongka.store.db import Database

app = typer.Typer(no_args_is_help=True, help="Business days: closed, looked at, settled with partners.")

DayArgument = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Business day, YYYY-MM-DD.")]
CARRIED_MAX = 10_000


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
            return [asdict(one) for one in await days.closed(database, limit)]

    print_rows(run(work()), as_json=as_json)


@app.command()
def show(day: DayArgument, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show what a closed day came to: accounts, partners, what was posted, the orders that it carried on."""

    async def work() -> dict[str, Any]:
        async with database_of(config) as database:
            return await report(database, day.date())

    found = run(work())
    if as_json:
        print_json(found)
        return
    for title, rows in found.items():
        if isinstance(rows, list) and rows:
            console.print(_table(title, rows))


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


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in rows[0]:
        table.add_column(name.removesuffix("_fen"), justify="right" if name.endswith("_fen") else "left")
    for row in rows:
        table.add_row(*(format_yuan(v) if n.endswith("_fen") else str(v) for n, v in row.items()))
    return table
