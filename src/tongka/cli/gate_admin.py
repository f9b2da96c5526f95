"""`tongka gate add, list, stop, start`: the gates of the merchant."""

import secrets
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_json, run
from tongka.journeys.gates import token_digest
from tongka.store import gates
from tongka.store.gates import Gate
from tongka.trips import GateRole

TOKEN_BYTES = 32

GateArgument = Annotated[str, typer.Argument(help="The gate's pos_id.")]


def add(
    gate_id: GateArgument,
    service: Annotated[str, typer.Argument(help="Its service in the fare table, e.g. a bus line.")],
    role: Annotated[GateRole, typer.Argument(help="What passing it means.")] = GateRole.SINGLE,
    config: ConfigOption = None,
    *,
    station: Annotated[str, typer.Option(help="Where it stands, as the fare table names it.")] = "",
    vehicle: Annotated[str, typer.Option(help="The vehicle that it is in, as riders know it.")] = "",
) -> None:
    """Add a gate, or change it and give it a new token; the token is printed once and kept nowhere."""
    token = secrets.token_urlsafe(TOKEN_BYTES)

    async def work() -> None:
        async with database_of(config) as database:
            gate = Gate(gate_id, service, station, role.value, vehicle)
            await gates.save(database, [(gate, token_digest(token))])

    run(work())
    typer.echo(token)


def list_gates(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the gates with how far their journals were uploaded and read."""

    async def work() -> list[Gate]:
        async with database_of(config) as database:
            return await gates.every(database)

    rows: list[dict[str, Any]] = [msgspec.to_builtins(gate) for gate in run(work())]
    if as_json:
        print_json(rows)
        return
    table = Table(*(rows[0] if rows else ("no gates",)))
    for row in rows:
        table.add_row(*map(str, row.values()))
    console.print(table)


def stop(gate_id: GateArgument, config: ConfigOption = None) -> None:
    """Take a gate out of service: it may not upload, and trips are made without waiting for it."""
    _set_active(gate_id, config, active=False)


def start(gate_id: GateArgument, config: ConfigOption = None) -> None:
    """Put a gate back into service."""
    _set_active(gate_id, config, active=True)


def _set_active(gate_id: str, config: ConfigOption, *, active: bool) -> None:
    async def work() -> None:
        async with database_of(config) as database:
            await gates.set_active(database, gate_id, active=active)

    run(work())
