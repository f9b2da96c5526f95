"""The keys of a purse."""

from dataclasses import dataclass, fields
from typing import Any, Self

from tongka.card.apdu import parse_hex
from tongka.crypto.pboc import KEY_LEN
from tongka.errors import Malformed


@dataclass(frozen=True, slots=True)
class KeySet:
    """The four keys of a purse, 16 bytes each: a card's own, already diversified, or the operator's master keys."""

    load: bytes
    purchase: bytes
    tac: bytes
    maintain: bytes

    @classmethod
    def from_json(cls, entry: Any) -> Self:
        """Read the four keys in hex.

        Raises:
            Malformed: one is missing, not hex, or of another length; it is named.

        """
        keys = {f.name: parse_hex(_text(entry, f.name), f"keys.{f.name}") for f in fields(cls)}
        wrong = next((name for name, key in keys.items() if len(key) != KEY_LEN), None)
        if wrong:
            raise Malformed(f"keys.{wrong}", f"a key has {KEY_LEN} bytes")
        return cls(**keys)

    def to_json(self) -> dict[str, str]:
        return {f.name: getattr(self, f.name).hex().upper() for f in fields(self)}


def _text(entry: Any, name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise Malformed(f"keys.{name}", "a text is expected")
    return value
