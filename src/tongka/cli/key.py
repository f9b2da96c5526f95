"""`tongka key`: the key store that the settings name, for the people who answer for it. No command shows a key.

Keys are only added. The passphrase or PIN is read from `keys.passphrase_file`; without one it is asked for.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tongka.card.profiles import PROFILES, profile_named
from tongka.cli import key_ceremony, key_stamp
from tongka.cli.acting import OperatorOption, PassphraseOption, Person
from tongka.cli.common import ERROR, ConfigOption, JsonOption, console, print_json, print_rows, run, settings_of
from tongka.cli.key_record import note, two_agree
from tongka.errors import Malformed, Unsupported
from tongka.keys import Purpose
from tongka.keys.inventory import fingerprints, public_key, rows
from tongka.keys.keyfile import read_keyfile
from tongka.keys.keyring import ENDPOINTS, GATEWAYS, KeyRing, MasterKey, new_key
from tongka.keys.stores import KeyStore, as_keyfile, create_keyfile, next_version, open_store
from tongka.keys.uri import PKCS11, keyfile_of, parse_token_uri, read_secret
from tongka.settings import Keys

app = typer.Typer(no_args_is_help=True, help="The key store: made, shown by check values, added to.")

ProfileArgument = Annotated[str, typer.Argument(help="The card type, e.g. huzhou-ministry-3des.")]
PUBLIC_SHOWN = 24
"""Digits of a public key in a table; `public` gives all."""


# --- making -----------------------------------------------------------------------------------------------------------


@app.command()
def generate(
    config: ConfigOption = None,
    *,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    profile: Annotated[list[str] | None, typer.Option(help="Card types to make keys for; all if left out.")] = None,
    no_card_keys: Annotated[bool, typer.Option(help="None; they are imported by components.")] = False,
    sandbox: Annotated[bool, typer.Option(help="For trials: production mode refuses these keys.")] = False,
) -> None:
    """Make the key file that keys.uri names, with a first key of each kind; an existing file is not overwritten.

    In production two operators say so, where card keys are made too; with --no-card-keys nobody is asked.
    """
    person = Person(operator, passphrase_file)

    async def work() -> Path | None:
        keys = settings_of(config).keys
        path = keyfile_of(keys.uri)
        types = [] if no_card_keys else [profile_named(name) for name in profile or PROFILES]
        told = f"card keys of {', '.join(one.name for one in types)}" if types else "no card keys"
        if types and not sandbox and not await two_agree(config, "key generate", f"{path}: {told}", person):
            return None
        ring = _complete(KeyRing.generate(types, secrets.token_bytes, ENDPOINTS))
        create_keyfile(path, ring, _new_secret(keys.passphrase_file), sandbox=sandbox)
        await key_stamp.keep_in_step(config, fingerprints(ring.rows(), ring))
        await note(config, "key generate", str(path), told, person)
        return path

    path = run(work())
    if path:
        console.print(f"{path} is made; keep its passphrase apart from it", highlight=False)


@app.command()
def init_token(
    config: ConfigOption = None,
    *,
    source: Annotated[Path | None, typer.Option("--from", help="Keys of this file; else new sandbox keys.")] = None,
    passphrase_file: Annotated[str, typer.Option("--from-passphrase-file", help="Of that key file; else asked.")] = "",
) -> None:
    """Fill the empty PKCS#11 token that keys.uri names: card keys inside, the rest into keys.companion_file.

    The token has to be initialised with its PIN before, by its maker's tool (SoftHSM2: softhsm2-util --init-token).
    """

    async def work() -> list[str]:
        from tongka.keys.tokenstore import prepare_token  # noqa: PLC0415 - PyKCS11 is an extra

        keys = settings_of(config).keys
        if not keys.uri.startswith(PKCS11):
            raise Unsupported("keys.uri names a key file; init-token fills a token, as pkcs11:token=…?module-path=…")
        ring, sandbox = _source(source, passphrase_file)
        pin = _secret(keys)
        left = prepare_token(parse_token_uri(keys.uri), pin, Path(keys.companion_file), ring, sandbox=sandbox)
        await note(config, "key init-token", _where(config), f"from {source}" if source else "new sandbox keys")
        return left

    left_out = run(work())
    console.print("the token is filled")
    for name in left_out:
        console.print(f"[bold]left out[/] {name}: the token does not do its algorithm", highlight=False)


def _source(source: Path | None, passphrase_file: str) -> tuple[KeyRing, bool]:
    if source is None:
        return _complete(KeyRing.generate(PROFILES.values(), secrets.token_bytes, ENDPOINTS)), True
    passphrase = read_secret(passphrase_file) if passphrase_file else _ask(f"Passphrase of {source}")
    return read_keyfile(source, passphrase)


def _complete(ring: KeyRing) -> KeyRing:
    return ring.completed(secrets.token_bytes, ENDPOINTS, GATEWAYS)


# --- showing ----------------------------------------------------------------------------------------------------------


@app.command("list")
def list_keys(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List every key by name, version, index and check value or public key; never the key."""

    async def work() -> tuple[bool, list[Any]]:
        with _opened(config) as store:
            return store.sandbox, rows(store.masters(), store.ring)

    sandbox, found = run(work())
    if as_json:
        print_json({"sandbox": sandbox, "keys": found})
        return
    table = Table("kind", "name", "purpose", "version", "index", "algorithm", "check value or public key")
    for row in found:
        shown = row.check_value or ("PEM" if "\n" in row.public_key else f"{row.public_key[:PUBLIC_SHOWN]}…")
        index = str(row.index) if row.index else ""
        table.add_row(row.kind, row.name, row.purpose, str(row.version), index, row.algorithm, shown)
    console.print(table)
    if sandbox:
        console.print("[bold]sandbox keys[/]: production mode refuses them")


@app.command()
def public(
    name: Annotated[str, typer.Argument(help="The interface: huzhou, gates, alipay.")],
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Print the public key that partners verify this platform's signatures with: SM2 in hex, RSA in PEM."""

    async def work() -> str:
        with _opened(config) as store:
            return public_key(store.ring, name)

    key = run(work())
    if as_json:
        print_json({"name": name, "public_key": key})
    else:
        typer.echo(key.strip())


# --- adding -----------------------------------------------------------------------------------------------------------


@app.command()
def component(profile: ProfileArgument) -> None:
    """Make one person's component of a card key, and show it once with its check value; it is kept nowhere."""

    async def work() -> None:
        key_ceremony.show_component(profile_named(profile).algorithm, secrets.token_bytes)

    run(work())


@app.command("import")
def import_key(
    profile: ProfileArgument,
    purpose: Annotated[Purpose, typer.Argument(help="What the key is for.")],
    config: ConfigOption = None,
    *,
    people: Annotated[int, typer.Option(min=2, max=9, help="How many people bring a component each.")] = 2,
    version: Annotated[int, typer.Option(min=0, max=255, help="As cards answer it; 0: the next.")] = 0,
    check_value: Annotated[str, typer.Option(help="Of the whole key, where its owner gave it: 6 hex digits.")] = "",
) -> None:
    """Put a card master key together from the components of two or more people, who type unseen and compare.

    Each types a component and the check value on its letter; at the end each confirms the check value of the whole key.
    Nothing is kept before the last of them did.
    """

    async def work() -> tuple[int, str]:
        algorithm = profile_named(profile).algorithm
        with _opened(config) as store:
            number = version or next_version(store.masters(), profile, frozenset({purpose}))
            console.print(f"the {purpose} key of {profile}, version {number}, for {_where(config)}", highlight=False)
            key = key_ceremony.ask_key(algorithm, people, check_value)
            store.add_masters({(profile, purpose, number): key})
            await key_stamp.keep_in_step(config, _held(store))
        check = key.check_value.hex().upper()
        told = f"check value {check}, components of {people} people"
        await note(config, "key import", f"{profile} {purpose} {number}", told)
        return number, check

    number, check = run(work())
    console.print(f"the {purpose} key of {profile}, version {number}, is in: {check}", highlight=False)


@app.command()
def rotate(
    profile: ProfileArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Add a new version of a card type's four keys, made here; cards of older versions keep theirs.

    Nobody ever has these keys outside the store: they are for cards in phones. A factory's are made by components.
    """
    person = Person(operator, passphrase_file)

    async def work() -> int | None:
        algorithm = profile_named(profile).algorithm
        with _opened(config) as store:
            version = next_version(store.masters(), profile, frozenset(Purpose))
            if not await two_agree(config, "key rotate", f"keys of version {version} of {profile}", person):
                return None
            made = {purpose: MasterKey(algorithm, new_key(secrets.token_bytes)) for purpose in Purpose}
            store.add_masters({(profile, purpose, version): key for purpose, key in made.items()})
            await key_stamp.keep_in_step(config, _held(store))
        checks = ", ".join(f"{purpose} {key.check_value.hex().upper()}" for purpose, key in made.items())
        await note(config, "key rotate", f"{profile} {version}", f"check values {checks}", person)
        return version

    version = run(work())
    if version is None:
        return
    console.print(f"{profile} has keys of version {version}", highlight=False)
    console.print("running servers find them at once in a token, in a key file once they are started anew")


@app.command()
def rotate_data(config: ConfigOption = None) -> None:
    """Add a key for personal data, which encrypts from the next start on; older data stays readable."""

    async def work() -> int:
        with _opened(config) as store:
            store.keep(store.ring.with_data_key(secrets.token_bytes))
            await key_stamp.keep_in_step(config, _held(store))
            newest = max(store.ring.data)
        await note(config, "key rotate-data", str(newest))
        return newest

    console.print(f"personal data is encrypted with key {run(work())} once the servers are started anew")


@app.command()
def complete(config: ConfigOption = None) -> None:
    """Make what this version of the platform needs and the store lacks: signing keys of interfaces, ride codes."""

    async def work() -> bool:
        with _opened(config) as store:
            whole = _complete(store.ring)
            lacking = whole is not store.ring
            if lacking:
                store.keep(whole)
                await key_stamp.keep_in_step(config, _held(store))
        if lacking:
            await note(config, "key complete", _where(config))
        return lacking

    console.print("the store is complete now" if run(work()) else "the store was complete")


@app.command()
def accept(
    config: ConfigOption = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Make the key store that keys.uri names this installation's own, where the database says that it is another.

    After keys were replaced on purpose, or left out of a token. What differs is shown first, and audited key by key.
    """

    async def look() -> tuple[dict[str, str], list[dict[str, object]]]:
        with _opened(config) as store:
            held = _held(store)
        return held, await key_stamp.differences(config, held)

    held, found = run(look())
    if not found:
        console.print("the key store is this installation's")
        return
    print_rows(found, as_json=False)
    if not yes and not typer.confirm("Cards and partners of keys that are gone are refused from now on. Go on?"):
        raise typer.Exit(ERROR)
    console.print(f"{run(key_stamp.accept(config, held))} keys are changed in the stamp")


@app.command()
def passphrase(
    config: ConfigOption = None,
    *,
    new_file: Annotated[str, typer.Option(help="A file with the new passphrase; else asked twice.")] = "",
) -> None:
    """Change the passphrase of the key file that keys.uri names. A token's PIN is changed with its maker's tool."""

    async def work() -> str:
        keys = settings_of(config).keys
        with _opened(config) as store:
            as_keyfile(store).change_passphrase(_new_secret(new_file))
        await note(config, "key passphrase", _where(config))
        return keys.passphrase_file

    told = run(work())
    console.print("the passphrase is changed" + (f"; now put the new one into {told}" if told else ""))


# --- opening ----------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(config: ConfigOption) -> Iterator[KeyStore]:
    keys = settings_of(config).keys
    with open_store(keys, _secret(keys)) as store:
        yield store


def _held(store: KeyStore) -> dict[str, str]:
    return fingerprints(store.masters(), store.ring)


def _where(config: ConfigOption) -> str:
    return settings_of(config).keys.uri.partition("?")[0]


def _secret(keys: Keys) -> bytes:
    return read_secret(keys.passphrase_file) if keys.passphrase_file else _ask("PIN or passphrase")


def _new_secret(file: str) -> bytes:
    """The passphrase of a file that is to be made.

    Raises:
        Malformed: it is empty.

    """
    secret = read_secret(file) if file else _ask("New passphrase", twice=True)
    if not secret:
        raise Malformed("passphrase", "is empty; a key file is only as safe as its passphrase")
    return secret


def _ask(what: str, *, twice: bool = False) -> bytes:
    answer: str = typer.prompt(what, hide_input=True, confirmation_prompt=twice)
    return answer.strip().encode()
