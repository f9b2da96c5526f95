"""An installation knows itself: its database was stamped with its mode and with what its key store held.

Whoever opens the database under another mode, or with a key store that lacks a key or has it otherwise, is refused: a
card that is asked with wrong keys fails its MACs until it is locked, and a sandbox pays nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

NAMED_MAX = 3
"""Keys that a complaint names; of a wrong store all are wrong, and the first tell which."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Which one it is; `mode` as in the settings."""

    id: str
    mode: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.mode} installation {self.id}, since {self.since:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What stands in the database; `keys`: fingerprints by label, as `tongka.keys.inventory` makes them."""

    installation: Installation
    keys: Mapping[str, str]


def mode_complaint(stamped: Installation, mode: str) -> str:
    """Why a process of this mode may not open the database; empty if it may."""
    if stamped.mode == mode:
        return ""
    return (
        f"mode: is {mode}, and this database is that of a {stamped.mode} installation since"
        f" {stamped.since:%Y-%m-%d}; set mode to {stamped.mode}, or name another database in database.url"
    )


def keys_complaint(stamped: Mapping[str, str], held: Mapping[str, str]) -> str:
    """Why a key store is not this installation's; empty if it is. It may hold more than was stamped."""
    lacking = sorted(stamped.keys() - held.keys())
    other = sorted(label for label in stamped.keys() & held.keys() if _differ(stamped[label], held[label]))
    if not lacking and not other:
        return ""
    parts = [f"{what} {_named(labels)}" for what, labels in (("lacks", lacking), ("has another", other)) if labels]
    return (
        f"keys.uri: the key store is not the one of this installation: it {' and '.join(parts)}; name the right store,"
        " or restore it; if this one is right, `tongka key accept`"
    )


def new_keys(stamped: Mapping[str, str], held: Mapping[str, str]) -> dict[str, str]:
    """What the store holds and the stamp does not name yet, or names without what a token now tells."""
    return {label: told for label, told in held.items() if stamped.get(label, "") == "" and stamped.get(label) != told}


def _differ(stamped: str, held: str) -> bool:
    """Where one of them was not told, nothing is known."""
    return bool(stamped) and bool(held) and stamped != held


def _named(labels: list[str]) -> str:
    more = len(labels) - NAMED_MAX
    return ", ".join(labels[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
