"""The master keys that gates verify with: the key list as `key.query` answers it and `init_pos_verify` takes it.

Source: Alipay 4.1.2.6 and 4.2.1: a JSON list of `{"key_id", "public_key"}`, usually 32 of them. An entry with
`"proto": "MOT"` is a CA of the ministry of transport: `key_id` is its index and the key is SM2.

An Alipay entry does not say its curve; the code's algorithm byte does. So an entry must be a point of secp256k1 or of
SM2's curve (or happens to be both), and verifies codes of the algorithms whose curve it is on.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from coincurve import PublicKey

from tongka.crypto import sm2
from tongka.crypto.ecdsa import secp256k1_key
from tongka.errors import Malformed

MASTER_KEYS: Final = 32
"""How many are distributed together (4.2.1.1)."""

KEY_LEN: Final = 33
KEY_ID_MAX: Final = 0xFF
MINISTRY_PROTO: Final = "MOT"
SECRET_LEN: Final = 32

_NOBODY = bytes(32)
"""x = 0 is on SM2's curve and is what erased storage holds: it is no key."""


@dataclass(frozen=True)
class MasterKey:
    """One public key, 33 bytes, and what it is on either curve: ready for use, or None if it is not a point there."""

    public_key: bytes

    @cached_property
    def on_secp256k1(self) -> PublicKey | None:
        try:
            return secp256k1_key(self.public_key)
        except Malformed:
            return None

    @cached_property
    def on_sm2(self) -> sm2.PublicKey | None:
        try:
            return sm2.PublicKey(self.public_key)
        except Malformed:
            return None


@dataclass(frozen=True)
class MasterKeys:
    """What a verifier trusts: Alipay's and the operator's keys by id, the ministry's CAs by index."""

    masters: Mapping[int, MasterKey]
    authorities: Mapping[int, MasterKey]

    def to_list(self) -> list[dict[str, Any]]:
        """The entries of the JSON list, ordered by id, Alipay's first."""
        return [*self.masters_list(), *_entries(self.authorities, {"proto": MINISTRY_PROTO})]

    def masters_list(self) -> list[dict[str, Any]]:
        """The entries as `key.query` answers them: no CAs."""
        return _entries(self.masters, {})

    def to_json(self) -> str:
        return json.dumps(self.to_list(), separators=(",", ":"))


def _entries(keys: Mapping[int, MasterKey], extra: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key_id": i, "public_key": keys[i].public_key.hex().upper(), **extra} for i in sorted(keys)]


def parse_key_list(text: str | bytes) -> MasterKeys:
    """Read a key list.

    Entries of protocols other than the ministry's are passed over, so that a list may carry what later gates need.

    Raises:
        Malformed: not a JSON list, no usable entry, an id twice or outside 0 to 255, a key that is not a point.

    """
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise Malformed("key_list", "is a JSON list") from error
    if not isinstance(entries, list):
        raise Malformed("key_list", "is a JSON list")
    return master_keys(entries)


def master_keys(entries: Iterable[Any]) -> MasterKeys:
    """As `parse_key_list`, for entries already decoded."""
    tables: dict[str | None, dict[int, MasterKey]] = {None: {}, MINISTRY_PROTO: {}}
    for entry in entries:
        if not isinstance(entry, dict):
            raise Malformed("key_list", "holds objects")
        table = tables.get(_proto(entry))
        if table is not None:
            _add(table, entry, usable=_is_authority if table is tables[MINISTRY_PROTO] else _is_master)
    if not any(tables.values()):
        raise Malformed("key_list", "holds no key")
    return MasterKeys(masters=tables[None], authorities=tables[MINISTRY_PROTO])


def _proto(entry: dict[str, Any]) -> str | None:
    proto = entry.get("proto")
    if proto is not None and not isinstance(proto, str):
        raise Malformed("proto", "is text")
    return proto


def _add(table: dict[int, MasterKey], entry: dict[str, Any], *, usable: Callable[[MasterKey], bool]) -> None:
    key_id, key = _key_id(entry), _key(entry)
    if key_id in table:
        raise Malformed("key_id", f"{key_id} is listed twice")
    if key.public_key[1:] == _NOBODY or not usable(key):
        raise Malformed("public_key", f"of key_id {key_id} is not a point of its curve")
    table[key_id] = key


def _is_master(key: MasterKey) -> bool:
    return key.on_secp256k1 is not None or key.on_sm2 is not None


def _is_authority(key: MasterKey) -> bool:
    return key.on_sm2 is not None


def _key_id(entry: dict[str, Any]) -> int:
    key_id = entry.get("key_id")
    if type(key_id) is not int or not 0 <= key_id <= KEY_ID_MAX:
        raise Malformed("key_id", f"is a number from 0 to {KEY_ID_MAX}")
    return key_id


def _key(entry: dict[str, Any]) -> MasterKey:
    text = entry.get("public_key")
    if not isinstance(text, str) or len(text) != 2 * KEY_LEN:
        raise Malformed("public_key", f"is a compressed point: {2 * KEY_LEN} hex digits")
    try:
        return MasterKey(bytes.fromhex(text))
    except ValueError as error:
        raise Malformed("public_key", f"is a compressed point: {2 * KEY_LEN} hex digits") from error
