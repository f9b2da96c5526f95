"""What a card and a secure element have in common: a state that lasts, a session that does not, and power."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Never, TypeVar

from tongka.errors import CardGone
from tongka.sandbox.card.power import PowerSwitch

Image = TypeVar("Image")
Session = TypeVar("Session")


class Chip(ABC, Generic[Image, Session]):
    """A chip that exists in memory.

    Args:
        image: how it was personalised, and what has happened to it.
        random: makes n random bytes.
        keep: called with the new image at each internal write, before the answer leaves; writes it to a file, say.

    Attributes:
        image: the lasting state, as of the last internal write.
        switch: cuts the power at a chosen point.

    """

    def __init__(
        self, image: Image, random: Callable[[int], bytes], keep: Callable[[Image], None] | None = None
    ) -> None:
        self.image = image
        self.switch = PowerSwitch()
        self._random = random
        self._keep = keep
        self._session: Session | None = self._new_session()

    @abstractmethod
    def _new_session(self) -> Session:
        """The volatile state as it is after power-on."""

    @property
    def powered(self) -> bool:
        return self._session is not None

    def power_off(self) -> None:
        """Whatever does not last is gone: selection, channel, challenge."""
        self._session = None

    def _in_power(self) -> Session:
        if self._session is None:
            raise CardGone("the card has no power; put it back on the reader, or switch the phone on")
        return self._session

    def _write(self, write: Callable[[Image], Image]) -> None:
        """One internal write."""
        self.image = write(self.image)
        if self._keep:
            self._keep(self.image)

    def _lose_power(self) -> Never:
        self.power_off()
        raise CardGone("the power went: the card was torn out of the reader, or the phone died")
