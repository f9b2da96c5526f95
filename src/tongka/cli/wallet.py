"""`tongka wallet`: what cards in phones are made of: issuers' numbers, secure elements, products of the app."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tongka.card.apdu import parse_hex
from tongka.card.profiles import profile_named
from tongka.card.secure_channel import StaticKeys
from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_rows, run, stamp_of, system_of
from tongka.errors import Malformed, Refused
from tongka.journeys.app import losing
from tongka.keys import element_context
from tongka.store import app as app_store
from tongka.store import audit, elements
from tongka.store.app import AppCard, Product
from tongka.store.elements import CardRange, Element
from tongka.store.wallet import CardPlace
from tongka.system import System

app = typer.Typer(no_args_is_help=True, help="Cards in phones: issuers' numbers, secure elements, products.")

IssuerArgument = Annotated[str, typer.Argument(help="issuerId of orders.")]
CardArgument = Annotated[str, typer.Argument(help="A card that was reported lost.")]
ProfileOption = Annotated[str, typer.Option(help="The card type; `tongka card` lists them.")]
PrefixOption = Annotated[str, typer.Option(help="The digits that every number begins with.")]
DigitsOption = Annotated[int, typer.Option(min=1, max=18, help="Of the serial behind the prefix.")]
FenOption = Annotated[int, typer.Option(min=0, help="In fen.")]
SCPS = ("02", "03")
FIELDS = ("se_id", "device_id", "scp", "key_version", "security_domain_aid")


class DiffersFromBooks(Refused):
    """Something of that name is on the books, and is otherwise."""

    code = "differs_from_books"


class StillInUse(Refused):
    """A card or an order needs it."""

    code = "still_in_use"


# --- numbers ----------------------------------------------------------------------------------------------------------


@app.command()
def issuers(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the issuers with the numbers that they give to cards in phones."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            return [asdict(numbers) for numbers in await elements.issuers(database)]

    print_rows(run(work()), as_json=as_json)


@app.command("add-issuer")
def add_issuer(
    issuer: IssuerArgument,
    profile: ProfileOption,
    prefix: PrefixOption,
    digits: DigitsOption,
    config: ConfigOption = None,
) -> None:
    """Give an issuer numbers; the same again changes nothing, and numbers that may be in use are never given anew."""
    wanted = CardRange(issuer, profile, prefix, digits, 10**digits - 1)

    async def work() -> None:
        _require_numbers(wanted)
        async with system_of(config) as system:
            await _require_own(system, wanted)
            await elements.add_range(system.database, wanted)
            if await elements.find_range(system.database, issuer) != wanted:
                raise DiffersFromBooks(f"issuer {issuer} has other numbers, or was closed; see `change-issuer`")

    run(work())
    console.print(f"issuer {issuer} gives out {prefix}{'0' * (digits - 1)}1 to {prefix}{'9' * digits}", highlight=False)


@app.command("change-issuer")
def change_issuer(
    issuer: IssuerArgument,
    profile: ProfileOption,
    prefix: PrefixOption,
    digits: DigitsOption,
    config: ConfigOption = None,
) -> None:
    """Let an issuer give out other numbers from now on, or again after it was closed; no number is given out twice."""
    wanted = CardRange(issuer, profile, prefix, digits, 10**digits - 1)

    async def work() -> None:
        _require_numbers(wanted)
        async with system_of(config) as system:
            await _require_own(system, wanted)
            if not await elements.change_range(system.database, wanted):
                raise DiffersFromBooks(f"issuer {issuer} has no numbers yet; see `tongka wallet add-issuer`")

    run(work())
    console.print(f"issuer {issuer} gives out {prefix} and {digits} digits from now on", highlight=False)


@app.command("close-issuer")
def close_issuer(issuer: IssuerArgument, config: ConfigOption = None) -> None:
    """Give out no more cards of an issuer, and offer none; its cards stay, and a second time changes nothing."""

    async def work() -> None:
        async with system_of(config) as system:
            if not await elements.close_range(system.database, issuer):
                raise DiffersFromBooks(f"issuer {issuer} has no numbers; see `tongka wallet issuers`")
            await app_store.withdraw_product(system.database, issuer)

    run(work())
    console.print(f"issuer {issuer} gives out no more cards", highlight=False)


async def _require_own(system: System, wanted: CardRange) -> None:
    """Two issuers that share numbers would give out the same one."""
    length = len(wanted.prefix) + wanted.digits
    for other in await elements.issuers(system.database):
        nested = other.prefix.startswith(wanted.prefix) or wanted.prefix.startswith(other.prefix)
        if other.issuer_id != wanted.issuer_id and nested and len(other.prefix) + other.digits == length:
            raise DiffersFromBooks(f"issuer {other.issuer_id} gives out numbers among these; choose another --prefix")


def _require_numbers(wanted: CardRange) -> None:
    expected = profile_named(wanted.profile).card_no_digits
    if not (wanted.prefix.isascii() and wanted.prefix.isdigit()):
        raise Malformed("--prefix", "digits only")
    if len(wanted.prefix) + wanted.digits != expected:
        raise Malformed("--digits", f"numbers of {wanted.profile} have {expected} digits, prefix and serial together")


# --- secure elements --------------------------------------------------------------------------------------------------


@app.command("elements")
def list_elements(
    device: Annotated[str, typer.Option(help="Only this device's.")] = "",
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the secure elements that we may manage; keys are not shown."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            found = await elements.every(database, device)
        return [
            {
                "se_id": one.se_id,
                "device_id": one.device_id,
                "scp": one.scp,
                "key_version": one.key_version,
                "security_domain_aid": one.security_domain.hex().upper(),
            }
            for one in found
        ]

    print_rows(run(work()), as_json=as_json)


@app.command("add-elements")
def add_elements(
    file: Annotated[Path, typer.Argument(help="JSON: a list of elements with their keys, as in sandbox.json.")],
    config: ConfigOption = None,
) -> None:
    """Take secure elements onto the books, their keys sealed; those that are there stay as they are."""

    async def work() -> int:
        entries = _entries(file)
        async with system_of(config) as system:
            for entry in entries:
                element = await _sealed(system, entry)
                await elements.add_element(system.database, element)
        return len(entries)

    console.print(f"{run(work())} elements are on the books", highlight=False)


@app.command("retire-element")
def retire_element(
    se_id: Annotated[str, typer.Argument(help="The element; `tongka wallet elements` lists them.")],
    config: ConfigOption = None,
) -> None:
    """Take a secure element off the books, with its keys; refused while a card lives in it or an order is under way."""

    async def work() -> bool:
        async with system_of(config) as system:
            told = await elements.retire(system.database, se_id)
            if told.card_no:
                raise StillInUse(f"card {told.card_no} lives in element {se_id}; delete it first, or report it lost")
            if told.order_id:
                raise StillInUse(f"order {told.order_id} is under way at element {se_id}; let it end, or withdraw it")
            return told.retired

    done = run(work())
    console.print(f"element {se_id} {'is retired' if done else 'is not on the books'}", highlight=False)


def _entries(file: Path) -> list[Any]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Malformed(str(file), f"cannot be read as JSON: {error}") from error
    if not isinstance(entries, list):
        raise Malformed(str(file), "a list of elements is expected")
    return entries


async def _sealed(system: System, entry: Any) -> Element:
    """An element as the books have it; its fields are those of sandbox.json."""
    try:
        keys = StaticKeys.from_json(entry)
        se_id, device_id, scp, version, domain = (entry[name] for name in FIELDS)
    except (KeyError, TypeError) as wrong:
        raise Malformed("element", f"{', '.join(FIELDS)} and enc, mac, dek are expected: {wrong!r}") from wrong
    if scp not in SCPS:
        raise Malformed("scp", " or ".join(SCPS))
    sealed = await system.hsm.seal(keys.enc + keys.mac + keys.dek, element_context(se_id))
    return Element(se_id, device_id, scp, version, parse_hex(domain, "security_domain_aid"), sealed)


# --- products ---------------------------------------------------------------------------------------------------------


@app.command()
def products(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the cards that riders' apps offer, and what they cost."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            return [asdict(one) for one in await app_store.products(database)]

    print_rows(run(work()), as_json=as_json)


@app.command()
def offer(  # noqa: PLR0917 - arguments and options of a command
    issuer: IssuerArgument,
    name: Annotated[str, typer.Option(help="For riders.")],
    price: FenOption = 0,
    deposit: FenOption = 0,
    topup: Annotated[list[int] | None, typer.Option(min=1, help="An amount to offer, in fen; may be repeated.")] = None,
    config: ConfigOption = None,
) -> None:
    """Offer an issuer's card, or change what it costs; orders that were made keep their prices."""
    wanted = Product(issuer, name, price, deposit, tuple(topup or ()))

    async def work() -> None:
        async with system_of(config) as system:
            numbers = await elements.find_range(system.database, issuer)
            if numbers is None or numbers.closed:
                raise DiffersFromBooks(f"issuer {issuer} gives out no numbers; see `tongka wallet add-issuer`")
            await app_store.save_product(system.database, wanted)

    run(work())
    console.print(f"{name} of issuer {issuer} is offered", highlight=False)


@app.command()
def withdraw(issuer: IssuerArgument, config: ConfigOption = None) -> None:
    """Offer an issuer's card no more; cards and orders stay, and a second time changes nothing."""

    async def work() -> None:
        async with system_of(config) as system:
            await app_store.withdraw_product(system.database, issuer)

    run(work())
    console.print(f"the card of issuer {issuer} is not offered", highlight=False)


# --- cards ------------------------------------------------------------------------------------------------------------


@app.command()
def found(
    card_no: Annotated[str, typer.Argument(help="A card that was reported lost.")], config: ConfigOption = None
) -> None:
    """Take a rider's report of a lost phone back, while the card is not paid out; a second time changes nothing."""

    async def work() -> AppCard:
        async with system_of(config) as system:
            card = await losing.take_back_for(system, card_no)
            stamp = stamp_of(system)
            await audit.record(system.database, stamp.at, actor=stamp.actor, action="card found", subject=card_no)
            return card

    card = run(work())
    locked = " and locked until the phone's next contact" if card.place == CardPlace.LOCKED else ""
    console.print(f"card {card_no} is in use{locked}", highlight=False)
