"""The blacklist of riders as gates get it: a signed list with `version`, `made_at` (unix seconds) and `user_ids`."""

from collections.abc import Sequence
from dataclasses import dataclass

from tongka.code.signed_list import read_signed, text_to_sign
from tongka.crypto import sm2
from tongka.errors import Malformed


@dataclass(frozen=True, slots=True)
class Blacklist:
    """The riders who are not let through as of a version; `made_at` is unix seconds."""

    version: int
    made_at: int
    user_ids: Sequence[str]

    def to_sign(self) -> bytes:
        """The text with an empty `sign`."""
        return text_to_sign({"version": self.version, "made_at": self.made_at, "user_ids": list(self.user_ids)})


def read_blacklist(document: bytes, key: sm2.PublicKey) -> Blacklist:
    """What a gate takes in.

    Raises:
        BadSignature: it is not the platform's, or was changed.
        Malformed: not the JSON described above.

    """
    contents = read_signed(document, key, "blacklist")
    try:
        return Blacklist(contents["version"], contents["made_at"], tuple(contents["user_ids"]))
    except (KeyError, TypeError) as error:
        raise Malformed("blacklist", "is JSON with version, made_at, user_ids, sign") from error
