"""What only a token has: keys that stay inside, sessions that get lost, mechanisms that are missing."""

import asyncio
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from softhsm import PIN
from tongka.card.purse import LoadInit, Moment
from tongka.crypto.pboc import Algorithm, invert, pad
from tongka.errors import HsmUnavailable, KeyNotFound, MacWrong, Misconfigured, Refused, Unsupported
from tongka.keys import CardKeys, Purpose
from tongka.keys.keyfile import read_keyfile
from tongka.keys.keyring import KeyRing, MasterKey
from tongka.keys.software import SoftwareHsm
from tongka.keys.stores import open_store
from tongka.keys.uri import open_hsm, parse_token_uri
from tongka.settings import Keys

PyKCS11 = pytest.importorskip("PyKCS11", exc_type=ImportError) if not os.environ.get("CI") else __import__("PyKCS11")

from tongka.keys.pkcs11 import Derivation  # noqa: E402 - PyKCS11 is an extra
from tongka.keys.token import Token, label_of, name_of  # noqa: E402 - PyKCS11 is an extra
from tongka.keys.tokenstore import prepare_token  # noqa: E402

pytestmark = pytest.mark.softhsm


@contextmanager
def opened(uri):
    token = Token(parse_token_uri(uri), PIN)
    try:
        yield token
    finally:
        token.close()


FACTORS = (bytes.fromhex("4880600000123456"),)
CARD = CardKeys("hsm-3des", Algorithm.TDES, 1, FACTORS)
WHEN = Moment(bytes.fromhex("20240131"), bytes.fromhex("083000"))


@pytest.fixture
def prepared(tokens, strong, tmp_path) -> Keys:
    """The settings of a token that holds the test's ring."""
    (tmp_path / "pin").write_bytes(PIN)
    keys = Keys(
        uri=tokens.new(), passphrase_file=str(tmp_path / "pin"), companion_file=str(tmp_path / "companion.json")
    )
    left_out = prepare_token(parse_token_uri(keys.uri), PIN, tmp_path / "companion.json", strong, sandbox=True)
    assert left_out == ["hsm-sm4"]
    return keys


@pytest.fixture(scope="session")
def strong(ring) -> KeyRing:
    """Few of the ring's card keys: a token writes each to its disk."""
    return replace(
        ring, masters={name: key for name, key in ring.masters.items() if name[0][:3] == "hsm" and name[2] == 1}
    )


# --- keys stay in the token -------------------------------------------------------------------------------------------


def test_a_masters_value_and_its_derivations_cannot_be_read(prepared):
    def question(session):
        with Derivation(token, session, CARD, Purpose.LOAD) as keys:
            keys.session_key(bytes(8))
            handles = [keys._master, *keys._made]
            return [session.getAttributeValue(handle, [PyKCS11.CKA_VALUE])[0] for handle in handles]

    with opened(prepared.uri) as token:
        assert token.now(question) == [None, None, None]


def test_only_tac_masters_encrypt(prepared):
    def question(session):
        encrypt = PyKCS11.CKA_ENCRYPT
        return {name[1] for name, key in token.keys.items() if session.getAttributeValue(key.handle, [encrypt])[0]}

    with opened(prepared.uri) as token:
        assert token.now(question) == {Purpose.TAC}


async def test_no_derived_key_is_left_behind(prepared):
    hsm, _ = open_hsm(prepared)
    init = LoadInit(100, bytes(6), 0, 1, 1, 0, bytes(4), bytes(4))
    for _ in range(5):
        with pytest.raises(MacWrong):
            await hsm.authorise_load(CARD, init, WHEN)
    count = await hsm._token.ask(lambda session: len(session.findObjects([(PyKCS11.CKA_TOKEN, False)])))
    assert count == 0
    await hsm.close()


def test_the_companion_opens_with_its_token_only(prepared, tokens, tmp_path, strong):
    with pytest.raises(Misconfigured, match="passphrase"):
        read_keyfile(tmp_path / "companion.json", PIN)
    other = tokens.new()
    prepare_token(parse_token_uri(other), PIN, tmp_path / "other.json", strong, sandbox=False)
    with pytest.raises(Misconfigured, match=r"companion\.json"):
        open_hsm(Keys(uri=other, passphrase_file=prepared.passphrase_file, companion_file=prepared.companion_file))


def test_the_companion_holds_no_card_keys(prepared):
    with open_store(prepared, PIN) as store:
        assert store.ring.masters == {}
        assert set(store.ring.endpoints) == {"huzhou", "gates"}


# --- opening ----------------------------------------------------------------------------------------------------------


def test_sandbox_keys_are_known_by_their_labels(prepared, tmp_path):
    with opened(prepared.uri) as token:
        assert all(key.sandbox for key in token.keys.values())
    _, sandbox = open_hsm(prepared)
    assert sandbox


@pytest.mark.parametrize("name", [("a", Purpose.LOAD, 1), ("huzhou-ministry-3des", Purpose.TAC, 255)])
@pytest.mark.parametrize("sandbox", [True, False])
def test_labels_are_read_as_they_are_written(name, sandbox):
    assert name_of(label_of(name, sandbox=sandbox)) == (name, sandbox)


@pytest.mark.parametrize(
    "label", ["", "tongka/companion", "tongka/a/load", "tongka/a/load/x", "other/a/load/1", "tongka/a/b/1"]
)
def test_other_objects_of_a_token_are_left_alone(label):
    assert name_of(label) is None


def test_a_wrong_pin_is_told_and_not_tried_again(prepared, tmp_path):
    (tmp_path / "pin").write_bytes(b"000000")
    with pytest.raises(Misconfigured, match=r"keys\.passphrase_file: the token .* refuses the PIN"):
        open_hsm(prepared)


def test_a_token_that_is_not_there_is_told_with_those_that_are(prepared):
    uri = prepared.uri.replace("tongka%20test", "another")
    with pytest.raises(Misconfigured, match=r"keys\.uri: no such token; the module has tongka test \d+"):
        Token(parse_token_uri(uri), PIN)


def test_a_module_that_is_none_is_told(tmp_path):
    with pytest.raises(Misconfigured, match=r"keys\.uri: module-path=.* is not a PKCS#11 module"):
        Token(parse_token_uri(f"pkcs11:token=t?module-path={tmp_path / 'none.so'}"), PIN)


def test_a_token_that_was_not_prepared_is_told(tokens, tmp_path):
    (tmp_path / "pin").write_bytes(PIN)
    keys = Keys(uri=tokens.new(), passphrase_file=str(tmp_path / "pin"), companion_file=str(tmp_path / "c.json"))
    with pytest.raises(Misconfigured, match="tongka key init-token"):
        open_hsm(keys)


def test_a_token_is_prepared_once(prepared, tmp_path, strong):
    with pytest.raises(Refused, match="holds keys of this platform"):
        prepare_token(parse_token_uri(prepared.uri), PIN, tmp_path / "second.json", strong, sandbox=False)


def test_a_companion_is_not_overwritten(tokens, prepared, strong):
    with pytest.raises(Refused, match=r"companion\.json is there"):
        prepare_token(parse_token_uri(tokens.new()), PIN, Path(prepared.companion_file), strong, sandbox=False)


# --- a token in use ---------------------------------------------------------------------------------------------------


async def test_lost_sessions_are_opened_anew(prepared):
    hsm, _ = open_hsm(prepared)
    before = await hsm.secure_mac(CARD, bytes(4), b"text")
    token = hsm._token
    token._library.closeAllSessions(token._slot())
    assert await hsm.secure_mac(CARD, bytes(4), b"text") == before
    assert set(await asyncio.gather(*(hsm.secure_mac(CARD, bytes(4), b"text") for _ in range(20)))) == {before}
    await hsm.close()


async def test_a_token_that_is_gone_is_a_failure_that_a_retry_may_help(prepared, tokens):
    hsm, _ = open_hsm(prepared)
    await hsm.secure_mac(CARD, bytes(4), b"text")
    with tokens.lost(prepared.uri):
        for _ in range(3):
            with pytest.raises(HsmUnavailable, match="does not answer") as caught:
                await hsm.secure_mac(CARD, bytes(4), b"text")
        assert caught.value.retry_helps
        assert len(await hsm.sign("huzhou", b"the companion is not lost")) == 64
    await hsm.close()


async def test_a_token_that_is_back_is_asked_again(prepared, tokens, monkeypatch):
    monkeypatch.setattr("tongka.keys.token.PAUSE_S", 0)
    hsm, _ = open_hsm(prepared)
    before = await hsm.secure_mac(CARD, bytes(4), b"text")
    with tokens.lost(prepared.uri):
        with pytest.raises(HsmUnavailable):
            await hsm.secure_mac(CARD, bytes(4), b"text")
    assert set(await asyncio.gather(*(hsm.secure_mac(CARD, bytes(4), b"text") for _ in range(20)))) == {before}
    await hsm.close()


async def test_a_module_that_does_not_load_for_a_while_is_a_lost_token(prepared, tokens, monkeypatch):
    monkeypatch.setattr("tongka.keys.token.PAUSE_S", 0)
    hsm, _ = open_hsm(prepared)
    before = await hsm.secure_mac(CARD, bytes(4), b"text")
    with tokens.all_lost():
        for _ in range(3):
            with pytest.raises(HsmUnavailable, match=r"does not answer: .* is not a PKCS#11 module that loads"):
                await hsm.secure_mac(CARD, bytes(4), b"text")
    assert await hsm.secure_mac(CARD, bytes(4), b"text") == before
    await hsm.close()


async def test_a_pin_that_is_refused_once_is_not_tried_again(prepared, monkeypatch):
    monkeypatch.setattr("tongka.keys.token.PAUSE_S", 0)
    hsm, _ = open_hsm(prepared)
    token = hsm._token
    token._pin = b"000000"  # changed at the token meanwhile
    token._library.closeAllSessions(token._slot())
    for _ in range(20):
        with pytest.raises(HsmUnavailable, match=r"refuse[sd] the PIN"):
            await hsm.secure_mac(CARD, bytes(4), b"text")
    flags = token._library.getTokenInfo(token._slot()).flags
    assert not flags & PyKCS11.CKF_USER_PIN_LOCKED
    await hsm.close()


async def test_keys_that_another_process_adds_are_found(prepared, tmp_path):
    hsm, _ = open_hsm(prepared)
    newer = replace(CARD, version=3)
    with pytest.raises(KeyNotFound):
        await hsm.secure_mac(newer, bytes(4), b"text")
    key = os.urandom(16)
    await asyncio.to_thread(add_maintain_key, prepared, key)
    ring = KeyRing({("hsm-3des", Purpose.MAINTAIN, 3): MasterKey(Algorithm.TDES, key)}, {}, {})
    assert await hsm.secure_mac(newer, bytes(4), b"text") == await SoftwareHsm(ring).secure_mac(
        newer, bytes(4), b"text"
    )
    await hsm.close()


def add_maintain_key(keys, value):
    arguments = [keys.uri, keys.companion_file, PIN, value.hex()]
    subprocess.run([sys.executable, "-c", ADD, *arguments], check=True, timeout=60)


ADD = """
import sys
from pathlib import Path
from tongka.crypto.pboc import Algorithm
from tongka.keys import Purpose
from tongka.keys.keyring import MasterKey
from tongka.keys.tokenstore import TokenStore
from tongka.keys.uri import parse_token_uri
uri, companion, pin, key = sys.argv[1:]
store = TokenStore.open(parse_token_uri(uri), pin.encode(), Path(companion))
store.add_masters({("hsm-3des", Purpose.MAINTAIN, 3): MasterKey(Algorithm.TDES, bytes.fromhex(key))})
"""


# --- SM4, where the token has it --------------------------------------------------------------------------------------


async def test_sm4_is_refused_by_name_where_the_token_has_none(prepared):
    hsm, _ = open_hsm(prepared)
    with pytest.raises(Unsupported, match=r"hsm-sm4 needs sm4, which the token tongka test \d+ does not do"):
        await hsm.secure_mac(replace(CARD, profile="hsm-sm4", algorithm=Algorithm.SM4), bytes(4), b"text")
    await hsm.close()


def test_numbers_that_the_token_does_not_list_are_no_sm4(prepared):
    with opened(f"{prepared.uri}&sm4=0x80000011,0x80000012,0x80000013") as token:
        assert set(token.mechanisms) == {Algorithm.TDES}


async def test_the_numbers_of_a_module_are_used_for_sm4(tokens, tmp_path):
    """SoftHSM2 has no SM4, but AES has its block and key length: under AES's numbers the steps are SM4's."""
    aes = ",".join(map(str, (PyKCS11.CKK_AES, PyKCS11.CKM_AES_ECB_ENCRYPT_DATA, PyKCS11.CKM_AES_CBC)))
    uri = f"{tokens.new()}&sm4={aes}"
    masters = {("t", purpose, 1): MasterKey(Algorithm.SM4, os.urandom(16)) for purpose in Purpose}
    ring = replace(KeyRing.generate([], os.urandom), masters=masters)
    assert prepare_token(parse_token_uri(uri), PIN, tmp_path / "companion.json", ring, sandbox=True) == []
    (tmp_path / "pin").write_bytes(PIN)
    hsm, _ = open_hsm(
        Keys(uri=uri, passphrase_file=str(tmp_path / "pin"), companion_file=str(tmp_path / "companion.json"))
    )
    card = CardKeys("t", Algorithm.SM4, 1, (os.urandom(8), os.urandom(8)))
    keys = {purpose: aes_card_key(masters["t", purpose, 1].value, card.factors) for purpose in Purpose}
    init = LoadInit(100, bytes(6), 5000, 7, 1, 4, os.urandom(4), bytes(4))
    session = aes_diversify(keys[Purpose.LOAD], init.seed)
    init = replace(init, mac1=aes_mac(session, init.mac1_data))
    assert await hsm.authorise_load(card, init, WHEN) == aes_mac(session, init.mac2_data(WHEN))
    await hsm.verify_load_tac(card, init, WHEN, aes_mac(keys[Purpose.TAC], init.tac_data(WHEN)))
    mac = await hsm.secure_mac(card, b"\1\2\3\4", b"header and data")
    assert mac == aes_mac(keys[Purpose.MAINTAIN], b"header and data", b"\1\2\3\4".ljust(16, b"\0"))
    await hsm.close()


def aes_diversify(key, factor):
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - stands for SM4's
    return encryptor.update(factor + invert(factor))


def aes_card_key(key, factors):
    for factor in factors:
        key = aes_diversify(key, factor)
    return key


def aes_mac(key, data, iv=bytes(16)):
    return Cipher(AES(key), CBC(iv)).encryptor().update(pad(data, 16))[-16:][:4]
