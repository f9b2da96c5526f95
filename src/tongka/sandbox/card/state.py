"""What a card forgets when it loses power, and what a command leads to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tongka.card.apdu import Command, Response, StatusWord
from tongka.card.commands import CommandKind
from tongka.card.purse import LoadInit, PurchaseInit
from tongka.sandbox.card.image import CardImage

Write = Callable[[CardImage], CardImage]
"""One internal write: it happens entirely or not at all."""


@dataclass(frozen=True, slots=True)
class CappUpdate:
    """One UPDATE CAPP CACHE that waits for its debit; `record_id` 0 appends to a cyclic file."""

    fid: str
    record_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Pending:
    """An INIT that was answered; the very next command has to complete it.

    Attributes:
        completed_by: the command that may follow.

    """

    init: LoadInit | PurchaseInit
    completed_by: CommandKind
    capp: tuple[CappUpdate, ...] = ()


@dataclass(slots=True)
class Session:
    """The volatile state, from power-on to power-off.

    Attributes:
        aid: the selected application; None is the master file, where a card starts.
        current_file: the selected elementary file.
        challenge: the last one fetched, until a command under secure messaging uses it.
        pin_verified: VERIFY succeeded since the application was selected.

    """

    aid: bytes | None = None
    current_file: str | None = None
    pending: Pending | None = None
    challenge: bytes = b""
    pin_verified: bool = False

    def take_challenge(self) -> bytes:
        """The challenge, which serves once."""
        challenge, self.challenge = self.challenge, b""
        return challenge


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command leads to: an answer, and the internal writes that are made before the answer leaves."""

    response: Response
    writes: tuple[Write, ...] = field(default=())


def answer(data: bytes = b"", *writes: Write) -> Outcome:
    """A 9000 with its data."""
    return Outcome(Response(data, StatusWord.OK), writes)


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler sees: the card as it lasts, the session, the command, and the INIT that it directly follows."""

    image: CardImage
    session: Session
    command: Command
    pending: Pending | None
    random: Callable[[int], bytes]


Handler = Callable[[Context], Outcome]
"""Raises `Refusal` for every answer but 9000."""


class Refusal(Exception):  # noqa: N818 - not an error of ours: it is how a card says no
    """A status word other than 9000, with the writes that the refusal itself makes (a PIN try)."""

    def __init__(self, sw: int, *writes: Write) -> None:
        super().__init__(f"{sw:04X}")
        self.outcome = Outcome(Response(b"", sw), writes)
