"""Which institution is asked: payments made at Your Server went to their acquirer, all others to the installation's.

To journeys this is one `PaymentInstitution`; where a payment was made is looked up, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tongka.payments import CARRIED_IN, CARRIED_OUT, OPENING, OURS, Answer, PaymentInstitution
from tongka.payments.acquirer import Acquirer, RefundAsk
from tongka.store import app, pay
from tongka.store.db import Database


@dataclass(frozen=True, slots=True)
class Routed:
    """A `PaymentInstitution` over several."""

    database: Database
    acquirers: Mapping[str, Acquirer]
    others: PaymentInstitution

    async def paid(self, institution: str, payment_order: str, amount_fen: int) -> Answer:
        """Of our own orders: whether the payment is decided and covers the amount, or a deletion has paid it out."""
        if institution != OURS:
            return await self.others.paid(institution, payment_order, amount_fen)
        if payment_order.endswith(CARRIED_IN):
            out = payment_order.removesuffix(CARRIED_IN) + CARRIED_OUT
            return _yes(sum(await app.carried(self.database, OURS, out) or ()) == amount_fen)
        row = await pay.of_order(self.database, payment_order.removesuffix(OPENING))
        return _yes(row is not None and row.state == "paid" and row.amount_fen == amount_fen)

    async def refund(self, institution: str, refund_no: str, payment_order: str, amount_fen: int) -> Answer:
        """Ask first what became of it: a refund that was asked for before may have been paid.

        What a migration brought was paid at no institution; it goes back to the payout of the card that it came from.
        """
        if institution == OURS and payment_order.removesuffix(OPENING).endswith(CARRIED_IN):
            return Answer.YES
        row = await pay.of_order(self.database, payment_order.removesuffix(OPENING)) if institution == OURS else None
        if row is None:
            return await self.others.refund(institution, refund_no, payment_order, amount_fen)
        acquirer = self.acquirers.get(row.acquirer)
        if acquirer is None:
            return Answer.UNKNOWN  # until it is configured again
        wanted = RefundAsk(
            refund_no=refund_no, payment_no=row.payment_no, amount_fen=amount_fen, total_fen=row.amount_fen
        )
        known = await acquirer.query_refund(wanted)
        return known if known is Answer.YES else await acquirer.refund(wanted)


def _yes(holds: bool) -> Answer:  # noqa: FBT001 - the answer itself
    return Answer.YES if holds else Answer.NO
