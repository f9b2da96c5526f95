"""Opens the key store that a URI names: the one place that knows every implementation.

``software:FILE`` is an encrypted key file. ``pkcs11:…`` names a token as RFC 7512 has it: which one in the path
(`token`, `serial`, `manufacturer`, `model`, `slot-id`), the module in the query (`module-path`). What names a single
key there, or holds a PIN, is refused: `keys.uri` names a token, and its PIN stands in `keys.passphrase_file`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from tongka.errors import Misconfigured
from tongka.keys import Hsm
from tongka.keys.keyfile import read_keyfile
from tongka.keys.software import SoftwareHsm
from tongka.settings import Keys

SOFTWARE, PKCS11 = "software:", "pkcs11:"

PATH_ATTRIBUTES = ("token", "serial", "manufacturer", "model", "slot-id")
QUERY_ATTRIBUTES = ("module-path", "sm4")

REFUSED = {
    "pin-value": "a PIN in a URI is shown wherever settings are; put it into a file and name that in "
    "keys.passphrase_file",
    "pin-source": "name the file with the PIN in keys.passphrase_file instead",
    "module-name": "give module-path, the module's file",
    "object": "it names a key; keys.uri names a token, whose keys are found by their labels",
    "type": "it names a key; keys.uri names a token",
    "id": "it names a key; keys.uri names a token",
}
"""Attributes of RFC 7512 that are understood and refused, with the remedy."""


@dataclass(frozen=True, slots=True)
class Sm4Numbers:
    """The numbers that a module's maker chose for SM4; PKCS#11 has none.

    Attributes:
        key_type: its CKK_SM4.
        derive: its CKM_SM4_ECB_ENCRYPT_DATA.
        cbc: its CKM_SM4_CBC.

    """

    key_type: int
    derive: int
    cbc: int


@dataclass(frozen=True, slots=True)
class TokenUri:
    """Which token of which module; what is None may be anything."""

    module: str
    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot: int | None = None
    sm4: Sm4Numbers | None = None


def open_hsm(keys: Keys) -> tuple[Hsm, bool]:
    """The key store that the settings name, and whether it holds sandbox keys.

    Raises:
        Misconfigured: it cannot be found or opened; the text names the setting.

    """
    if keys.uri.startswith(PKCS11):
        return _open_token(keys)
    ring, sandbox = read_keyfile(keyfile_of(keys.uri), read_secret(keys.passphrase_file))
    return SoftwareHsm(ring), sandbox


def _open_token(keys: Keys) -> tuple[Hsm, bool]:
    from tongka.keys.pkcs11 import open_pkcs11  # noqa: PLC0415 - PyKCS11 is an extra

    return open_pkcs11(parse_token_uri(keys.uri), read_secret(keys.passphrase_file), Path(keys.companion_file))


def keyfile_of(uri: str) -> Path:
    """The FILE of ``software:FILE``.

    Raises:
        Misconfigured: another scheme, or no file.

    """
    file = uri.removeprefix(SOFTWARE)
    if not uri.startswith(SOFTWARE) or not file:
        raise Misconfigured(f"keys.uri: {uri!r} is neither software:FILE nor pkcs11:…")
    return Path(file)


def read_secret(file: str) -> bytes:
    """The passphrase or PIN in a file, without the line's end; empty when no file is named.

    Raises:
        Misconfigured: the file cannot be read.

    """
    try:
        return Path(file).read_bytes().strip() if file else b""
    except OSError as error:
        raise Misconfigured(f"keys.passphrase_file cannot be read: {error}") from error


# --- RFC 7512 ---------------------------------------------------------------------------------------------------------


def parse_token_uri(uri: str) -> TokenUri:
    """Read ``pkcs11:token=…?module-path=…``.

    Raises:
        Misconfigured: an attribute is unknown, refused, given twice or not to be read, or the module is missing.

    """
    path, _, query = uri.removeprefix(PKCS11).partition("?")
    which, how = _attributes(path, ";", PATH_ATTRIBUTES), _attributes(query, "&", QUERY_ATTRIBUTES)
    if "module-path" not in how:
        raise Misconfigured("keys.uri: add ?module-path=FILE, the PKCS#11 module of the token's maker")
    if not which:
        raise Misconfigured("keys.uri: say which token, as in pkcs11:token=LABEL?module-path=FILE")
    return TokenUri(
        module=how["module-path"],
        token=which.get("token"),
        serial=which.get("serial"),
        manufacturer=which.get("manufacturer"),
        model=which.get("model"),
        slot=_number(which, "slot-id"),
        sm4=_sm4(how.get("sm4")),
    )


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name in REFUSED:
            raise Misconfigured(f"keys.uri: {name} is refused: {REFUSED[name]}")
        if name not in known:
            raise Misconfigured(f"keys.uri: {name} is not known there; it may hold {', '.join(known)}")
        if not equals or not value or name in found:
            raise Misconfigured(f"keys.uri: {name} has to stand once, with a value")
        found[name] = _decoded(name, value)
    return found


def _decoded(name: str, value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise Misconfigured(f"keys.uri: {name} is not UTF-8 in percent encoding") from error


def _number(attributes: Mapping[str, str], name: str) -> int | None:
    text = attributes.get(name)
    if text is not None and not (text.isascii() and text.isdecimal()):
        raise Misconfigured(f"keys.uri: {name} is a number")
    return None if text is None else int(text)


def _sm4(text: str | None) -> Sm4Numbers | None:
    if text is None:
        return None
    try:
        key_type, derive, cbc = (int(number, 0) for number in text.split(","))
    except ValueError as error:
        raise Misconfigured(
            "keys.uri: sm4 holds three numbers of the module's maker with commas between: "
            "key type, ECB_ENCRYPT_DATA and CBC, as in sm4=0x80000011,0x80000012,0x80000013"
        ) from error
    return Sm4Numbers(key_type, derive, cbc)
