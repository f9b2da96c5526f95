"""What cards are to run and what they answered, in the log at level debug: for integrators, who look over its shoulder.

No key is in there, for none travels. The holder's data is: so of the files only those that hold none are shown.
Production refuses the level.
"""

import logging
from collections.abc import Sequence
from typing import Any

import structlog

from tongka.card.apdu import Command

READ_BINARY = "00B0"
SHOWN_FILES = frozenset({"85", "95", "97"})
"""P1 of READ BINARY for the files 0005, 0015 and 0017; 0016 is the holder's."""
SHOWN_MAX = 64
"""Entries of a message that are shown."""
LEFT_OUT = "(left out)"

log = structlog.get_logger()


def are_told() -> bool:
    """Whether the level of the log is debug; asked once, when a server starts: asking costs more than it seems."""
    return bool(log.is_enabled_for(logging.DEBUG))


def tell_ran(operation: str, data: dict[str, Any]) -> None:
    """What a message says that its card ran; nothing of it has been looked at yet."""
    listed, answers = _entries(data.get("apdulist")), _entries(data.get("apduresp"))
    if answers:
        shown = [f"{command} -> {_shown(command, answer)}" for command, answer in zip(listed, answers, strict=False)]
        log.debug("a card ran", operation=operation, apdus=shown)
    elif listed:
        log.debug("a card answered", operation=operation, answers=listed)


def tell_to_run(operation: str, commands: Sequence[Command]) -> None:
    """What an answer has the card run next."""
    if commands:
        log.debug("a card is to run", operation=operation, commands=[command.hex for command in commands])


def _entries(value: object) -> list[str]:
    entries = value.split(",") if isinstance(value, str) else value
    return [str(entry).strip().upper() for entry in entries[:SHOWN_MAX]] if isinstance(entries, list) else []


def _shown(command: str, answer: str) -> str:
    return LEFT_OUT if command.startswith(READ_BINARY) and command[4:6] not in SHOWN_FILES else answer
