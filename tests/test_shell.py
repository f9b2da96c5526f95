"""Opening an installation: production does not start on sandbox keys, whatever store they are in."""

from importlib import import_module

import msgspec
import pytest

from softhsm import PIN, Tokens, require_softhsm
from tongka.errors import Misconfigured
from tongka.keys import keyfile
from tongka.keys.keyfile import write_keyfile
from tongka.keys.keyring import KeyRing
from tongka.keys.uri import parse_token_uri
from tongka.settings import Settings
from tongka.shell import open_system
from tongka.store.db import Database

PASSPHRASE = b"correct horse"


@pytest.fixture(autouse=True)
def cheap_files(monkeypatch):
    monkeypatch.setattr(keyfile, "COST", (1, 1, 64))


@pytest.fixture
def installation(tmp_path, database: Database, postgres):
    """Settings of mode and key store on the test's database; production's other demands are met."""

    async def settings(mode, keys, secret=PASSPHRASE) -> Settings:
        passphrase = tmp_path / "passphrase"
        passphrase.write_bytes(secret)
        passphrase.chmod(0o600)
        (name,) = await database.leases.pool.fetchrow("SELECT current_database()")
        return msgspec.convert(
            {
                "mode": mode,
                "database": {"url": postgres.url_of(name)},
                "web": {"behind_tls": True, "trusted_proxies": ["10.0.0.1"]},
                "keys": keys | {"passphrase_file": str(passphrase)},
            },
            Settings,
        )

    return settings


@pytest.fixture
def key_file(tmp_path):
    def make(*, sandbox):
        write_keyfile(tmp_path / "keys.json", KeyRing.generate([], bytes), PASSPHRASE, sandbox=sandbox)
        return {"uri": f"software:{tmp_path / 'keys.json'}"}

    return make


@pytest.fixture
def token(tmp_path, monkeypatch):
    def make(*, sandbox):
        require_softhsm()
        monkeypatch.setenv("SOFTHSM2_CONF", "")  # put back what it was
        uri, companion = Tokens.in_folder(tmp_path).new(), tmp_path / "companion.json"
        prepare = import_module("tongka.keys.tokenstore").prepare_token  # PyKCS11 is an extra
        prepare(parse_token_uri(uri), PIN, companion, KeyRing.generate([], bytes), sandbox=sandbox)
        return {"uri": uri, "companion_file": str(companion)}

    return make


async def opens(settings):
    async with open_system(settings) as system:
        return await system.hsm.public_key("huzhou")


@pytest.mark.parametrize("sandbox", [True, False])
async def test_the_sandbox_starts_on_any_key_file(installation, key_file, sandbox):
    assert await opens(await installation("sandbox", key_file(sandbox=sandbox)))


async def test_production_starts_on_keys_of_its_own(installation, key_file):
    assert await opens(await installation("production", key_file(sandbox=False)))


async def test_production_refuses_a_key_file_of_the_sandbox(installation, key_file):
    with pytest.raises(Misconfigured, match=r"keys\.uri: these are sandbox keys.*`tongka key`"):
        await opens(await installation("production", key_file(sandbox=True)))


@pytest.mark.softhsm
async def test_production_starts_on_a_token_of_its_own(installation, token):
    assert await opens(await installation("production", token(sandbox=False), PIN))


@pytest.mark.softhsm
async def test_production_refuses_a_token_of_the_sandbox(installation, token):
    with pytest.raises(Misconfigured, match=r"keys\.uri: these are sandbox keys"):
        await opens(await installation("production", token(sandbox=True), PIN))
