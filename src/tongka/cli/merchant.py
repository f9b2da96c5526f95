"""`tongka merchant`: fare tables, trips and their trades."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tongka.cli import merchant_card
from tongka.cli.acting import OperatorOption, PassphraseOption, Person, authorised
from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_json, run, settings_of, stamp_at
from tongka.days import ZONE
from tongka.errors import Malformed
from tongka.fares import FARE_MAX_FEN, FareTable, Ride, Spent, parse_fare_table, price
from tongka.merchant.settlement import open_gateway
from tongka.money import format_yuan
from tongka.store import gates, taps, trades, trips
from tongka.store.trades import TripRow
from tongka.trips import TradeEvent, TradeState

app = typer.Typer(no_args_is_help=True, help="Our side as a merchant with gates.")
fares = typer.Typer(no_args_is_help=True, help="Fare tables: what trips cost.")
app.add_typer(fares, name="fares")
app.add_typer(merchant_card.app, name="card")

PAGE_SIZE = 1000

FareFile = Annotated[Path, typer.Argument(help="The table, TOML.")]
NumberArgument = Annotated[str, typer.Argument(help="The trade's out_trade_no.")]


# --- fares ------------------------------------------------------------------------------------------------------------


@fares.command("check")
def check_fares(file: FareFile) -> None:
    """Read a table and say what is wrong with it; nothing is kept."""
    table = run(_read(file))[0]
    console.print(f"{table.version}: {len(table.service)} services, valid from {table.valid_from}")


@fares.command("import")
def import_fares(file: FareFile, config: ConfigOption = None) -> None:
    """Keep a table for trips that begin on its day or later; a table is never changed afterwards."""

    async def work() -> FareTable:
        table, text = await _read(file)
        async with database_of(config) as database:
            await trips.save_fare_table(database, table, text, datetime.now(ZONE))
        return table

    table = run(work())
    console.print(f"fare table {table.version} is kept; it prices trips from {table.valid_from} on")


@fares.command("list")
def list_fares(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the tables, the latest first."""

    async def work() -> list[FareTable]:
        async with database_of(config) as database:
            return await trips.fare_tables(database)

    rows = [
        {"version": one.version, "valid_from": str(one.valid_from), "services": ", ".join(s.id for s in one.service)}
        for one in run(work())
    ]
    _show(rows, as_json=as_json)


@fares.command("price")
def price_ride(
    file: FareFile,
    service: Annotated[str, typer.Argument(help="The service.")],
    start: Annotated[str, typer.Argument(help="Where the ride begins; a flat service needs none.")] = "",
    end: Annotated[str, typer.Argument(help="Where it ends.")] = "",
) -> None:
    """What one ride costs by a table, before transfers and caps."""

    async def work() -> int:
        table, _ = await _read(file)
        return price(table, Ride(service, start, end, 0, 0, table.valid_from), Spent())[0]

    console.print(f"{format_yuan(run(work()))} yuan")


async def _read(file: Path) -> tuple[FareTable, str]:
    return _table_of(file)


def _table_of(file: Path) -> tuple[FareTable, str]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(str(file), f"cannot be read: {error}") from error
    return parse_fare_table(text), text


# --- trips and trades -------------------------------------------------------------------------------------------------


@app.command()
def status(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """How far trips are made, which gate is waited for, and the trades by state."""

    async def work() -> dict[str, Any]:
        async with database_of(config) as database:
            active = [gate for gate in await gates.every(database) if gate.active]
            slowest = min(active, key=lambda gate: gate.heard_until, default=None)
            counted = await trades.counts(database)
            return {
                "watermark": await taps.watermark(database),
                "slowest_gate": slowest.gate_id if slowest else "",
                "heard_until": slowest.heard_until if slowest else None,
                "unread_records": sum(gate.next_serial - gate.next_reading for gate in active),
                "refused_records": await gates.refused_count(database),
                "trades": {state: {"trips": n, "amount_fen": fen} for state, (n, fen) in counted.items()},
            }

    told = run(work())
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        if name != "trades":
            console.print(f"[bold]{name:<16}[/] {_text(name, value)}", highlight=False)
    _show([{"state": state} | row for state, row in told["trades"].items()], as_json=False)


@app.command("trips")
def list_trips(
    config: ConfigOption = None,
    *,
    state: Annotated[TradeState | None, typer.Option(help="Of this state only.")] = None,
    user_id: Annotated[str, typer.Option("--user", help="Of this user only.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the latest.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List trips with their trades."""

    async def work() -> list[TripRow]:
        async with database_of(config) as database:
            return await trades.listed(database, state.value if state else "", user_id, limit)

    _show([asdict(row) for row in run(work())], as_json=as_json)


@app.command()
def retry(number: NumberArgument, config: ConfigOption = None) -> None:
    """Send a trade again, now: one that failed, or one that waits for its next time."""
    _move(number, TradeEvent.RETRY, Person("", ""), config)
    console.print(f"trade {number} goes out again with the worker's next round", highlight=False)


@app.command()
def charge(
    number: NumberArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
    *,
    amount_fen: Annotated[
        int | None, typer.Option(min=1, max=FARE_MAX_FEN, help="Instead of the trip's price.")
    ] = None,
) -> None:
    """Decide that a held trip is charged."""
    _move(number, TradeEvent.CHARGE, Person(operator, passphrase_file), config, amount_fen)
    console.print(f"trade {number} is charged", highlight=False)


@app.command()
def waive(
    number: NumberArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Decide that a held trip costs nothing."""
    _move(number, TradeEvent.WAIVE, Person(operator, passphrase_file), config)
    console.print(f"trade {number} is waived", highlight=False)


def _move(number: str, event: TradeEvent, person: Person, config: Path | None, amount_fen: int | None = None) -> None:
    async def work() -> None:
        actor = await authorised(config, f"merchant {event.value}", person, number)
        async with database_of(config, actor) as database:
            at = stamp_at(config, actor)
            await trades.move_by_person(database, number, event, at.at, at.actor, amount_fen=amount_fen)

    run(work())


# --- what gates need --------------------------------------------------------------------------------------------------


@app.command()
def keys(config: ConfigOption = None) -> None:
    """Ask the gateway for the master keys, and print the list as init_pos_verify takes it."""

    async def work() -> list[dict[str, Any]]:
        async with open_gateway(settings_of(config).merchant) as gateway:
            return await gateway.key_query()

    print_json(run(work()))


@app.command()
def blacklist(config: ConfigOption = None) -> None:
    """Ask the gateway for the users whom gates are to refuse, and print their ids."""

    async def work() -> None:
        page = 1
        async with open_gateway(settings_of(config).merchant) as gateway:
            while users := await gateway.userblacklist_query(page, PAGE_SIZE):
                typer.echo("\n".join(users))
                page += 1

    run(work())


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """A table with amounts in yuan, or JSON with them in fen."""
    if as_json:
        print_json(rows)
        return
    table = Table()
    for name in rows[0] if rows else ("nothing",):
        table.add_column(name.removesuffix("_fen"), overflow="fold")
    for row in rows:
        table.add_row(*(_text(name, value) for name, value in row.items()))
    console.print(table)


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(ZONE):%F %T}"
    return format_yuan(value) if name.endswith("_fen") and isinstance(value, int) else str(value)
