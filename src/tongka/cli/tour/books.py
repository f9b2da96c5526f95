"""The last chapter: the day's books, proved from scratch."""

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from tongka.cli.common import database_of
from tongka.cli.tour.stage import Stage
from tongka.ledger import CHART, FIRST_OPENED, Account
from tongka.money import format_yuan
from tongka.store import ledger
from tongka.store.ledger import Balance
from tongka.store.ledger_checks import CHECKS, check


async def books(stage: Stage, settings: Path) -> bool:
    """Whether they balance; what does not is shown."""
    stage.chapter("The books are proved from scratch")
    async with database_of(settings) as database:
        balances = await ledger.balances(database)
        findings = await check(database)
    table = Table("account", "what it is", "debit", "credit", box=None, padding=(0, 2))
    for number, what, rows in _lines(balances):
        debit, credit = sum(row.debit_fen for row in rows), sum(row.credit_fen for row in rows)
        if debit or credit:
            table.add_row(number, what, format_yuan(debit), format_yuan(credit))
    stage.console.print(table)
    for finding in findings:
        stage.say(f"[red]✗[/] {finding.sentence}, but not: {finding.row}")
    if not findings:
        stage.say(f"[green]✓[/] all {len(CHECKS)} checks hold: not one fen is lost")
    return not findings


def _lines(balances: list[Balance]) -> Iterator[tuple[str, str, list[Balance]]]:
    """The operator's own accounts one by one; those of riders, merchants and stored value together."""
    opened = [row for row in balances if row.account >= FIRST_OPENED]
    for row in balances:
        if row.account < FIRST_OPENED:
            yield str(row.account), CHART[Account(row.account)][1], [row]
    yield "…", f"{len(opened)} accounts of merchants, riders, recharge and group cards", opened
