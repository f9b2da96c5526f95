"""`tongka channel`: who may speak over the OneCard API. A change is seen by running servers within a few seconds."""

import ipaddress
import re
import secrets
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from tongka.cli import locks
from tongka.cli.acting import OperatorOption, PassphraseOption, Person, authorised
from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    database_of,
    print_json,
    print_rows,
    run,
    system_of,
)
from tongka.errors import Malformed, UnknownParty
from tongka.partners.linkage.channels import KEY_MIN, key_context
from tongka.store import channel_parties, channels
from tongka.store.channel_parties import ChannelParty, ChannelRole
from tongka.store.channels import ChannelRow

app = typer.Typer(no_args_is_help=True, help="Channels of the OneCard API: their keys, addresses and limits.")
app.command()(locks.locked)
app.command("unlock")(locks.unlock_domain)

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
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
    *,
    known_parties_only: Annotated[
        bool, typer.Option("--known-parties-only/--any-parties", help="Whether parties must be admitted, see `admit`.")
    ] = True,
) -> None:
    """Add a channel, or replace it with a new key; `next-key` changes a key without an outage."""
    drawn = key or _draw()

    async def work() -> None:
        _require_strong(drawn)
        networks = tuple(_network(one) for one in address or ())
        actor = await authorised(config, "channel save", Person(operator, passphrase_file), f"{domain} {channel}")
        async with system_of(config, actor) as system:
            sealed = await system.hsm.seal(drawn.encode(), key_context(domain, channel))
            limits = (per_minute, terminal_per_minute)
            row = ChannelRow(domain, channel, name, sealed, networks, *limits, known_parties_only=known_parties_only)
            await channels.save(system.database, row)

    run(work())
    console.print(f"channel {channel} of domain {domain} may speak", highlight=False)
    if not key:
        console.print(f"its key, shown this once: {drawn}", highlight=False)


@app.command("next-key")
def next_key(
    domain: DomainArgument,
    channel: ChannelArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Draw a channel's next key, shown this once: it makes tokens beside the present one, until `promote`."""
    drawn = _draw()

    async def work() -> None:
        actor = await authorised(config, "channel next-key", Person(operator, passphrase_file), f"{domain} {channel}")
        async with system_of(config, actor) as system:
            sealed = await system.hsm.seal(drawn.encode(), key_context(domain, channel))
            await channels.set_next_key(system.database, domain, channel, sealed)

    run(work())
    console.print(f"the next key of channel {channel} of domain {domain}, shown this once: {drawn}", highlight=False)


@app.command()
def promote(
    domain: DomainArgument,
    channel: ChannelArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """End the change to a channel's next key: the present one makes no tokens any more."""

    async def work() -> None:
        actor = await authorised(config, "channel promote", Person(operator, passphrase_file), f"{domain} {channel}")
        async with database_of(config, actor) as database:
            await channels.promote(database, domain, channel)

    run(work())
    console.print(f"channel {channel} of domain {domain} has its new key alone", highlight=False)


@app.command()
def activate(
    domain: DomainArgument,
    channel: ChannelArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Let a channel in again."""
    actor = run(authorised(config, "channel activate", Person(operator, passphrase_file), f"{domain} {channel}"))
    _set_active(domain, channel, config, actor, active=True)


@app.command()
def deactivate(domain: DomainArgument, channel: ChannelArgument, config: ConfigOption = None) -> None:
    """Keep a channel out; its messages are answered as an unknown one's."""
    _set_active(domain, channel, config, "", active=False)


def _set_active(domain: str, channel: str, config: Any, actor: str, *, active: bool) -> None:
    async def work() -> None:
        async with database_of(config, actor) as database:
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
        async with database_of(config) as database:
            if party.active and party.domain not in {row.domain for row in await channels.every(database)}:
                raise UnknownParty("domain", party.domain)
            await channel_parties.save(database, party)

    run(work())
    admitted = "admitted" if party.active else "dismissed"
    console.print(f"{party.role} {party.id} of domain {party.domain} is {admitted}", highlight=False)


def _number(role: ChannelRole, identity: str) -> str:
    """As messages name it: a terminal has 12 hexadecimal digits, read in both cases."""
    if role is not ChannelRole.TERMINAL:
        return identity
    if not re.fullmatch(r"[0-9A-Fa-f]{12}", identity, re.ASCII):
        raise typer.BadParameter("a TermNo has 12 hexadecimal digits", param_hint="identity")
    return identity.upper()


def _draw() -> str:
    return secrets.token_hex(KEY_MIN // 2).upper()


def _require_strong(key: str) -> None:
    """128 bits, written as at least 32 hexadecimal digits."""
    if len(key) < KEY_MIN or set(key.upper()) - set("0123456789ABCDEF"):
        raise Malformed("--key", f"a key has at least {KEY_MIN} hexadecimal digits, which is 128 bits; or leave it out")


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as wrong:
        raise Malformed("--address", f"not a network: {wrong}") from wrong
