"""The sandbox's payment institution: says yes, says no, or does not answer, as it was told to.

It keeps its books in the city's database, so that all processes meet the same institution and it forgets nothing.
"""

from dataclasses import dataclass

from tongka.payments import Answer
from tongka.store import payments as books
from tongka.store.db import Database
from tongka.store.payments import Refund


@dataclass(frozen=True, slots=True)
class SimulatedInstitution:
    """A `PaymentInstitution`; see `behave` for how to make it refuse or fall silent."""

    database: Database

    async def behave(self, behaviour: Answer, payment_order: str = "") -> None:
        """Answer so from now on, to payment orders that begin with `payment_order`: to all of them if it is empty."""
        await books.set_behaviour(self.database, payment_order, behaviour.value)

    async def paid(self, institution: str, payment_order: str, amount_fen: int) -> Answer:
        """Every payment was made, unless it was told otherwise."""
        del institution, amount_fen  # a till that believes everybody
        return Answer(await books.behaviour(self.database, payment_order))

    async def refund(self, institution: str, refund_no: str, payment_order: str, amount_fen: int) -> Answer:
        """Pay back once; a decided refund is told again, whatever the behaviour has become. Other contents: no."""
        del institution
        decided = await books.refund(self.database, refund_no)
        if decided is None:
            behaviour = Answer(await books.behaviour(self.database, payment_order))
            if behaviour is Answer.UNKNOWN:
                return behaviour
            await books.decide(
                self.database, Refund(refund_no, payment_order, amount_fen, paid=behaviour is Answer.YES)
            )
            decided = await books.refund(self.database, refund_no)  # which may be another process's decision
        paid = decided == Refund(refund_no, payment_order, amount_fen, paid=True)
        return Answer.YES if paid else Answer.NO
