"""`tongka rider`: riders of ride codes, their money, and who must not be let through."""

from dataclasses import asdict
from typing import Annotated

import typer

from tongka.cli.acting import OperatorOption, PassphraseOption, Person, authorised
from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    database_of,
    moment,
    print_rows,
    run,
    stamp_of,
    system_of,
)
from tongka.errors import Malformed
from tongka.ledger import RECEIVABLE
from tongka.money import format_yuan
from tongka.store import riders
from tongka.store.riders import Rider, RiderUnknown

app = typer.Typer(no_args_is_help=True, help="Riders of ride codes: open, show, supply with money, keep out.")

UserArgument = Annotated[str, typer.Argument(help="The rider's user id, 16 digits and letters.")]


@app.command("open")
def open_rider(
    user_id: UserArgument,
    debt_limit_fen: Annotated[
        int | None, typer.Option(min=0, help="What he may owe. Default: the setting rides.debt_limit_fen.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Open a rider's account; done twice it is the same."""
    if not (user_id.isascii() and user_id.isalnum() and len(user_id) == 16):
        raise typer.BadParameter("16 digits and letters", param_hint="user_id")

    async def work() -> None:
        async with system_of(config) as system:
            limit = system.settings.rides.debt_limit_fen if debt_limit_fen is None else debt_limit_fen
            await riders.open_riders(
                system.database, {user_id: 0}, debt_limit_fen=limit, at=system.clock(), source=RECEIVABLE["06"]
            )

    run(work())
    console.print(f"rider {user_id} is on the books", highlight=False)


@app.command("list")
def list_riders(
    after: Annotated[str, typer.Option(help="From beyond this user id.")] = "",
    size: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List riders with their money and debts."""

    async def work() -> list[Rider]:
        async with database_of(config) as database:
            return await riders.page(database, after, size)

    print_rows([asdict(rider) for rider in run(work())], as_json=as_json)


@app.command()
def show(user_id: UserArgument, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show one rider, and what he was told last."""

    async def work() -> tuple[Rider, list[riders.RiderMessage]]:
        async with database_of(config) as database:
            rider = await riders.find(database, user_id)
            if rider is None:
                raise RiderUnknown
            return rider, await riders.messages(database, user_id)

    rider, told = run(work())
    print_rows([asdict(rider)], as_json=as_json)
    if not as_json:
        for message in told:
            console.print(f"{moment(message.at)} {message.subject} {message.body}", highlight=False)


@app.command()
def supply(  # noqa: PLR0917 - arguments and options of a command
    user_id: UserArgument,
    amount_fen: Annotated[int, typer.Argument(min=1, help="How much, in fen.")],
    reference: Annotated[str, typer.Option(help="Of the payment: the same one again adds nothing.")],
    method: Annotated[str, typer.Option(help="How it was paid, as in orders: 01 cash, 03 Alipay …")] = "01",
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Take money in for a rider; what he owes is paid from it first."""

    async def work() -> Rider:
        if method not in RECEIVABLE:
            raise Malformed("--method", f"is one of {', '.join(RECEIVABLE)}")
        actor = await authorised(config, "rider supply", Person(operator, passphrase_file), f"{user_id} {reference}")
        async with system_of(config, actor) as system:
            return await riders.supply(
                system.database,
                user_id,
                amount_fen,
                reference=reference,
                stamp=stamp_of(system),
                source=RECEIVABLE[method],
            )

    rider = run(work())
    console.print(
        f"rider {user_id} has {format_yuan(rider.balance_fen)} and owes {format_yuan(rider.debt_fen)} yuan",
        highlight=False,
    )


@app.command()
def block(
    user_id: UserArgument,
    note: Annotated[str, typer.Option(help="Why, for people.")] = "",
    config: ConfigOption = None,
) -> None:
    """Put a rider on the blacklist: no new codes, and gates refuse those he has."""

    async def work() -> None:
        async with system_of(config) as system:
            await riders.put_on_blacklist(system.database, user_id, system.clock(), note)

    run(work())
    console.print(f"rider {user_id} is on the blacklist", highlight=False)


@app.command()
def unblock(user_id: UserArgument, config: ConfigOption = None) -> None:
    """Take a rider off the blacklist."""

    async def work() -> bool:
        async with database_of(config) as database:
            return await riders.take_off_blacklist(database, user_id)

    was = run(work())
    console.print(f"rider {user_id} {'is off the blacklist' if was else 'was not on the blacklist'}", highlight=False)
