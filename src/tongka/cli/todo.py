"""`tongka todo`: all that waits for people, over all business; exit code 1 if anything does."""

from dataclasses import asdict
from datetime import datetime, timedelta

import typer
from rich.table import Table

from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_json, run, settings_of, stamp_at
from tongka.money import format_yuan
from tongka.store import todo
from tongka.store.todo import Waiting

app = typer.Typer(help="All that waits for people.")


@app.command()
def show(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List what waits for people, how long, and which command goes on; exit code 1 if anything does."""
    now = stamp_at(config)

    async def work() -> list[Waiting]:
        bad_cards_before = now.at - timedelta(days=settings_of(config).city.bad_card_wait_days)
        async with database_of(config) as database:
            return await todo.waiting(database, now.at, now.day, bad_cards_before)

    found = run(work())
    if as_json:
        age = [{"age_hours": int((now.at - one.since) / timedelta(hours=1))} for one in found]
        print_json([asdict(one) | more for one, more in zip(found, age, strict=True)])
    else:
        _print(found, now.at)
    raise typer.Exit(int(bool(found)))


def _print(found: list[Waiting], now: datetime) -> None:
    if not found:
        console.print("nothing waits for people")
        return
    table = Table("what waits", "things", "amount", "oldest", "first", "go on with")
    for one in found:
        amount = "" if one.amount_fen is None else format_yuan(one.amount_fen)
        table.add_row(one.sentence, str(one.things), amount, _age(now - one.since), one.first, one.remedy)
    console.print(table)


def _age(age: timedelta) -> str:
    hours = int(age / timedelta(hours=1))
    return f"{hours // 24} days" if hours >= 48 else f"{hours} h"
