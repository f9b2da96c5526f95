"""The power-cut switch: it tears the card out of the field at a chosen place of a chosen command.

A command that makes n internal writes has the points 0 (before it did anything), 1 … n-1 (between its writes) and n or
more (after the last one, before its answer leaves). A command without writes has just the first and the last.
"""

from dataclasses import dataclass

from tongka.card.commands import CommandKind

BEFORE = 0
AFTER = 0xFF
"""After everything was done; only the answer is lost."""


@dataclass(slots=True)
class PowerSwitch:
    """Armed for one cut; harmless otherwise.

    Attributes:
        point: None while it is not armed.
        skip: how many matching commands still go through unharmed.
        kind: which commands match; None for every one.

    """

    point: int | None = None
    skip: int = 0
    kind: CommandKind | None = None

    def arm(self, point: int, *, skip: int = 0, kind: CommandKind | None = None) -> None:
        """Cut at `point` of the next command (after `skip` others), or of the next of one `kind`."""
        self.point, self.skip, self.kind = point, skip, kind

    def draw(self, kind: CommandKind) -> int | None:
        """The point at which the command now starting is to be cut, if it is; the switch is then no longer armed."""
        if self.point is None or self.kind not in (None, kind):
            return None
        if self.skip:
            self.skip -= 1
            return None
        point, self.point = self.point, None
        return point
