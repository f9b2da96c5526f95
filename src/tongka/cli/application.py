"""`tongka application`: merchants' applications at the open gateway, and the keys on both sides."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from tongka.cli.acting import OperatorOption, PassphraseOption, Person, authorised
from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_rows, run, system_of
from tongka.errors import Malformed, UnknownParty
from tongka.partners.alipay.certificates import public_key_of, read_certificate, serial
from tongka.partners.alipay.operations import METHODS
from tongka.partners.alipay.serve import ENDPOINT
from tongka.store import merchants, riders
from tongka.store.merchants import MerchantApp
from tongka.store.riders import CardType

app = typer.Typer(no_args_is_help=True, help="Merchants' applications at the open gateway.")

AppArgument = Annotated[str, typer.Argument(help="The application's app_id.")]
BITS_MIN = 2048


@dataclass(frozen=True)
class Row:
    """What a list shows of an application."""

    app_id: str
    name: str
    seller: str
    contracted: bool
    active: bool
    cert_sn: str
    methods: str
    calls_per_s: int | None


@app.command()
def save(  # noqa: PLR0917 - arguments and options of a command
    app_id: AppArgument,
    seller: Annotated[str, typer.Option(help="seller_login_name that is paid when a trade names none.")],
    key: Annotated[Path | None, typer.Option(help="PEM file with the application's RSA public key.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Its certificate instead, PEM: certificate mode.")] = None,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    card_type: Annotated[list[str] | None, typer.Option(help="Type of cards that it issues; repeatable.")] = None,
    prepaid: Annotated[bool, typer.Option(help="Its card types are prepaid: rides never make debts.")] = False,
    contracted: Annotated[bool, typer.Option(help="It has a contract; otherwise every method is refused.")] = True,
    active: Annotated[bool, typer.Option(help="It is let in.")] = True,
    method: Annotated[list[str] | None, typer.Option(help="It may call this one only; repeatable.")] = None,
    calls_per_s: Annotated[int | None, typer.Option(min=1, help="Its calls in a second, where not as set.")] = None,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Add an application, or change it; done twice it is the same. Without a key its requests cannot be verified."""

    async def work() -> None:
        der, cert_sn = key_of(key, certificate)
        known_methods(method)
        actor = await authorised(config, "application save", Person(operator, passphrase_file), app_id)
        async with database_of(config, actor) as database:
            told = MerchantApp(app_id, name, der, seller, contracted, active, method or None, calls_per_s, cert_sn)
            await merchants.add(database, told)
            for kind in card_type or ():
                await riders.add_card_type(database, CardType(kind, name, app_id, prepaid))

    run(work())
    console.print(f"application {app_id} is on the books", highlight=False)


@app.command("list")
def list_applications(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the applications."""

    async def work() -> list[MerchantApp]:
        async with database_of(config) as database:
            return await merchants.every(database)

    found = [_row(one) for one in run(work())]
    print_rows([vars(one) for one in found], as_json=as_json)


def _row(one: MerchantApp) -> Row:
    methods = "every one" if one.methods is None else " ".join(one.methods)
    return Row(one.app_id, one.name, one.seller, one.contracted, one.active, one.cert_sn, methods, one.calls_per_s)


@app.command("add-card-type")
def add_card_type(  # noqa: PLR0917 - arguments and options of a command
    card_type: Annotated[str, typer.Argument(help="8 letters and digits, as ride codes name it.")],
    title: Annotated[str, typer.Option(help="For riders.")],
    app_id: Annotated[str, typer.Option(help="The application that issues it; left out: nobody does.")] = "",
    prepaid: Annotated[bool, typer.Option(help="Rides never make debts.")] = False,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Register a type of cards that riders ride with, or change it; trades of other types are refused."""

    async def work() -> None:
        if not re.fullmatch(r"[0-9A-Za-z]{8}", card_type, re.ASCII):
            raise Malformed("card_type", "has 8 letters and digits")
        actor = await authorised(config, "application add-card-type", Person(operator, passphrase_file), card_type)
        async with database_of(config, actor) as database:
            if app_id and await merchants.find(database, app_id) is None:
                raise UnknownParty("application", app_id)
            await riders.add_card_type(database, CardType(card_type, title, app_id, prepaid))

    run(work())
    console.print(f"card type {card_type} is taken", highlight=False)


@app.command("card-types")
def card_types(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the registered card types; ANT00001, of plain payment, is there from the start."""

    async def work() -> list[CardType]:
        async with database_of(config) as database:
            return list((await riders.card_types(database)).values())

    print_rows([asdict(one) for one in run(work())], as_json=as_json)


@app.command()
def platform_key(config: ConfigOption = None) -> None:
    """Print the gateway's public key, PEM: what merchants verify our answers with."""

    async def work() -> bytes:
        async with system_of(config) as system:
            return await system.hsm.rsa_public_key(ENDPOINT)

    typer.echo(load_der_public_key(run(work())).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@app.command()
def check_key(
    app_id: AppArgument,
    key: Annotated[Path, typer.Argument(help="PEM file: a key that somebody signs or verifies with.")],
    config: ConfigOption = None,
) -> None:
    """Say what a key file is: private or public, and whose. Mixed-up keys are the commonest mistake at the gateway."""

    async def work() -> str:
        mine = public_key(key, private_too=True)
        async with system_of(config) as system:
            known = await merchants.find(system.database, app_id)
            if known is None:
                raise UnknownParty("application", app_id)
            if mine == known.public_key:
                return f"this is the key of application {app_id}: it signs the application's requests"
            if mine == await system.hsm.rsa_public_key(ENDPOINT):
                return "this is the gateway's own key: it verifies answers, and signs no request"
            return f"this is neither the key of application {app_id} on our books nor the gateway's"

    console.print(run(work()), highlight=False)


def known_methods(names: list[str] | None) -> None:
    """Refuse a method that the gateway does not have."""
    for name in names or ():
        if name not in METHODS:
            raise Malformed("--method", f"{name} is not one of {', '.join(METHODS)}")


def key_of(key: Path | None, certificate: Path | None) -> tuple[bytes, str]:
    """The application's key in DER, and its certificate's serial; empty where there is none.

    Raises:
        Malformed: both are given, or a file holds another thing.

    """
    if certificate is None:
        return (public_key(key) if key else b""), ""
    if key is not None:
        raise Malformed("--certificate", "holds the key itself; leave --key out")
    try:
        held = read_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise Malformed("--certificate", f"{certificate} is not a PEM certificate: {error}") from error
    der = public_key_of(held)
    if der is None:
        raise Malformed("--certificate", f"{certificate} is not of an RSA key")
    return der, serial(held)


def public_key(path: Path, *, private_too: bool = False) -> bytes:
    """SubjectPublicKeyInfo of a PEM file.

    Raises:
        Malformed: not PEM, not RSA, too short, or a private key where a public one belongs.

    """
    try:
        text = path.read_bytes()
        if b"PRIVATE KEY" in text:
            if not private_too:
                raise Malformed("--key", f"{path} is a private key, which stays with the merchant; give the public one")
            key = load_pem_private_key(text, None).public_key()
        else:
            key = load_pem_public_key(text)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed("--key", f"{path} is not a PEM key: {error}") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < BITS_MIN:
        raise Malformed("--key", f"{path} is not an RSA key of at least {BITS_MIN} bits")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
