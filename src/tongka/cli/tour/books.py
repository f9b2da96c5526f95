"""The last chapter: the day's books, proved from scratch."""

from pathlib import Path

from rich.table import Table

from tongka.cli.common import database_of
from tongka.cli.tour.stage import Stage
from tongka.ledger import CHART, Account
from tongka.money import format_yuan
from tongka.store import ledger
from tongka.store.ledger_checks import CHECKS, check


async def books(stage: Stage, settings: Path) -> bool:
    """Whether they balance; what does not is shown."""
    stage.chapter("The books are proved from scratch")
    async with database_of(settings) as database:
        balances = await ledger.balances(database)
        findings = await check(database)
    table = Table("account", "what it is", "debit", "credit", box=None, padding=(0, 2))
    for one in balances:
        if one.debit_fen or one.credit_fen:
            what = CHART[Account(one.account)][1] if one.account in set(Account) else one.name
            table.add_row(str(one.account), what, format_yuan(one.debit_fen), format_yuan(one.credit_fen))
    stage.console.print(table)
    for finding in findings:
        stage.say(f"[red]✗[/] {finding.sentence}, but not: {finding.row}")
    if not findings:
        stage.say(f"[green]✓[/] all {len(CHECKS)} checks hold: not one fen is lost")
    return not findings
