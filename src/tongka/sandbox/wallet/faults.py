"""What a phone can be told to do wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tongka.card.commands import CommandKind, classify
from tongka.sandbox.wallet.seram import Status


class Step(StrEnum):
    """The boundaries at which a phone may die."""

    HANDSHAKE = "handshake"
    """A handshake is about to leave."""
    REPORT = "report"
    """A report is about to leave."""
    ORDER = "order"
    """An order has come, and was not looked at."""
    APDU = "apdu"
    """A command is about to go to the element."""
    ANSWER = "answer"
    """The element has executed it, and nobody has seen the answer."""


class PhoneDied(Exception):  # noqa: N818 - nobody's error: it was told to
    """The phone is off; its elements have no power."""


def _nothing_lost(_message: int) -> bool:
    return False


@dataclass(slots=True)
class Faults:
    """A programme of misfortunes; none to begin with.

    Attributes:
        die_at: the number of the step, counted from 1, at which the phone dies, once.
        die_after: the kind of command that the element still executes before the phone dies, once.
        steps: every step so far.
        repeats: each report is sent so many times more than needed.
        with_round: whether reports repeat the order's round.
        says: what the agent reports instead of running commands.
        lost: whether the nth message (from 1) gets lost on its way: it is not sent.
        answer_lost: whether the answer to the nth message gets lost.

    """

    die_at: int | None = None
    die_after: CommandKind | None = None
    steps: list[Step] = field(default_factory=list)
    repeats: int = 0
    with_round: bool = True
    says: Status | None = None
    lost: Callable[[int], bool] = _nothing_lost
    answer_lost: Callable[[int], bool] = _nothing_lost
    messages: int = 0

    def reach(self, step: Step, apdu: bytes = b"") -> None:
        """Take a step; `apdu` is the command that it is about.

        Raises:
            PhoneDied: it was the one.

        """
        self.steps.append(step)
        after = step is Step.ANSWER and self.die_after is not None and classify(apdu) is self.die_after
        if after or len(self.steps) == self.die_at:
            self.die_at = self.die_after = None
            raise PhoneDied(f"at step {len(self.steps)}, {step}")
