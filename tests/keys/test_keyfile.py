"""The key file: what is written is read, nobody reads it without the passphrase, and a change shows."""

import json
import os
import stat

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tongka.errors import Misconfigured
from tongka.keys.keyfile import read_keyfile, write_keyfile
from tongka.keys.keyring import KeyRing

PASSPHRASE = b"correct horse"


@pytest.fixture
def file(tmp_path, ring):
    path = tmp_path / "keys.json"
    write_keyfile(path, ring, PASSPHRASE, sandbox=False)
    return path


def everything(ring):
    der = {name: key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for name, key in ring.rsa.items()}
    endpoints = {name: key.secret_bytes() for name, key in ring.endpoints.items()}
    return dict(ring.masters), endpoints, dict(ring.data), der, ring.ride_seed


def test_what_is_written_is_read(file, ring):
    read, sandbox = read_keyfile(file, PASSPHRASE)
    assert everything(read) == everything(ring)
    assert not sandbox


def test_the_owner_alone_may_read_it(file):
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_key_stands_in_it(file, ring):
    text = file.read_bytes().lower()
    for secret in [*(key.value for key in ring.masters.values()), *ring.data.values(), ring.ride_seed]:
        assert secret.hex().encode() not in text
        assert secret not in text


@pytest.mark.parametrize("passphrase", [b"", b"correct horse ", b"wrong"])
def test_another_passphrase_does_not_open_it(file, passphrase):
    with pytest.raises(Misconfigured, match=r"keys\.uri: the passphrase does not open"):
        read_keyfile(file, passphrase)


def test_sandbox_keys_cannot_be_passed_off_as_others(tmp_path, ring):
    path = tmp_path / "keys.json"
    write_keyfile(path, ring, PASSPHRASE, sandbox=True)
    path.write_text(path.read_text().replace('"sandbox": true', '"sandbox": false'))
    with pytest.raises(Misconfigured, match="or the file was changed"):
        read_keyfile(path, PASSPHRASE)


@pytest.mark.parametrize("name", ["salt", "nonce", "sealed"])
def test_every_part_is_under_the_seal(file, name):
    document = json.loads(file.read_text())
    document[name] = f"{int(document[name][:2], 16) ^ 1:02x}" + document[name][2:]
    file.write_text(json.dumps(document))
    with pytest.raises(Misconfigured, match="or the file was changed"):
        read_keyfile(file, PASSPHRASE)


@pytest.mark.parametrize("cost", [[0, 1, 64], [1, 1, 1 << 40], [1, 1], "many", [1, 1, 1, 1]])
def test_a_file_cannot_ask_for_any_price(file, cost):
    file.write_text(json.dumps(json.loads(file.read_text()) | {"argon2id": cost}))
    with pytest.raises(Misconfigured, match="is not a readable key file"):
        read_keyfile(file, PASSPHRASE)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"format": 1, "sealed": "zz"}', '{"sealed": 7}'])
def test_something_else_is_told(tmp_path, text):
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(Misconfigured, match="is not a readable key file"):
        read_keyfile(tmp_path / "keys.json", PASSPHRASE)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(Misconfigured, match="is not a readable key file"):
        read_keyfile(tmp_path / "none.json", PASSPHRASE)


def test_a_write_that_fails_leaves_the_old_file(file, monkeypatch, ring):
    before = file.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        write_keyfile(file, KeyRing({}, {}, {}), PASSPHRASE, sandbox=False)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["keys.json"]
