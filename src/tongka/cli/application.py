"""`tongka application`: merchants' applications at the open gateway, and the keys on both sides."""

from dataclasses import dataclass
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

from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_rows, run, system_of
from tongka.errors import Malformed, UnknownParty
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


@app.command()
def save(  # noqa: PLR0917 - arguments and options of a command
    app_id: AppArgument,
    key: Annotated[Path, typer.Option(help="PEM file with the application's RSA public key.")],
    seller: Annotated[str, typer.Option(help="seller_login_name that is paid when a trade names none.")],
    name: Annotated[str, typer.Option(help="For people.")] = "",
    card_type: Annotated[list[str] | None, typer.Option(help="Type of cards that it issues; repeatable.")] = None,
    prepaid: Annotated[bool, typer.Option(help="Its card types are prepaid: rides never make debts.")] = False,
    contracted: Annotated[bool, typer.Option(help="It has a contract; otherwise every method is refused.")] = True,
    active: Annotated[bool, typer.Option(help="It is let in.")] = True,
    config: ConfigOption = None,
) -> None:
    """Add an application, or change it; done twice it is the same."""

    async def work() -> None:
        der = public_key(key)
        async with database_of(config) as database:
            await merchants.add(database, MerchantApp(app_id, name, der, seller, contracted, active))
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

    found = [Row(one.app_id, one.name, one.seller, one.contracted, one.active) for one in run(work())]
    print_rows([vars(one) for one in found], as_json=as_json)


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
