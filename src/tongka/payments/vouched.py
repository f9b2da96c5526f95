"""No payment institution is connected: partners vouch for what their riders paid, and pay refunds themselves.

The books then show what is owed: a refund leaves `refunds_payable` for the receivable that the payment came from, and
is set off when the partner settles.
"""

from dataclasses import dataclass

from tongka.payments import Answer


@dataclass(frozen=True, slots=True)
class Vouched:
    """A `PaymentInstitution` that takes the partner's word, as its contract says."""

    async def paid(self, institution: str, payment_order: str, amount_fen: int) -> Answer:
        """The institution signed for it (Huzhou 4.2 requires the payment order's number)."""
        del institution, payment_order, amount_fen
        return Answer.YES

    async def refund(self, institution: str, refund_no: str, payment_order: str, amount_fen: int) -> Answer:
        """The partner pays back what it took, and is told to by the order's state."""
        del institution, refund_no, payment_order, amount_fen
        return Answer.YES
