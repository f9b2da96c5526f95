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
    "operator save": (Who.OPERATOR, "the first two are let in with nobody to ask; others wait for `activate`"),
    "operator activate": (Who.OTHER, "lets somebody act with money"),
    "operator deactivate": (Who.OPERATOR, ""),
    "operator unlock": (Who.OPERATOR, "lifts the lock of wrong passphrases"),
    "partner save": (Who.OPERATOR, "without a key"),
    "partner save --public-key, --next-public-key": (Who.TWO, "whoever has the key speaks for the institution"),
    "partner promote": (Who.OPERATOR, "two have said the next key before"),
    "partner activate": (Who.OPERATOR, "keeping out asks nobody"),
    "channel save": (Who.OPERATOR, "draws the key of a channel"),
    "channel next-key": (Who.OPERATOR, "draws the key of a channel"),
    "channel promote": (Who.OPERATOR, ""),
    "channel activate": (Who.OPERATOR, "keeping out asks nobody"),
    "application save": (Who.OPERATOR, "sets who is paid, and the key that says so"),
    "application add-card-type": (Who.OPERATOR, "says what rides are settled"),
    "prepaid supply": (Who.TWO, "makes money"),
    "recharge-card issue": (Who.OPERATOR, "the passwords are worth nothing before they are activated"),
    "recharge-card activate": (Who.TWO, "makes money"),
    "group-card import": (Who.TWO, "makes money"),
    "rider supply": (Who.OPERATOR, "cash at a counter, owed by who takes it"),
    "merchant card supply": (Who.OPERATOR, "the same"),
    "merchant charge": (Who.OPERATOR, "takes a rider's money"),
    "merchant waive": (Who.OPERATOR, "gives up a fare"),
    "key generate": (Who.TWO, "with card keys: nobody is to make master keys by himself"),
    "key rotate": (Who.TWO, "the same"),
    "card-stock import": (Who.OPERATOR, "new cards hold nothing; cards with riders wait for `confirm`"),
    "card-stock confirm": (Who.OTHER, "puts opening balances on the books"),
    "card-stock withdraw": (Who.OPERATOR, "takes back what is not confirmed"),
    "card-stock block": (Who.OPERATOR, "keeps a rider from his card"),
    "card-stock unblock": (Who.OPERATOR, "lets a card be used again"),
    "card-stock unlock": (Who.OPERATOR, "lets a card be tried again after too many wrong MACs or passwords"),
    "ledger explain": (Who.OPERATOR, "takes a card that was ahead of the books off the list"),
    "channel unlock": (Who.OPERATOR, "lets passwords be tried again in a domain"),
}
"""Command → who, and why."""
