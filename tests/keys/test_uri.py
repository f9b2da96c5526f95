"""Key stores by URI: what is read, what is refused, and that each refusal names the setting and the remedy."""

import pytest

from tongka.errors import Misconfigured
from tongka.keys.keyfile import write_keyfile
from tongka.keys.keyring import KeyRing
from tongka.keys.uri import Sm4Numbers, TokenUri, open_hsm, parse_token_uri
from tongka.settings import Keys

MODULE = "module-path=/usr/lib/hsm.so"

READ = {
    f"pkcs11:token=tongka?{MODULE}": TokenUri("/usr/lib/hsm.so", token="tongka"),
    f"pkcs11:token=Our%20token;serial=12%3B34?{MODULE}": TokenUri("/usr/lib/hsm.so", token="Our token", serial="12;34"),
    f"pkcs11:manufacturer=M;model=X;slot-id=7?{MODULE}": TokenUri(
        "/usr/lib/hsm.so", manufacturer="M", model="X", slot=7
    ),
    f"pkcs11:token=t?sm4=0x80000011,18,0x80000013&{MODULE}": TokenUri(
        "/usr/lib/hsm.so", token="t", sm4=Sm4Numbers(0x80000011, 18, 0x80000013)
    ),
}

REFUSED = {
    "pkcs11:token=tongka": "add .module-path",
    f"pkcs11:?{MODULE}": "say which token",
    f"pkcs11:token=t?{MODULE}&pin-value=1234": "pin-value is refused.*keys.passphrase_file",
    f"pkcs11:token=t?{MODULE}&pin-source=file:/pin": "pin-source is refused.*keys.passphrase_file",
    f"pkcs11:token=t;object=key?{MODULE}": "object is refused",
    f"pkcs11:token=t;type=private?{MODULE}": "type is refused",
    f"pkcs11:token=t;id=%01?{MODULE}": "id is refused",
    "pkcs11:token=t?module-name=hsm": "module-name is refused.*module-path",
    f"pkcs11:token=t;colour=red?{MODULE}": "colour is not known",
    f"pkcs11:module-path=x?{MODULE}": "module-path is not known there",
    f"pkcs11:token=a;token=b?{MODULE}": "token has to stand once",
    f"pkcs11:token?{MODULE}": "token has to stand once, with a value",
    f"pkcs11:token=?{MODULE}": "token has to stand once, with a value",
    f"pkcs11:token=%ff?{MODULE}": "not UTF-8",
    f"pkcs11:slot-id=x?{MODULE}": "slot-id is a number",
    f"pkcs11:token=t?{MODULE}&sm4=1,2": "sm4 holds three numbers",
}


@pytest.mark.parametrize("uri", READ)
def test_a_token_is_named_as_rfc_7512_has_it(uri):
    assert parse_token_uri(uri) == READ[uri]


@pytest.mark.parametrize("uri", REFUSED)
def test_what_is_refused_says_why(uri):
    with pytest.raises(Misconfigured, match=rf"keys\.uri: .*{REFUSED[uri]}"):
        parse_token_uri(uri)


@pytest.fixture
def keys(tmp_path):
    (tmp_path / "passphrase").write_text("open sesame\n")
    ring = KeyRing.generate([], bytes)
    write_keyfile(tmp_path / "keys.json", ring, b"open sesame", sandbox=True)
    return Keys(uri=f"software:{tmp_path / 'keys.json'}", passphrase_file=str(tmp_path / "passphrase"))


async def test_a_key_file_opens_and_says_that_it_is_the_sandboxs(keys):
    hsm, sandbox = open_hsm(keys)
    assert sandbox
    assert len(await hsm.public_key("huzhou")) == 33


def test_a_passphrase_file_that_is_not_there_is_named(keys, tmp_path):
    with pytest.raises(Misconfigured, match=r"keys\.passphrase_file"):
        open_hsm(Keys(uri=keys.uri, passphrase_file=str(tmp_path / "none")))


def test_a_wrong_passphrase_is_told(keys):
    with pytest.raises(Misconfigured, match="passphrase does not open"):
        open_hsm(Keys(uri=keys.uri))


@pytest.mark.parametrize("uri", ["software:", "vault:x"])
def test_another_scheme_is_refused(uri):
    with pytest.raises(Misconfigured, match=r"neither software:FILE nor pkcs11"):
        open_hsm(Keys(uri=uri))
