"""`tongka partner`: who may speak to us. A change is seen by running servers within a few seconds."""

from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.table import Table

from tongka.cli.acting import OperatorOption, PassphraseOption, Person, agreed, authorised
from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_json, run
from tongka.crypto import sm2
from tongka.errors import Malformed, TongkaError, UnknownParty
from tongka.partners.huzhou.codec import SignMode
from tongka.store import parties
from tongka.store.parties import Party, Role

app = typer.Typer(no_args_is_help=True, help="The parties of the card front: listed, added, let in, kept out.")

RoleArgument = Annotated[Role, typer.Argument(help="What it is.")]
IdArgument = Annotated[str, typer.Argument(help="Its number, as messages name it.")]

COMMAND = "partner save --public-key, --next-public-key"

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
    table = Table("role", "number", "name", "belongs to", "active", "public key", "next key")
    for party in found:
        table.add_row(party.role, party.id, party.name, party.parent, "yes" if party.active else "no", *_keys(party))
    console.print(table)


def _keys(party: Party) -> tuple[str, str]:
    return party.public_key, party.next_public_key


@app.command()
def save(  # noqa: PLR0917 - arguments and options of a command
    role: RoleArgument,
    identity: IdArgument,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    parent: Annotated[str, typer.Option(help="Number of the institution or merchant that it belongs to.")] = "",
    public_key: Annotated[str, typer.Option(help="Of an institution: its SM2 point, 66 or 130 hex digits.")] = "",
    sign_mode: Annotated[
        SignMode | None, typer.Option(help="What stands for `sign` while signing; empty, if nothing is said.")
    ] = None,
    next_public_key: Annotated[
        str, typer.Option(help="Verifies beside the present key, until `tongka partner promote`.")
    ] = "",
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Add a party, or change what is said of it here; done twice it is the same. A new key is said by two operators."""
    person = Person(operator, passphrase_file)

    async def work() -> Party | None:
        actor = await authorised(config, "partner save", person, f"{role} {identity}")
        async with database_of(config, actor) as database:
            known = {(party.role, party.id): party for party in await parties.every(database)}
            before = known.get((role, identity)) or Party(role, identity)
            party = replace(
                before,
                name=name or before.name,
                parent=parent or before.parent,
                sign_mode=sign_mode.value if sign_mode else before.sign_mode,
                public_key=_point(public_key) or before.public_key,
                next_public_key=_point(next_public_key, "--next-public-key") or before.next_public_key,
            )
            _require_whole(party, known)
            if _keys(party) != _keys(before) and not await agreed(database, COMMAND, _said(party), person, config):
                return None
            await parties.save(database, party)
            return party

    party = run(work())
    if party:
        console.print(f"{party.role} {party.id} is on the books", highlight=False)


def _said(party: Party) -> str:
    """What two operators have to agree upon."""
    following = f", next key {party.next_public_key}" if party.next_public_key else ""
    return f"{party.role} {party.id}: key {party.public_key}{following}"


@app.command()
def promote(
    identity: Annotated[str, typer.Argument(help="The institution's number.")],
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """End the change to an institution's next key: it is the only one now, and the present one verifies no more."""

    async def work() -> None:
        actor = await authorised(config, "partner promote", Person(operator, passphrase_file), identity)
        async with database_of(config, actor) as database:
            await parties.promote(database, identity)

    run(work())
    console.print(f"institution {identity} has its new key alone", highlight=False)


@app.command()
def activate(
    role: RoleArgument,
    identity: IdArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Let a party in again."""
    actor = run(authorised(config, "partner activate", Person(operator, passphrase_file), f"{role} {identity}"))
    _set_active(role, identity, config, actor, active=True)


@app.command()
def deactivate(role: RoleArgument, identity: IdArgument, config: ConfigOption = None) -> None:
    """Keep a party out; its messages are answered as an unknown party's."""
    _set_active(role, identity, config, "", active=False)


def _set_active(role: Role, identity: str, config: Any, actor: str, *, active: bool) -> None:
    async def work() -> None:
        async with database_of(config, actor) as database:
            await parties.set_active(database, role, identity, active=active)

    run(work())
    console.print(f"{role} {identity} is {'let in' if active else 'kept out'}", highlight=False)


def _point(text: str, option: str = "--public-key") -> str:
    """A point as it is stored: compressed, upper case; empty where none is given."""
    if not text:
        return ""
    try:
        return sm2.PublicKey(bytes.fromhex(text)).compressed.hex().upper()
    except (ValueError, TongkaError) as wrong:
        raise Malformed(option, f"not a point of SM2 in hex: {wrong}") from wrong


def _require_whole(party: Party, known: dict[tuple[Role, str], Party]) -> None:
    """Refuse a party that could not speak, or that belongs to nobody."""
    if party.role is Role.INSTITUTION and not party.public_key:
        raise Malformed("--public-key", "an institution signs its messages; give its SM2 public key")
    if party.role is not Role.INSTITUTION and (party.public_key or party.next_public_key):
        raise Malformed("--public-key", f"a {party.role} signs nothing; its institution does")
    wanted = MUST_BELONG.get(party.role)
    if wanted is None:
        return
    if not party.parent:
        raise Malformed("--parent", f"name the {wanted} that the {party.role} belongs to")
    if (wanted, party.parent) not in known:
        raise UnknownParty(wanted, party.parent)
