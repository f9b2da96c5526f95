"""`tongka partner`: who may speak to us. A change is seen by running servers within a few seconds."""

from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.table import Table

from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_json, run
from tongka.crypto import sm2
from tongka.errors import Malformed, TongkaError, UnknownParty
from tongka.partners.huzhou.codec import SignMode
from tongka.store import parties
from tongka.store.parties import Party, Role

app = typer.Typer(no_args_is_help=True, help="The parties of the card front: listed, added, let in, kept out.")

RoleArgument = Annotated[Role, typer.Argument(help="What it is.")]
IdArgument = Annotated[str, typer.Argument(help="Its number, as messages name it.")]

MUST_BELONG: dict[Role, Role] = {
    Role.PARTNER: Role.INSTITUTION,
    Role.MERCHANT: Role.INSTITUTION,
    Role.TERMINAL: Role.MERCHANT,
    Role.NETWORK: Role.INSTITUTION,
    Role.OPERATOR: Role.INSTITUTION,
}
"""Role → the role of the party that it belongs to, which must be on the books before it."""


@app.command("list")
def list_parties(
    role: Annotated[Role | None, typer.Argument(help="Only these.")] = None,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the parties."""

    async def work() -> list[Party]:
        async with database_of(config) as database:
            return [party for party in await parties.every(database) if role in {None, party.role}]

    found = run(work())
    if as_json:
        print_json([asdict(party) for party in found])
        return
    table = Table("role", "number", "name", "belongs to", "active", "public key")
    for party in found:
        table.add_row(party.role, party.id, party.name, party.parent, "yes" if party.active else "no", party.public_key)
    console.print(table)


@app.command()
def save(  # noqa: PLR0917 - arguments and options of a command
    role: RoleArgument,
    identity: IdArgument,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    parent: Annotated[str, typer.Option(help="Number of the institution or merchant that it belongs to.")] = "",
    public_key: Annotated[str, typer.Option(help="Of an institution: its SM2 point, 66 or 130 hex digits.")] = "",
    sign_mode: Annotated[SignMode, typer.Option(help="What stands for `sign` while signing.")] = SignMode.EMPTY,
    config: ConfigOption = None,
) -> None:
    """Add a party, or change the one of that number; done twice it is the same."""

    async def work() -> Party:
        async with database_of(config) as database:
            known = {(party.role, party.id): party for party in await parties.every(database)}
            party = _party(known.get((role, identity)), role, identity, name, parent, public_key, sign_mode)
            _require_parent(party, known)
            await parties.save(database, party)
            return party

    party = run(work())
    console.print(f"{party.role} {party.id} is on the books", highlight=False)


@app.command()
def activate(role: RoleArgument, identity: IdArgument, config: ConfigOption = None) -> None:
    """Let a party in again."""
    _set_active(role, identity, config, active=True)


@app.command()
def deactivate(role: RoleArgument, identity: IdArgument, config: ConfigOption = None) -> None:
    """Keep a party out; its messages are answered as an unknown party's."""
    _set_active(role, identity, config, active=False)


def _set_active(role: Role, identity: str, config: Any, *, active: bool) -> None:
    async def work() -> None:
        async with database_of(config) as database:
            await parties.set_active(database, role, identity, active=active)

    run(work())
    console.print(f"{role} {identity} is {'let in' if active else 'kept out'}", highlight=False)


def _party(  # noqa: PLR0917 - the fields of a party
    known: Party | None, role: Role, identity: str, name: str, parent: str, public_key: str, sign_mode: SignMode
) -> Party:
    """What the party is to be: what was given, and what was known of it."""
    before = known or Party(role, identity)
    point = _point(public_key) if public_key else before.public_key
    if role is Role.INSTITUTION and not point:
        raise Malformed("--public-key", "an institution signs its messages; give its SM2 public key")
    return replace(
        before, name=name or before.name, parent=parent or before.parent, public_key=point, sign_mode=sign_mode.value
    )


def _point(text: str) -> str:
    """A point as it is stored: compressed, upper case."""
    try:
        return sm2.PublicKey(bytes.fromhex(text)).compressed.hex().upper()
    except (ValueError, TongkaError) as wrong:
        raise Malformed("--public-key", f"not a point of SM2 in hex: {wrong}") from wrong


def _require_parent(party: Party, known: dict[tuple[Role, str], Party]) -> None:
    wanted = MUST_BELONG.get(party.role)
    if wanted is None:
        return
    if not party.parent:
        raise Malformed("--parent", f"name the {wanted} that the {party.role} belongs to")
    if (wanted, party.parent) not in known:
        raise UnknownParty(wanted, party.parent)
