"""A card's lasting state as a value, and its shape in JSON: an entry of sandbox.json, with what lasts added.

Everything that survives a power cut is in `CardImage`; the software card replaces the image, one internal write at a
time. What follows from other fields (`card_no`, `asn`, `enabled`) is written for the reader of the JSON and checked
against file 0015 when it is read.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tongka.card.apdu import parse_hex
from tongka.card.files import FILES, File15
from tongka.card.keyset import KeySet
from tongka.card.profiles import CardProfile, profile_named
from tongka.card.purse import ATC_MAX
from tongka.crypto.pboc import SUITES, Algorithm, Suite
from tongka.errors import Malformed

BALANCE_MAX = 0x7FFFFFFF
"""What the purse itself can hold: the balance's top bit is not part of the amount [L]."""
BLOCKS = ("", "temporary", "permanent")
"""Whether the application is blocked; only a temporary block can be lifted."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A PIN and its try counter; 0 tries left means locked."""

    digits: str
    tries_left: int = 3
    tries_max: int = 3

    @classmethod
    def from_json(cls, entry: Any) -> Self:
        digits = _text(entry, "digits", "pin")
        if not re.fullmatch(r"[0-9]{4,12}", digits, re.ASCII):
            raise Malformed("pin.digits", "4 to 12 digits are expected")
        return cls(digits, _number(entry, "tries_left", 15), _number(entry, "tries_max", 15))

    @property
    def bytes(self) -> bytes:
        """As VERIFY sends it: BCD, filled with F to whole bytes."""
        return bytes.fromhex(self.digits + "F" * (len(self.digits) % 2))


@dataclass(frozen=True, slots=True)
class Proof:
    """What GET TRANSACTION PROVE answers for the latest transaction of one type; `atc` is the counter after it."""

    atc: int
    mac: bytes
    tac: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CardImage:
    """Everything about a card that outlives its power.

    Attributes:
        files: transparent files by their identifier, ``{"0015": …}``.
        records: record files, for cyclic ones the newest first.
        proofs: by transaction type, the latest only.
        pin: None for cards without one.
        app_blocked: "" (no), "temporary" or "permanent".

    """

    profile: str
    balance_fen: int
    online_atc: int
    offline_atc: int
    algorithm: Algorithm
    key_version: int
    files: Mapping[str, bytes]
    keys: KeySet
    records: Mapping[str, tuple[bytes, ...]] = field(default_factory=lambda: MappingProxyType({}))
    proofs: Mapping[int, Proof] = field(default_factory=lambda: MappingProxyType({}))
    pin: Pin | None = None
    app_blocked: str = ""
    card_blocked: bool = False

    @property
    def type(self) -> CardProfile:
        return profile_named(self.profile)

    @property
    def suite(self) -> Suite:
        return SUITES[self.algorithm]

    @property
    def file15(self) -> File15:
        return File15.parse(self.files["0015"])

    @property
    def card_no(self) -> str:
        return self.type.card_no(self.file15)

    def records_of(self, fid: str) -> tuple[bytes, ...]:
        """The records of one file, none if nothing was written yet."""
        return self.records.get(fid, ())

    def with_file(self, fid: str, content: bytes) -> Self:
        """The image after one transparent file was written."""
        return replace(self, files={**self.files, fid: content})

    def with_records(self, fid: str, records: tuple[bytes, ...]) -> Self:
        """The image after one record file was written; a cyclic file forgets its oldest records."""
        return replace(self, records={**self.records, fid: records[: FILES[fid].record_max]})

    # --- JSON ---------------------------------------------------------------------------------------------------------

    @classmethod
    def from_json(cls, entry: Any) -> Self:
        """Read an entry of sandbox.json, or an image that `to_json` wrote.

        Raises:
            Malformed: a field is missing, has another form, or contradicts file 0015; names it.
            Unsupported: the card profile is not known.

        """
        image = cls(
            profile=_text(entry, "profile"),
            balance_fen=_number(entry, "balance_fen", BALANCE_MAX),
            online_atc=_number(entry, "online_atc", ATC_MAX),
            offline_atc=_number(entry, "offline_atc", ATC_MAX),
            algorithm=_algorithm(_text(entry, "algorithm")),
            key_version=_number(entry, "key_version", 0xFF),
            files=_files(_object(entry, "files")),
            keys=KeySet.from_json(_object(entry, "keys")),
            records={fid: _records(fid, rows) for fid, rows in _object(entry, "records", {}).items()},
            proofs=_proofs(_object(entry, "proofs", {})),
            pin=Pin.from_json(_object(entry, "pin")) if "pin" in entry else None,
            app_blocked=_one_of(entry, "app_blocked", BLOCKS),
            card_blocked=entry.get("card_blocked") is True,
        )
        return image._agreeing_with(entry)

    def _agreeing_with(self, entry: Any) -> Self:
        if "0015" not in self.files:
            raise Malformed("files.0015", "it is missing; it holds the card's number")
        for name, value in self._derived().items():
            if name in entry and entry[name] != value:
                raise Malformed(name, f"{entry[name]!r} contradicts file 0015, which says {value!r}")
        return self

    def _derived(self) -> dict[str, Any]:
        file15 = self.file15
        return {"card_no": self.type.card_no(file15), "asn": file15.asn, "enabled": file15.enabled}

    def to_json(self) -> dict[str, Any]:
        """The shape of a sandbox.json card entry; what is not in that shape is added only when there is some."""
        entry = {
            **self._derived(),
            "profile": self.profile,
            "balance_fen": self.balance_fen,
            "online_atc": self.online_atc,
            "offline_atc": self.offline_atc,
            "algorithm": self.algorithm.label,
            "key_version": self.key_version,
            "files": {fid: content.hex().upper() for fid, content in sorted(self.files.items())},
            "keys": self.keys.to_json(),
        }
        return entry | {name: value for name, value in self._lasting().items() if value}

    def _lasting(self) -> dict[str, Any]:
        return {
            "records": {fid: [r.hex().upper() for r in rows] for fid, rows in sorted(self.records.items())},
            "proofs": {str(kind): _proof_json(p) for kind, p in sorted(self.proofs.items())},
            "pin": asdict(self.pin) if self.pin else None,
            "app_blocked": self.app_blocked,
            "card_blocked": self.card_blocked,
        }


def _files(entries: dict[str, Any]) -> dict[str, bytes]:
    return {fid: parse_hex(_text(entries, fid, "files"), f"files.{fid}") for fid in entries}


def _records(fid: str, rows: Any) -> tuple[bytes, ...]:
    if fid not in FILES or not FILES[fid].record_max:
        raise Malformed(f"records.{fid}", "no record file has this identifier")
    if not isinstance(rows, list) or not all(isinstance(row, str) and row for row in rows):
        raise Malformed(f"records.{fid}", "a list of records in hex is expected, none of them empty")
    return tuple(parse_hex(row, f"records.{fid}") for row in rows)


def _proofs(entries: dict[str, Any]) -> dict[int, Proof]:
    wrong = next((kind for kind, proof in entries.items() if not kind.isdecimal() or not isinstance(proof, dict)), None)
    if wrong is not None:
        raise Malformed(f"proofs.{wrong}", "a transaction type's number and its proof are expected")
    return {int(kind): _proof(proof) for kind, proof in entries.items()}


def _proof(entry: dict[str, Any]) -> Proof:
    mac, tac = (parse_hex(_text(entry, name, "proofs"), f"proofs.{name}") for name in ("mac", "tac"))
    return Proof(_number(entry, "atc", ATC_MAX), mac, tac)


def _proof_json(proof: Proof) -> dict[str, Any]:
    return {"atc": proof.atc, "mac": proof.mac.hex().upper(), "tac": proof.tac.hex().upper()}


def _algorithm(label: str) -> Algorithm:
    known = {algorithm.label: algorithm for algorithm in Algorithm}
    if label not in known:
        raise Malformed("algorithm", f"{' or '.join(known)} is expected, not {label!r}")
    return known[label]


def _text(entry: Any, name: str, within: str = "card image") -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise Malformed(name, f"a text is expected in the {within}")
    return value


def _number(entry: Any, name: str, largest: int) -> int:
    value = entry.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise Malformed(name, f"a number from 0 to {largest} is expected")
    return value


def _one_of(entry: Any, name: str, choices: tuple[str, ...]) -> str:
    value = entry.get(name, choices[0])
    if value not in choices:
        raise Malformed(name, f"{' or '.join(choices[1:])} is expected")
    return str(value)


def _object(entry: Any, name: str, default: Any = None) -> dict[str, Any]:
    value = entry.get(name, default)
    if not isinstance(value, dict):
        raise Malformed(name, "an object is expected in the card image")
    return value


# --- on disk ----------------------------------------------------------------------------------------------------------


def read_image(path: Path) -> CardImage:
    """Read an image file.

    Raises:
        Malformed: the file is not there, not JSON, or not an image.

    """
    try:
        entry = json.loads(path.read_bytes())
    except (OSError, ValueError) as wrong:
        raise Malformed(str(path), f"not a readable card image: {wrong}") from wrong
    if not isinstance(entry, dict):
        raise Malformed(str(path), "a card image is a JSON object")
    return CardImage.from_json(entry)


def write_image(path: Path, image: CardImage) -> None:
    """Replace an image file atomically; it is on the disk when this returns."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(image.to_json(), file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
