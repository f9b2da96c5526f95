"""Commands run as in production: durable database, keys of nobody's sandbox, operators with passphrases."""

import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from click.testing import Result
from typer.testing import CliRunner

import installations
from tongka.card.profiles import PROFILES
from tongka.cli import main
from tongka.crypto.scrypt import SALT_BYTES, hashed
from tongka.days import ZONE
from tongka.keys import keyfile
from tongka.keys.keyfile import KeyRing, write_keyfile
from tongka.keys.keyring import ENDPOINTS, GATEWAYS
from tongka.store import operators
from tongka.store.operators import Operator
from tongka.store.stamp import Stamp

PEOPLE = ("li", "wang", "zhao")
OWNER_ONLY = 0o600


@pytest.fixture(scope="session")
def production_keys(tmp_path_factory):
    """A key file that production takes and one for trials, their passphrase, and the operators' passphrases."""
    folder = tmp_path_factory.mktemp("production")
    ring = KeyRing.generate(PROFILES.values(), secrets.token_bytes, ENDPOINTS)
    whole = ring.completed(secrets.token_bytes, ENDPOINTS, GATEWAYS)
    for name, sandbox in (("keys.json", False), ("trials.json", True)):
        write_keyfile(folder / name, whole, b"secret", sandbox=sandbox)
    for name in ("passphrase", *PEOPLE):
        (folder / name).write_text("secret" if name == "passphrase" else f"{name} has a long passphrase")
        (folder / name).chmod(OWNER_ONLY)
    return folder


@pytest.fixture(scope="session")
def people(production_keys):
    """The operators; scrypt is made to be slow, so once for all tests."""
    salt = bytes(SALT_BYTES)
    return [Operator(name, salt, hashed((production_keys / name).read_text(), salt)) for name in PEOPLE]


class Office:
    """A production installation: `run` runs a command, in somebody's name where one is given."""

    def __init__(self, url: str, folder) -> None:
        self.folder = folder
        self.variables = {
            "TONGKA_CONFIG": "",
            "TONGKA_MODE": "production",
            "DATABASE_URL": url,
            "COLUMNS": "250",
            "TONGKA_KEYS_URI": f"software:{folder / 'keys.json'}",
            "TONGKA_KEYS_PASSPHRASE_FILE": str(folder / "passphrase"),
            "TONGKA_WEB_BEHIND_TLS": "true",
            "TONGKA_WEB_TRUSTED_PROXIES": "127.0.0.1",
        }

    def run(self, *arguments: object, by: str = "", **variables: str) -> Result:
        shown = ("--operator", by, "--passphrase-file", self.folder / by) if by else ()
        told = [str(one) for one in (*arguments, *shown)]
        with ThreadPoolExecutor(1) as apart:  # a command has an event loop of its own
            return apart.submit(CliRunner().invoke, main, told, env=self.variables | variables).result()

    def json(self, *arguments: object):
        return json.loads(self.run(*arguments, "--json").stdout)


@pytest.fixture
async def office(postgres, database, production_keys, people) -> Callable[..., Result]:
    """An office whose operators are on the books."""
    at = datetime.now(ZONE)
    for operator in people:
        await operators.save(database, operator, Stamp(at, at.date(), "set up"), alone=True)
    url = postgres.url_of(await database.read_value("SELECT current_database()"))
    return Office(url, production_keys)


@pytest.fixture
async def installed(tmp_path, database, postgres, monkeypatch):
    """Makes an installation for commands in processes of their own; `workers` web processes, sections of settings."""
    monkeypatch.setattr(keyfile, "COST", (1, 1, 64))
    url = postgres.url_of(await database.read_value("SELECT current_database()"))

    def made(workers=1, **sections):
        return installations.make(tmp_path, url, workers, **sections)

    return made
