"""Payment institutions: asked whether an order is paid, told to refund, asked what became of a refund.

The port is `PaymentInstitution`; one file for each institution implements it. An answer is yes, no, or not known; the
last is a state and not a failure, and is asked about again under the same number.
"""

from enum import StrEnum
from typing import Protocol

OURS = "app"
"""The institution under whose name Your Server orders."""
OPENING = "/open"
"""Behind an order's number: the part of its payment that pays for an opening; a first top-up is refunded apart."""
CARRIED_IN, CARRIED_OUT = "/in", "/out"
"""The two halves of a migration."""


class Answer(StrEnum):
    """What an institution says."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class PaymentInstitution(Protocol):
    """One payment institution. No method raises for a network's sake: what could not be learnt is `Answer.UNKNOWN`."""

    async def paid(self, institution: str, payment_order: str, amount_fen: int) -> Answer:
        """Whether this payment was made, with this amount."""

    async def refund(self, institution: str, refund_no: str, payment_order: str, amount_fen: int) -> Answer:
        """Pay back. The same `refund_no` again never pays twice; it answers what became of the first."""
