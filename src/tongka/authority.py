"""Who may do what at the command line in production: one table, which the documentation prints.

A command that is not in the table changes nothing, or nothing of worth; whoever has the shell may run it, and the audit
trail names the unix user. A sandbox asks nobody.
"""

from collections.abc import Mapping
from enum import StrEnum


class Who(StrEnum):
    """How many operators a command needs."""

    OPERATOR = "an operator"
    TWO = "two operators: one says it, another says the same"
    OTHER = "an operator other than the one who began"


AUTHORITY: Mapping[str, tuple[Who, str]] = {
    "card-stock import": (Who.OPERATOR, "new cards hold nothing; cards with riders wait for `confirm`"),
    "card-stock confirm": (Who.OTHER, "puts opening balances on the books"),
    "card-stock withdraw": (Who.OPERATOR, "takes back what is not confirmed"),
    "card-stock block": (Who.OPERATOR, "keeps a rider from his card"),
    "card-stock unblock": (Who.OPERATOR, "lets a card be used again"),
}
"""Command → who, and why."""
