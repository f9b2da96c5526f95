"""The software card: takes APDUs and answers as a card does.

This file holds the order of things: power, blocked states, recognising the command, length and Le, then the handler
(`filing`, `purse`, `security`), then the internal writes one by one. Randomness comes from outside, so that tests can
repeat what they saw.
"""

from collections.abc import Mapping
from types import MappingProxyType

from tongka.card.apdu import LE_MAX, Command, Response, StatusWord
from tongka.card.commands import SHAPES, CommandKind, Shape, shape_of
from tongka.errors import Malformed
from tongka.sandbox.card import filing, purse, security
from tongka.sandbox.card.chip import Chip
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.power import BEFORE
from tongka.sandbox.card.state import Context, Handler, Outcome, Refusal, Session

ATR = bytes.fromhex("3B898001544F4E474B4120303131")
"""T=1, as a contactless reader makes it up (ISO/IEC 14443, PC/SC 3.1.3.2.3); nine historical bytes: "TONGKA 01"."""

HANDLERS: Mapping[CommandKind, Handler] = MappingProxyType({**filing.HANDLERS, **purse.HANDLERS, **security.HANDLERS})

BLOCKED_ANSWERS: Mapping[str, StatusWord] = MappingProxyType(
    {"temporary": StatusWord.NOT_SUPPORTED, "permanent": StatusWord.APPLICATION_LOCKED}
)
"""[M] What a blocked application answers."""
WHEN_BLOCKED = frozenset({CommandKind.SELECT, CommandKind.GET_CHALLENGE, CommandKind.APP_UNBLOCK})
"""What still reaches a blocked application, each with its own rule."""


class SoftwareCard(Chip[CardImage, Session]):
    """A `CardChannel` onto a card that exists in memory; see `Chip` for how it is made."""

    def _new_session(self) -> Session:
        return Session()

    def power_on(self) -> bytes:
        """Put the card into the field anew; gives the answer to reset."""
        self._session = Session()
        return ATR

    def transmit(self, apdu: bytes) -> Response:
        """Run one command; see `CardChannel`.

        Raises:
            CardGone: the card has no power, or the switch cut it during this command.

        """
        session = self._in_power()
        try:
            command = Command.parse(apdu)
        except Malformed:
            command = None
        shape = shape_of(command) if command else None
        cut = self.switch.draw(shape.kind if shape else CommandKind.UNKNOWN)
        if cut == BEFORE:
            self._lose_power()
        outcome = self._run(session, command, shape)
        for write in outcome.writes[:cut]:
            self._write(write)
        if cut is not None:
            self._lose_power()
        return outcome.response

    def _run(self, session: Session, command: Command | None, shape: Shape | None) -> Outcome:
        if command is None:
            session.pending = None
            return Refusal(StatusWord.WRONG_LENGTH).outcome
        try:
            return self._handled(session, command, shape)
        except Refusal as no:
            return no.outcome

    def _handled(self, session: Session, command: Command, shape: Shape | None) -> Outcome:
        if shape:
            _check_le(command, shape)  # first: the same command with the right Le may then still complete an INIT
        pending, session.pending = session.pending, None
        self._check_not_blocked(session, shape)
        if shape is None:
            raise Refusal(_why_unknown(command))
        if shape.lc is not None and len(command.data) != shape.lc:
            raise Refusal(StatusWord.WRONG_LENGTH)
        return HANDLERS[shape.kind](Context(self.image, session, command, pending, self._random))

    def _check_not_blocked(self, session: Session, shape: Shape | None) -> None:
        if self.image.card_blocked:
            raise Refusal(StatusWord.NOT_SUPPORTED)
        inside = session.aid is not None and (shape is None or shape.kind not in WHEN_BLOCKED)
        if self.image.app_blocked and inside:
            raise Refusal(BLOCKED_ANSWERS[self.image.app_blocked])


def _check_le(command: Command, shape: Shape) -> None:
    """Le may be left out, be 00, or be exactly what there is; otherwise 6Cxx, and nothing has happened."""
    if shape.answer is not None and command.le not in (None, LE_MAX, shape.answer):
        raise Refusal(StatusWord.WRONG_LE | shape.answer if shape.answer else StatusWord.WRONG_LENGTH)


def _why_unknown(command: Command) -> StatusWord:
    same_class = [shape for shape in SHAPES if shape.cla == command.cla]
    if not same_class:
        return StatusWord.CLA_NOT_SUPPORTED
    known = any(shape.ins == command.ins for shape in same_class)
    return StatusWord.WRONG_PARAMETERS if known else StatusWord.INS_NOT_SUPPORTED
