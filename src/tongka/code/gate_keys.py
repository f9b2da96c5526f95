"""What a gate verifies codes with, as it gets it: a signed list with `version`, `made_at` (unix seconds), `keys` (the
key list, the ministry's CA included) and `card_types`: both arguments of `init_pos_verify`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tongka.code.keys import MasterKeys, master_keys
from tongka.code.signed_list import read_signed, text_to_sign
from tongka.crypto import sm2
from tongka.errors import Malformed


@dataclass(frozen=True, slots=True)
class GateKeys:
    """Keys and card types as of a version; `made_at` is unix seconds."""

    version: int
    made_at: int
    keys: MasterKeys
    card_types: Sequence[str]

    def to_sign(self) -> bytes:
        """The text with an empty `sign`."""
        return text_to_sign({"version": self.version, "made_at": self.made_at, **self.contents})

    @property
    def contents(self) -> dict[str, Any]:
        """What the version is of."""
        return {"keys": self.keys.to_list(), "card_types": list(self.card_types)}


def read_gate_keys(document: bytes, key: sm2.PublicKey) -> GateKeys:
    """What a gate takes in.

    Raises:
        BadSignature: it is not the platform's, or was changed.
        Malformed: not the JSON described above.

    """
    told = read_signed(document, key, "key list")
    try:
        return GateKeys(told["version"], told["made_at"], master_keys(told["keys"]), tuple(told["card_types"]))
    except (KeyError, TypeError) as error:
        raise Malformed("key list", "is JSON with version, made_at, keys, card_types, sign") from error
