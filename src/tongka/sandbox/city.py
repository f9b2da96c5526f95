"""Make a city in a folder, or reopen it.

The folder holds::

    seed            of the card numbers
    passphrase      of the key file
    keys.json       the city's keys: card master keys, the platform's signing key
    partner.key     the integrator's SM2 private key, in hex
    app.key         the merchant's RSA private key at the open gateway, PEM
    gateway.pub     the RSA key that the gateway's answers verify with, PEM
    gateway.crt     its certificate and the root's, PEM; app.crt the merchant's own
    pages.key       the secret that opens riders' pages, in hex
    tongka.toml     settings with which every `tongka` command works on this city
    postgres/       the database
    sandbox.json    for integrators; written anew whenever the sandbox is ready to serve

Each file is written once, whole or not at all, and the rows that belong together in one statement; so a city that was
killed while it was made is finished by making it again, and a finished one stays as it is.
"""

import fcntl
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tongka import settings, settings_city
from tongka.card.profiles import PROFILES
from tongka.crypto import sm2
from tongka.days import business_date
from tongka.errors import Misconfigured
from tongka.keys.keyfile import read_keyfile, write_keyfile
from tongka.keys.keyring import ENDPOINTS, GATEWAYS, KeyRing
from tongka.sandbox import certificates, linkage_city, merchant_city, plan, riding_city, wallet_city
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.riding_city import Riding
from tongka.settings import Settings
from tongka.settings_monitoring import Log
from tongka.settings_payments import Payments
from tongka.shell import open_system
from tongka.store import cards, parties
from tongka.store.db import open_database
from tongka.store.installation import require_mode
from tongka.store.migrate import upgrade
from tongka.system import System

OWNER_ONLY = 0o600
DISCOVERY = "sandbox.json"

SWEEP_S = 5
"""A trial should not wait half a minute for the worker."""

DOMAIN_GUESSES = 5
"""Wrong passwords of a domain: what integrators are told to expect; a city with many counters bears more."""


PATIENCE_S = 10
"""Nobody wants to wait for gates that no one drives."""

GATEWAY_PUB, GATEWAY_CRT = "gateway.pub", "gateway.crt"


@dataclass(frozen=True, slots=True)
class City:
    """A sandbox city: its system, and the secrets that an integrator is given.

    Attributes:
        seed: 32 bytes, which everything made up in this city comes from.
        cards: as they left the factory, whatever has happened to them since.
        riding: the merchant at the open gateway, and the riders as the city was made.

    """

    folder: Path
    system: System
    partner_key: sm2.PrivateKey
    seed: bytes
    cards: tuple[CardImage, ...]
    riding: Riding


@asynccontextmanager
async def open_city(
    folder: Path, host: str, port: int, clock: Callable[[], datetime], log: Log | None = None
) -> AsyncIterator[City]:
    """Make or finish the city of a folder, and open it; `log`: another one than the settings'.

    Raises:
        Misconfigured: the folder holds something else, or what another version of the software made.

    """
    folder = _made(folder)
    with _alone(folder):
        wanted, partner_key, seed, images = _files(folder, host, port)
        await _rows(wanted, partner_key, images, clock())
        riding = _riding(folder, seed)
    async with open_system(msgspec.structs.replace(wanted, log=log or wanted.log), clock, role="sandbox") as system:
        write_whole(folder / GATEWAY_PUB, await riding_city.gateway_key_pem(system))
        await linkage_city.furnish(system, seed, images)
        await riding_city.furnish(system, riding)
        await merchant_city.furnish(system, seed)
        await wallet_city.furnish(system, seed, images)
        yield City(folder, system, partner_key, seed, images, riding)


def _made(folder: Path) -> Path:
    folder = folder.expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DISCOVERY).unlink(missing_ok=True)  # it is there again when the city is ready to serve
    return folder


def _files(folder: Path, host: str, port: int) -> tuple[Settings, sm2.PrivateKey, bytes, tuple[CardImage, ...]]:
    seed = bytes.fromhex(_once(folder / "seed", lambda: secrets.token_hex(32)))
    passphrase = _once(folder / "passphrase", lambda: secrets.token_hex(16))
    _once(folder / "pages.key", lambda: secrets.token_hex(32))
    partner_key = sm2.PrivateKey(
        bytes.fromhex(_once(folder / "partner.key", lambda: sm2.generate().secret_bytes().hex().upper()))
    )
    ring = _ring(folder / "keys.json", passphrase.encode())
    _chain(folder / GATEWAY_CRT, ring.rsa[riding_city.GATEWAY_KEY].public_key())
    images = plan.mint(seed, ring.master_keys)
    wanted = city_settings(folder, host, port)
    write_whole(folder / "tongka.toml", _toml(wanted))
    return wanted, partner_key, seed, tuple(images)


def _riding(folder: Path, seed: bytes) -> Riding:
    app_key = _once(folder / "app.key", riding_city.new_app_key)
    app_certificate = _once(folder / "app.crt", lambda: certificates.application_certificate(app_key))
    chain = (folder / GATEWAY_CRT).read_text(encoding="ascii")
    return Riding(app_key, app_certificate, chain, riding_city.users(seed))


def _chain(path: Path, gateway_key: RSAPublicKey) -> None:
    """Certificates of the gateway's key; new ones where the key is new."""
    if not path.exists() or not certificates.is_of(path.read_text(encoding="ascii"), gateway_key):
        write_whole(path, certificates.gateway_chain(gateway_key))


async def _rows(wanted: Settings, partner_key: sm2.PrivateKey, images: tuple[CardImage, ...], now: datetime) -> None:
    """The database's part: schema, parties, cards with what they hold."""
    database = await open_database(wanted.database)
    try:
        await require_mode(database, wanted.mode)
        await upgrade(database)
        if not await parties.every(database):
            await parties.save(database, *plan.parties(partner_key.public_key.compressed.hex().upper()))
        balances = [image.balance_fen for image in images]
        await cards.take_over(database, list(map(plan.row_of, images)), balances, now, business_date(now))
    finally:
        await database.close()


def city_settings(folder: Path, host: str, port: int) -> Settings:
    return Settings(
        mode="sandbox",
        self_contained=True,
        database=settings.Database(data_dir=str(folder / "postgres")),
        web=settings.Web(host=host, port=port),
        keys=settings.Keys(uri=f"software:{folder / 'keys.json'}", passphrase_file=str(folder / "passphrase")),
        city=settings_city.City(sweep_s=SWEEP_S, domain_guesses_per_hour=DOMAIN_GUESSES),
        payments=Payments(institution="simulator", ask_again_s=SWEEP_S),
        rides=settings.Rides(timestamp_window_s=0, calls_per_s=100_000, certificate_file=str(folder / GATEWAY_CRT)),
        merchant=settings.Merchant(
            gateway=f"http://{f'[{host}]' if ':' in host else host}:{port}{riding_city.GATEWAY_PATH}",
            app_id=riding_city.APP_ID,
            app_key_file=str(folder / "app.key"),
            alipay_key_file=str(folder / GATEWAY_PUB),
            patience_s=PATIENCE_S,
            city_name="湖州",
            report_channel="sandbox",
            partner_name="Huzhou transit",
        ),
        pages=settings.Pages(ticket_key_file=str(folder / "pages.key")),
        log=Log(requests=False),
    )


def _ring(path: Path, passphrase: bytes) -> KeyRing:
    if not path.exists():
        ring = KeyRing.generate(PROFILES.values(), secrets.token_bytes, endpoints=ENDPOINTS)
        write_keyfile(path, ring, passphrase, sandbox=True)
    ring, sandbox = read_keyfile(path, passphrase)
    if not sandbox:
        raise Misconfigured(f"--dir: {path} holds keys that are worth something; choose another folder")
    whole = ring.completed(secrets.token_bytes, ENDPOINTS, GATEWAYS)
    if whole is not ring:  # new, or made by a version that knew fewer interfaces
        write_keyfile(path, whole, passphrase, sandbox=True)
    return whole


def _toml(wanted: Settings) -> str:
    """The settings that other commands need to work on this city; a basic TOML string is written as JSON's are."""
    return f"""\
mode = "sandbox"
self_contained = true

[database]
data_dir = {_quoted(wanted.database.data_dir)}

[keys]
uri = {_quoted(wanted.keys.uri)}
passphrase_file = {_quoted(wanted.keys.passphrase_file)}

[city]
sweep_s = {wanted.city.sweep_s}
domain_guesses_per_hour = {wanted.city.domain_guesses_per_hour}

[payments]
institution = "{wanted.payments.institution}"
ask_again_s = {wanted.payments.ask_again_s}

[rides]
timestamp_window_s = {wanted.rides.timestamp_window_s}
calls_per_s = {wanted.rides.calls_per_s}
certificate_file = {_quoted(wanted.rides.certificate_file)}

[merchant]
gateway = {_quoted(wanted.merchant.gateway)}
app_id = {_quoted(wanted.merchant.app_id)}
app_key_file = {_quoted(wanted.merchant.app_key_file)}
alipay_key_file = {_quoted(wanted.merchant.alipay_key_file)}
patience_s = {wanted.merchant.patience_s}
city_name = {_quoted(wanted.merchant.city_name)}
report_channel = {_quoted(wanted.merchant.report_channel)}
partner_name = {_quoted(wanted.merchant.partner_name)}

[pages]
ticket_key_file = {_quoted(wanted.pages.ticket_key_file)}

[log]
requests = {str(wanted.log.requests).lower()}
"""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- files: once, whole or not at all ---------------------------------------------------------------------------------


def _once(path: Path, make: Callable[[], str]) -> str:
    """The file's text, made now if it is not there."""
    if not path.exists():
        write_whole(path, make() + "\n")
    return path.read_text(encoding="ascii").strip()


def write_whole(path: Path, text: str) -> None:
    """Write a file for the owner only; it is there whole or not at all, and on the disk when this returns."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - of a descriptor
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time makes the city; the kernel lets go of the lock when a process ends, however it ends."""
    with (folder / "city.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
