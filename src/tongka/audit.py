"""The audit trail's arithmetic: what of a row is hashed, and how batches are chained. Pure.

A row's **leaf** is SHA-256 over its canonical bytes; a batch's **seal** is SHA-256 over the seal before, the batch's
number, and the ids and leaves of its rows. So whoever changes, removes, inserts or swaps rows must forge every later
seal as well, and one seal kept elsewhere (printed by `tongka audit seal`, in the log) convicts him.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DIGEST_LEN = 32
GENESIS = bytes(DIGEST_LEN)
"""What stands for the seal before the first."""

SEALED = "audit.seal"
"""The action of the rows that the sealing itself writes: subject is the seal's number, detail its hex."""

_LEAF, _SEAL = b"\0", b"\1"  # so that no row can be read as a seal
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the trail: at `at`, `actor` did `action` to `subject`; `txid` is the database transaction."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: str
    txid: int

    def leaf(self) -> bytes:
        """The digest of the row: numbers in eight bytes, the time in microseconds, texts with their length before."""
        texts = (text.encode() for text in (self.actor, self.action, self.subject, self.detail))
        numbers = struct.pack(">qqq", self.id, (self.at - _EPOCH) // timedelta(microseconds=1), self.txid)
        fields = b"".join(struct.pack(">I", len(text)) + text for text in texts)
        return hashlib.sha256(_LEAF + numbers + fields).digest()


@dataclass(frozen=True, slots=True)
class Seal:
    """A sealed batch: `leaves` has 32 bytes for each of `ids`; transactions below `horizon` are in it or before it."""

    number: int
    horizon: int
    ids: Sequence[int]
    leaves: bytes
    digest: bytes

    @classmethod
    def over(cls, previous: "Seal | None", horizon: int, entries: Iterable[Entry]) -> "Seal":
        """Seal entries as the batch after `previous`."""
        ordered = sorted(entries, key=lambda entry: entry.id)
        ids, leaves = [entry.id for entry in ordered], b"".join(entry.leaf() for entry in ordered)
        number, before = (previous.number + 1, previous.digest) if previous else (1, GENESIS)
        return cls(number, horizon, ids, leaves, _digest(before, number, horizon, ids, leaves))


@dataclass(frozen=True, slots=True)
class Break:
    """Where the trail is not what was sealed: the batch, the row if one is to blame, and what is wrong."""

    seal: int
    entry: int | None
    what: str


def verify_seal(previous: Seal | None, seal: Seal, entries: Mapping[int, Entry]) -> list[Break]:
    """Compare one batch with the rows that the trail holds now under its ids; no breaks if all is as sealed."""
    breaks = []
    number, before = (previous.number + 1, previous.digest) if previous else (1, GENESIS)
    if seal.number != number:
        breaks.append(Break(number, None, f"the seal is missing; the next there is is {seal.number}"))
    elif seal.digest != _digest(before, seal.number, seal.horizon, seal.ids, seal.leaves):
        breaks.append(Break(seal.number, None, "the seal does not follow from its batch and the seal before"))
    leaves = [seal.leaves[at : at + DIGEST_LEN] for at in range(0, len(seal.leaves), DIGEST_LEN)]
    if len(leaves) != len(seal.ids):
        return [*breaks, Break(seal.number, None, "the seal has not one leaf for each of its rows")]
    for identity, leaf in zip(seal.ids, leaves, strict=True):
        if identity not in entries:
            breaks.append(Break(seal.number, identity, "the row was deleted"))
        elif entries[identity].leaf() != leaf:
            breaks.append(Break(seal.number, identity, "the row was changed"))
    return breaks


def _digest(before: bytes, number: int, horizon: int, ids: Sequence[int], leaves: bytes) -> bytes:
    head = struct.pack(">qqq", number, horizon, len(ids))
    return hashlib.sha256(_SEAL + before + head + struct.pack(f">{len(ids)}q", *ids) + leaves).digest()
