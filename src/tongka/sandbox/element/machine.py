"""The software secure element: takes APDUs and answers as a chip in a phone does.

It selects, and hands on: to the security domain, over its channel, or to the purse of the selected instance, which is a
`SoftwareCard`. Internal writes are made one by one, and the switch cuts the power before, between and after them.
"""

from tongka.card.apdu import Command, Response, StatusWord
from tongka.card.commands import CommandKind, classify
from tongka.card.global_platform import Answer, tlv
from tongka.card.secure_channel.channel import SECURED
from tongka.errors import CardGone, Malformed
from tongka.sandbox.card.chip import Chip
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.power import BEFORE
from tongka.sandbox.card.state import Refusal
from tongka.sandbox.element.channel import CardSide
from tongka.sandbox.element.domain import HANDLERS, DomainSession, Row
from tongka.sandbox.element.image import ElementImage

SELECT, BY_NAME = 0xA4, 0x04


class Session:
    """The volatile state, from power-on to power-off.

    Attributes:
        selected: the AID of an instance; None is the security domain, where an element starts.
        purses: the instances that were selected, each as a card that remembers its own session.

    """

    def __init__(self) -> None:
        self.selected: bytes | None = None
        self.domain = DomainSession()
        self.purses: dict[bytes, SoftwareCard] = {}


class SoftwareElement(Chip[ElementImage, Session]):
    """A `CardChannel` onto a secure element that exists in memory; see `Chip` for how it is made."""

    def _new_session(self) -> Session:
        return Session()

    def power_on(self) -> None:
        """Start anew: the security domain is selected, and no channel is open."""
        self._session = Session()

    def transmit(self, apdu: bytes) -> Response:
        """Run one command; see `CardChannel`.

        Raises:
            CardGone: the element has no power, or the switch cut it during this command.

        """
        session = self._in_power()
        try:
            command = Command.parse(apdu)
        except Malformed:
            command = None
        cut = self.switch.draw(_kind(session, command))
        if cut == BEFORE:
            self._lose_power()
        response = self._run(session, command, apdu, cut)
        if cut is not None:
            self._lose_power()
        return response

    def _run(self, session: Session, command: Command | None, apdu: bytes, cut: int | None) -> Response:
        if command is None:
            return Response(b"", StatusWord.WRONG_LENGTH)
        try:
            if _is_select(command):
                self._enter(session, command.data)
            if session.selected is None:
                return self._domain(session.domain, command, cut)
            return self._application(session, session.selected, apdu, cut)
        except Refusal as no:
            return no.outcome.response

    # --- selection ----------------------------------------------------------------------------------------------------

    def _enter(self, session: Session, name: bytes) -> None:
        """Whatever is selected, the channel ends; what cannot be selected leaves the selection as it is."""
        if name in (b"", self.image.security_domain):
            session.selected = None
        else:
            instance = self.image.instances.get(name)
            if instance is None or instance.locked:
                raise Refusal(Answer.NOT_FOUND)
            session.selected = name
        session.domain = DomainSession()

    def _application(self, session: Session, aid: bytes, apdu: bytes, cut: int | None) -> Response:
        purse = self._purse(session, aid)
        if purse is None:
            return self._blank(aid, apdu)
        if cut is not None:
            purse.switch.arm(cut)
        try:
            return purse.transmit(apdu)
        except CardGone:
            self.power_off()
            raise

    def _purse(self, session: Session, aid: bytes) -> SoftwareCard | None:
        """The instance's card; the same one as long as the element has power and the instance is not made anew."""
        lasting, card = self.image.instances[aid].purse, session.purses.get(aid)
        if lasting is None:
            return None
        if card is None or card.image is not lasting:
            card = SoftwareCard(
                lasting, self._random, lambda purse: self._write(lambda image: image.with_purse(aid, purse))
            )
            session.purses[aid] = card
        return card

    def _blank(self, aid: bytes, apdu: bytes) -> Response:
        """An instance that was not personalised can be selected, and nothing else."""
        if not _is_select(Command.parse(apdu)):
            raise Refusal(Answer.CONDITIONS)
        return Response(tlv(0x6F, tlv(0x84, aid) + tlv(0xA5, b"")), StatusWord.OK)

    # --- the security domain ------------------------------------------------------------------------------------------

    def _domain(self, session: DomainSession, command: Command, cut: int | None) -> Response:
        if _is_select(command):
            return Response(tlv(0x6F, tlv(0x84, self.image.security_domain) + tlv(0xA5, b"")), StatusWord.OK)
        row = _row(command)
        if not row.secured and not (session.channel and command.cla & SECURED and command.ins != 0x82):
            return self._done(row, session, command, cut)
        channel, plain = _unwrapped(session, command)
        try:
            answer = self._done(row, session, plain, cut)
        except Refusal as no:
            answer = no.outcome.response
        return channel.protect(answer)

    def _done(self, row: Row, session: DomainSession, command: Command, cut: int | None) -> Response:
        done = row.run(self.image, session, command)
        for write in done.writes[:cut]:
            self._write(write)
        return Response(done.data, StatusWord.OK)


def _is_select(command: Command) -> bool:
    return (command.cla, command.ins, command.p1) == (0x00, SELECT, BY_NAME)


def _row(command: Command) -> Row:
    if command.cla & ~SECURED != 0x80:
        raise Refusal(StatusWord.CLA_NOT_SUPPORTED)
    row = HANDLERS.get(command.ins)
    if row is None:
        raise Refusal(StatusWord.INS_NOT_SUPPORTED)
    return row


def _unwrapped(session: DomainSession, command: Command) -> tuple[CardSide, Command]:
    """Over the channel; a command that it does not protect, or not well, ends it."""
    channel, session.channel = session.channel, None
    if channel is None:
        raise Refusal(Answer.NOT_AUTHENTICATED)
    session.channel, plain = channel.unwrap(command)
    return session.channel, plain


def _kind(session: Session, command: Command | None) -> CommandKind:
    """What the switch goes by; commands of the domain have no kind."""
    ours = command is not None and session.selected is None and not _is_select(command)
    return CommandKind.UNKNOWN if ours or command is None else classify(command)
