"""`tongka payments`: the payment institutions that riders pay at."""

from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from tongka.cli.acting import OperatorOption, PassphraseOption, acting
from tongka.cli.common import (
    ERROR,
    ConfigOption,
    JsonOption,
    complain,
    console,
    database_of,
    print_rows,
    run,
    settings_of,
    system_of,
)
from tongka.days import ZONE
from tongka.errors import Failed, Malformed, Refused
from tongka.journeys.app import payout
from tongka.journeys.app.bill import Fetch, compare
from tongka.journeys.app.paying import acquirer_named
from tongka.journeys.app.payout import PAID_FROM
from tongka.money import format_yuan
from tongka.payments import OURS
from tongka.payments.bills import READERS, BillLine, read_bill
from tongka.payments.key_files import complaints_of
from tongka.shell import now
from tongka.store import app as app_store
from tongka.store import payouts
from tongka.store.payouts import Payout
from tongka.system import System

app = typer.Typer(
    no_args_is_help=True, help="Payment institutions: check the keys, reconcile the day's bill, what riders are owed."
)


class NothingConnected(Refused):
    """There is no payment institution to look at."""

    code = "nothing_connected"


@app.callback()
def _payments() -> None:
    pass


@app.command("check-keys")
def check_keys(config: ConfigOption = None) -> None:
    """Say what is wrong with the keys of Alipay and WeChat Pay, and how to mend it; exit code 1 if something is.

    Exit code 2 where neither is connected: then there are no keys to be good.
    """

    async def work() -> list[str]:
        settings = settings_of(config)
        if not (settings.alipay.app_id or settings.wechat.merchant_id):
            raise NothingConnected("neither alipay.app_id nor wechat.merchant_id is set: no institution is connected")
        return list(complaints_of(settings, now()))

    found = run(work())
    for complaint in found:
        console.print(complaint, markup=False)
    console.print("the keys are good" if not found else f"{len(found)} things to mend")
    raise typer.Exit(int(bool(found)))


@app.command()
def bill(
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="A bill is there by ten the next morning.")],
    acquirer: Annotated[str, typer.Option(help="alipay, wechat or sandbox; without it, each that is connected.")] = "",
    file: Annotated[Path | None, typer.Option(help="The bill as it was downloaded by hand; of --acquirer.")] = None,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List every difference between institutions' bills of a day and our books; exit code 1 if there is any.

    A bill that cannot be had is told, the others are compared all the same, and the exit code is 2.
    """
    if file and acquirer not in READERS:
        raise typer.BadParameter(f"--file needs --acquirer, one of {', '.join(READERS)}")

    async def work() -> tuple[list[dict[str, object]], bool]:
        rows: list[dict[str, object]] = []
        missing = False
        async with system_of(config) as system:
            names = [acquirer] if acquirer else list(system.acquirers)
            if not names:
                raise NothingConnected("no payment institution is connected: there is no bill to compare")
            for name in names:
                try:
                    found = await compare(system.database, name, day.date(), _fetch(system, name, day.date(), file))
                except (Failed, Malformed) as error:
                    complain(error, f"{name}, bill of {day:%Y-%m-%d}: ")
                    missing = True
                else:
                    rows += [{"acquirer": name, **asdict(one)} for one in found]
        return rows, missing

    rows, missing = run(work())
    print_rows(rows, as_json=as_json)
    raise typer.Exit(ERROR if missing else int(bool(rows)))


@app.command()
def owed(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 1_000,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List what riders have not got back of deleted cards: what is `owed` is for people, the rest is on its way."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            found = await payouts.unfinished(database, limit)
            return [_owed(one, await app_store.owner_of_card(database, one.card_no, OURS)) for one in found]

    print_rows(run(work()), as_json=as_json)


@app.command("paid-out")
def paid_out(  # noqa: PLR0917 - options of a command
    order_no: Annotated[str, typer.Argument(help="As `tongka payments owed` lists it.")],
    operator: OperatorOption,
    reference: Annotated[str, typer.Option(help="Under which it was paid: the transfer's or the receipt's number.")],
    source: Annotated[str, typer.Option("--from", help=f"{' or '.join(PAID_FROM)}: where it was taken from.")] = "bank",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Note that people have paid out what is owed of a deleted card. The same reference again is harmless."""
    done = acting(
        (operator, passphrase_file, config),
        f"paid out {order_no}",
        lambda database, stamp: payout.by_hand(database, order_no, reference, source, stamp),
    )
    how = f"{format_yuan(done.by_hand_fen)} by hand under {done.reference}"
    console.print(f"the payout {order_no} is {done.state.value}: {how}", highlight=False)


def _owed(one: Payout, rider: str | None) -> dict[str, object]:
    return {
        "order_no": one.order_no,
        "card_no": one.card_no,
        "rider": rider or "",
        "state": one.state.value,
        "since": f"{one.created_at.astimezone(ZONE):%Y-%m-%d}",
        "total_fen": one.total_fen,
        "done_fen": one.done_fen,
        "owed_fen": one.left_fen,
    }


def _fetch(system: System, name: str, day: date, file: Path | None) -> Fetch:
    """Bills from the institution; a file is that of the day itself, and earlier ones are asked for where that works."""

    async def fetch(wanted: date) -> list[BillLine]:
        if file and wanted == day:
            return read_bill(name, _bytes_of(file))
        if file and name not in system.acquirers:
            raise Failed(f"{name} is not connected")
        return read_bill(name, await acquirer_named(system, name).bill(wanted))

    return fetch


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Malformed("--file", f"cannot be read: {error}") from error
