"""A script that a card ran: commands, each with its answer, in the order in which they were sent."""

from collections.abc import Sequence
from typing import NamedTuple

from tongka.card.apdu import Command, Response
from tongka.errors import CardAnswersMissing


class Exchange(NamedTuple):
    """One command and what the card answered to it."""

    command: Command
    answer: Response


Script = tuple[Exchange, ...]


def pair(commands: Sequence[Command], answers: Sequence[Response]) -> Script:
    """Put each answer beside its command.

    Raises:
        CardAnswersMissing: another number of answers than of commands, or none at all.

    """
    if not commands or len(commands) != len(answers):
        raise CardAnswersMissing(f"{len(commands)} commands have {len(answers)} answers; send one answer for each")
    return tuple(map(Exchange, commands, answers))
