"""A secure element's lasting state as a value, and its shape in JSON.

Everything that survives a power cut is in `ElementImage`; the software element replaces it, one internal write at a
time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

from tongka.card.apdu import parse_hex
from tongka.card.global_platform import ISSUER_SECURITY_DOMAIN, LOCKED, LifeCycle
from tongka.card.secure_channel import StaticKeys
from tongka.errors import Malformed
from tongka.sandbox.card.image import CardImage

SCPS = ("02", "03")
PACKAGES: Mapping[bytes, frozenset[bytes]] = MappingProxyType(
    {bytes.fromhex("A0000006320101"): frozenset({bytes.fromhex("A000000632010105")})}
)
"""The load files that the maker put into every element, with the modules in each."""
FABRICATOR = bytes.fromhex("4790D321") + bytes(4)
"""Fabricator 2‖type 2‖operating system and its date 4."""
ROOM = 4
"""So many applications fit into an element of ours."""


def cplc_of(se_id: str) -> bytes:
    """Card production data that name the chip: fabrication date, serial number and batch are made of its identifier."""
    return FABRICATOR + bytes(2) + hashlib.sha256(se_id.encode()).digest()[:8] + bytes(24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One application in the element.

    Attributes:
        module: the AID of what it was made of.
        state: as GET STATUS tells it, but the lock.
        stored: its personalisation as far as it has come, by DGI; keys in plain.
        purse: the card that it is since it was personalised.

    """

    module: bytes
    state: int = LifeCycle.SELECTABLE
    locked: bool = False
    stored: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))
    purse: CardImage | None = None

    @property
    def status(self) -> int:
        return self.state | (LOCKED if self.locked else 0)

    @classmethod
    def from_json(cls, entry: Any) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            module=parse_hex(entry["module"], "module"),
            state=entry["state"],
            locked=entry["locked"],
            stored={int(dgi, 16): parse_hex(value, f"stored.{dgi}") for dgi, value in entry["stored"].items()},
            purse=CardImage.from_json(entry["purse"]) if entry["purse"] else None,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "module": self.module.hex().upper(),
            "state": self.state,
            "locked": self.locked,
            "stored": {f"{dgi:04X}": value.hex().upper() for dgi, value in sorted(self.stored.items())},
            "purse": self.purse.to_json() if self.purse else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementImage:
    """Everything about a secure element that outlives its power.

    Attributes:
        scp: "02" (i=55) or "03" (i=70).
        sequence: the secure channel sequence counter.
        room: how many applications fit.
        instances: by AID.

    """

    se_id: str
    device_id: str
    cplc: bytes
    scp: str
    key_version: int
    keys: StaticKeys
    security_domain: bytes = ISSUER_SECURITY_DOMAIN
    sequence: int = 0
    room: int = ROOM
    instances: Mapping[bytes, Instance] = field(default_factory=lambda: MappingProxyType({}))

    def with_instance(self, aid: bytes, instance: Instance) -> Self:
        return replace(self, instances={**self.instances, aid: instance})

    def without(self, aid: bytes) -> Self:
        return replace(self, instances={name: one for name, one in self.instances.items() if name != aid})

    def with_purse(self, aid: bytes, purse: CardImage) -> Self:
        """After a write of the purse of one instance."""
        return self.with_instance(aid, replace(self.instances[aid], purse=purse))

    # --- JSON ---------------------------------------------------------------------------------------------------------

    @classmethod
    def from_json(cls, entry: Any) -> Self:
        """Read an entry of sandbox.json, or an image that `to_json` wrote.

        Raises:
            Malformed: a field is missing or has another form.

        """
        try:
            return cls._of(entry)
        except (KeyError, TypeError, AttributeError) as wrong:
            raise Malformed("secure element", f"not an image: {wrong!r}") from wrong

    @classmethod
    def _of(cls, entry: Any) -> Self:
        if entry["scp"] not in SCPS:
            raise Malformed("scp", " or ".join(SCPS))
        return cls(
            se_id=entry["se_id"],
            device_id=entry["device_id"],
            cplc=parse_hex(entry["cplc"], "cplc") if "cplc" in entry else cplc_of(entry["se_id"]),
            scp=entry["scp"],
            key_version=entry["key_version"],
            keys=StaticKeys.from_json(entry),
            security_domain=parse_hex(entry["security_domain_aid"], "security_domain_aid"),
            sequence=entry.get("sequence", 0),
            room=entry.get("room", ROOM),
            instances={
                parse_hex(aid, "instances"): Instance.from_json(one) for aid, one in entry.get("instances", {}).items()
            },
        )

    def entry(self) -> dict[str, Any]:
        """An entry of sandbox.json: what identifies the element, and what opens it."""
        return {
            "se_id": self.se_id,
            "device_id": self.device_id,
            "scp": self.scp,
            "key_version": self.key_version,
            **self.keys.to_json(),
            "security_domain_aid": self.security_domain.hex().upper(),
        }

    def to_json(self) -> dict[str, Any]:
        """The entry, with all that lasts."""
        return self.entry() | {
            "cplc": self.cplc.hex().upper(),
            "sequence": self.sequence,
            "room": self.room,
            "instances": {aid.hex().upper(): one.to_json() for aid, one in sorted(self.instances.items())},
        }
