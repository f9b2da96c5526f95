"""`tongka channel`: who may speak over the OneCard API. A change is seen by running servers within a few seconds."""

import ipaddress
import secrets
from dataclasses import asdict
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
from tongka.errors import Malformed
from tongka.partners.linkage.channels import KEY_MIN, key_context
from tongka.store import audit, channel_parties, channels
from tongka.store.channel_parties import ChannelParty, ChannelRole
from tongka.store.channels import ChannelRow

app = typer.Typer(no_args_is_help=True, help="Channels of the OneCard API: their keys, addresses and limits.")

DomainArgument = Annotated[str, typer.Argument(help="OrigionDomain of its messages.")]
RoleArgument = Annotated[ChannelRole, typer.Argument(help="What it is: DeptNo, TermNo, OperNo or DeviceNo.")]
PartyArgument = Annotated[str, typer.Argument(help="Its number, as messages name it.")]
ChannelArgument = Annotated[str, typer.Argument(help="ChannelNo.")]
PER_MINUTE, TERMINAL_PER_MINUTE = 6_000, 120


@app.command("list")
def list_channels(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the channels; keys are not shown."""

    async def work() -> list[ChannelRow]:
        async with database_of(config) as database:
            return await channels.every(database)

    shown = [_shown(row) for row in run(work())]
    if as_json:
        print_json(shown)
        return
    table = Table(
        "domain", "channel", "name", "addresses", "per minute", "per terminal", "active", "known parties only"
    )
    for row in shown:
        table.add_row(*(", ".join(value) if isinstance(value, tuple) else str(value) for value in row.values()))
    console.print(table)


def _shown(row: ChannelRow) -> dict[str, Any]:
    names = (
        "domain", "channel", "name", "addresses", "per_minute", "terminal_per_minute", "active", "known_parties_only"
    )  # fmt: skip
    return {name: getattr(row, name) for name in names}


@app.command()
def save(  # noqa: PLR0917 - arguments and options of a command
    domain: DomainArgument,
    channel: ChannelArgument,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    key: Annotated[str, typer.Option(help="Its token key, at least 32 hex digits; if left out, drawn and shown.")] = "",
    address: Annotated[list[str] | None, typer.Option(help="A network (CIDR) that may call; may be repeated.")] = None,
    per_minute: Annotated[int, typer.Option(min=1, help="Most requests in a minute.")] = PER_MINUTE,
    terminal_per_minute: Annotated[int, typer.Option(min=1, help="The same for each terminal.")] = TERMINAL_PER_MINUTE,
    config: ConfigOption = None,
    *,
    known_parties_only: Annotated[
        bool, typer.Option("--known-parties-only/--any-parties", help="Whether parties must be admitted, see `admit`.")
    ] = True,
) -> None:
    """Add a channel, or replace it with a new key."""
    drawn = key or secrets.token_hex(KEY_MIN // 2).upper()

    async def work() -> None:
        _require_strong(drawn)
        networks = tuple(_network(one) for one in address or ())
        async with system_of(config) as system:
            sealed = await system.hsm.seal(drawn.encode(), key_context(domain, channel))
            limits = (per_minute, terminal_per_minute)
            row = ChannelRow(domain, channel, name, sealed, networks, *limits, known_parties_only=known_parties_only)
            await channels.save(system.database, row)
            await audit.record(
                system.database, system.clock(), actor="cli", action="save channel", subject=f"{domain} {channel}"
            )

    run(work())
    console.print(f"channel {channel} of domain {domain} may speak", highlight=False)
    if not key:
        console.print(f"its key, shown this once: {drawn}", highlight=False)


@app.command()
def activate(domain: DomainArgument, channel: ChannelArgument, config: ConfigOption = None) -> None:
    """Let a channel in again."""
    _set_active(domain, channel, config, active=True)


@app.command()
def deactivate(domain: DomainArgument, channel: ChannelArgument, config: ConfigOption = None) -> None:
    """Keep a channel out; its messages are answered as an unknown one's."""
    _set_active(domain, channel, config, active=False)


def _set_active(domain: str, channel: str, config: Any, *, active: bool) -> None:
    async def work() -> None:
        async with database_of(config) as database:
            await channels.set_active(database, domain, channel, active=active)

    run(work())
    console.print(f"channel {channel} of domain {domain} is {'let in' if active else 'kept out'}", highlight=False)


@app.command()
def admit(
    domain: DomainArgument,
    role: RoleArgument,
    identity: PartyArgument,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    config: ConfigOption = None,
) -> None:
    """Put a department, terminal, operator or device on a domain's books; again is harmless."""
    _save_party(ChannelParty(domain, role, _number(role, identity), name), config)


@app.command()
def dismiss(domain: DomainArgument, role: RoleArgument, identity: PartyArgument, config: ConfigOption = None) -> None:
    """Keep a department, terminal, operator or device out of a domain."""
    _save_party(ChannelParty(domain, role, _number(role, identity), active=False), config)


@app.command()
def parties(
    domain: Annotated[str, typer.Argument(help="Only this domain's.")] = "",
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the departments, terminals, operators and devices."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            return [asdict(one) for one in await channel_parties.every(database, domain)]

    print_rows(run(work()), as_json=as_json)


def _save_party(party: ChannelParty, config: Any) -> None:
    async def work() -> None:
        async with system_of(config) as system:
            await channel_parties.save(system.database, party, stamp_of(system))

    run(work())
    admitted = "admitted" if party.active else "dismissed"
    console.print(f"{party.role} {party.id} of domain {party.domain} is {admitted}", highlight=False)


def _number(role: ChannelRole, identity: str) -> str:
    """As messages name it: the hexadecimal digits of a terminal are read in both cases."""
    return identity.upper() if role is ChannelRole.TERMINAL else identity


def _require_strong(key: str) -> None:
    """128 bits, written as at least 32 hexadecimal digits."""
    if len(key) < KEY_MIN or set(key.upper()) - set("0123456789ABCDEF"):
        raise Malformed("--key", f"a key has at least {KEY_MIN} hexadecimal digits, which is 128 bits; or leave it out")


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as wrong:
        raise Malformed("--address", f"not a network: {wrong}") from wrong
