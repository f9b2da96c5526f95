"""The end of the day: it is cut, added up, reconciled and paid out."""

import secrets
from dataclasses import replace
from datetime import date
from pathlib import Path

from rich.table import Table

from tongka.cli.common import stamp_of, system_of
from tongka.cli.tour.stage import Stage
from tongka.days import business_date
from tongka.journeys import day as closing
from tongka.journeys import remittance
from tongka.journeys.reconcile import compare_list
from tongka.money import format_yuan
from tongka.reconcile import to_csv
from tongka.store import day_figures, settlement_lists
from tongka.store.remittances import Remittance
from tongka.system import System

CLERK, CASHIER = "Li Wei", "Wang Fang"
SHOWN = 3
"""Lines of a list."""
MERCHANT = "merchant"


async def evening(stage: Stage, settings: Path) -> None:
    """A city that is toured twice on one day has cut it already."""
    stage.chapter("The day is cut, reconciled and paid out")
    async with system_of(settings) as system:
        now = system.clock()
        today = business_date(now, system.settings.city.cut)
        if system.day(now) > today:
            stage.say(f"{today} was cut on an earlier tour; what came since is settled tomorrow.")
            return
        await closing.close_over(system, stamp_of(system))  # days of a city that was left alone
        closed = await closing.close(system, today, stamp_of(system), early=True)
        stage.expect(today in closed, f"{today} is closed early, for the tour: what comes now belongs to tomorrow")
        await _figures(stage, system, today)
        await _reconcile(stage, system, today)
        await _pay_out(stage, system, today)


async def _figures(stage: Stage, system: System, day: date) -> None:
    table = Table("partner", "", "what", "lines", "they owe us", box=None, padding=(0, 2))
    for one in await day_figures.figures(system.database, day):
        if one.role:
            table.add_row(one.role, one.party, one.kind, str(one.lines), format_yuan(one.amount_fen))
    stage.console.print(table)
    carried = sum(one.orders for one in await day_figures.carried(system.database, day))
    stage.say(f"Carried over, for they are not at their end: {carried} orders.")


async def _reconcile(stage: Stage, system: System, day: date) -> None:
    """The first institution's list, and the same sent back by it."""
    party = stage.document["huzhou"]["joininstid"]
    lines = await settlement_lists.lines(system.database, day, "institution", party)
    content = to_csv(lines)
    stage.say(f"The settlement list of institution {party}, {len(lines)} lines and their total:")
    *first, last = content.decode().splitlines()
    for line in (*first[: SHOWN + 1], "…", last):
        stage.console.print(f"    {line}", style="dim", markup=False, highlight=False, soft_wrap=True)
    found = await compare_list(system.database, content, stamp_of(system))
    stage.expect(not found.open, "the list that the institution sends back agrees line by line")


async def _pay_out(stage: Stage, system: System, day: date) -> None:
    """What the rides' merchant earned goes to its bank, less a fee."""
    seller = stage.document["alipay"]["seller_login_name"]
    stamp, database = stamp_of(system), system.database
    clerk, cashier = replace(stamp, actor=CLERK), replace(stamp, actor=CASHIER)
    await remittance.save_account(database, MERCHANT, seller, "ICBC Huzhou 6222 0000", clerk, fee_bp=60)
    for one in (await remittance.propose(database, day, clerk, party=seller)).made:
        await remittance.approve(database, one.number, cashier)
        done = await remittance.paid(database, one.number, f"BANK{secrets.token_hex(6).upper()}", clerk)
        _tell(stage, done)


def _tell(stage: Stage, done: Remittance) -> None:
    stage.say(f"{CLERK} proposes ¥{format_yuan(done.amount_fen)} for {done.party}, {CASHIER} approves it.")
    stage.expect(
        done.state == "paid",
        f"¥{format_yuan(done.transferred_fen)} went to {done.pay_to}, ¥{format_yuan(done.fee_fen)} are kept as a fee",
    )
