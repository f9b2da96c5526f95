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
from tongka.store.installation import read

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


async def test_the_sandbox_starts_on_keys_of_its_own(installation, key_file):
    assert await opens(await installation("sandbox", key_file(sandbox=True)))


async def test_a_forgotten_mode_does_not_start_on_keys_of_production(installation, key_file, database):
    with pytest.raises(Misconfigured, match="mode: is sandbox, and the keys are not"):
        await opens(await installation("sandbox", key_file(sandbox=False)))
    assert await read(database) is None


async def test_production_starts_on_keys_of_its_own(installation, key_file):
    assert await opens(await installation("production", key_file(sandbox=False)))


async def test_production_refuses_a_key_file_of_the_sandbox(installation, key_file):
    with pytest.raises(Misconfigured, match=r"keys\.uri: these are sandbox keys.*`tongka key`"):
        await opens(await installation("production", key_file(sandbox=True)))


async def test_a_start_stamps_the_database_and_tells_which_installation_it_is(installation, key_file, database):
    async with open_system(await installation("production", key_file(sandbox=False))) as system:
        told = system.installation
        held = await system.hsm.fingerprints()
    stamp = await read(database)
    assert (stamp.installation, stamp.keys) == (told, held)
    assert "endpoint/huzhou/1" in held
    assert str(told).startswith(f"production installation {told.id}, since ")


async def test_the_sandbox_never_opens_a_database_of_production(installation, key_file):
    await opens(await installation("production", key_file(sandbox=False)))
    with pytest.raises(Misconfigured, match="mode: is sandbox, and this database is that of a production installation"):
        await opens(await installation("sandbox", key_file(sandbox=True)))


async def test_production_never_opens_a_database_of_the_sandbox(installation, key_file):
    await opens(await installation("sandbox", key_file(sandbox=True)))
    with pytest.raises(Misconfigured, match="mode: is production, and this database is that of a sandbox"):
        await opens(await installation("production", key_file(sandbox=False)))


async def test_another_key_file_is_refused_before_any_card_is_asked(installation, key_file):
    await opens(await installation("production", key_file(sandbox=False)))
    other = key_file(sandbox=False)  # made anew in its place
    with pytest.raises(Misconfigured, match=r"keys\.uri: the key store is not .*has another .*endpoint/huzhou/1"):
        await opens(await installation("production", other))


async def test_production_refuses_relative_places_and_makes_nothing(installation, key_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right = await installation("production", key_file(sandbox=False))
    before = set(tmp_path.iterdir())
    with pytest.raises(Misconfigured, match=r"database\.url: is empty"):
        await opens(msgspec.structs.replace(right, database=msgspec.structs.replace(right.database, url="")))
    assert set(tmp_path.iterdir()) == before


@pytest.mark.softhsm
async def test_another_token_is_refused(installation, token, key_file, database):
    await opens(await installation("production", key_file(sandbox=False)))
    with pytest.raises(Misconfigured, match=r"keys\.uri: the key store is not"):
        await opens(await installation("production", token(sandbox=False), PIN))


@pytest.mark.softhsm
async def test_production_starts_on_a_token_of_its_own(installation, token):
    assert await opens(await installation("production", token(sandbox=False), PIN))


@pytest.mark.softhsm
async def test_production_refuses_a_token_of_the_sandbox(installation, token):
    with pytest.raises(Misconfigured, match=r"keys\.uri: these are sandbox keys"):
        await opens(await installation("production", token(sandbox=True), PIN))
