"""What a proved debit of a returned card means: whom it pays. Both the confirm and card management end here."""

from typing import Any

from tongka.card.apdu import Command
from tongka.card.purse import Moment, PurchaseInit
from tongka.journeys.call import Call
from tongka.journeys.looks import KnownCard
from tongka.ledger import Account
from tongka.orders import Leg, receivable
from tongka.payments import OURS
from tongka.store.orders import Order

RETURNED = "02"


async def verify_debit(call: Call, card: KnownCard, order: Order, tac: bytes) -> None:
    """E+ of a return: the TAC of the debit that emptied the purse."""
    init = PurchaseInit.parse(order.amount_fen, order.terminal or b"", order.init or b"")
    released = Command.parse(order.command or b"").data
    moment = Moment(released[4:8], released[8:11])
    await call.system.hsm.verify_purchase_tac(card.keys(init.key_version), init, released[:4], moment, tac)


def payout(deposit_fen: int, order: Order) -> dict[str, Any]:
    """The parts of the move that ends a return: deposit and balance are paid out, the card leaves the books.

    Whoever took the money pays it out, and it is set off with him. What Your Server took stays payable, and the payout
    that begins with this move sends it back through the payment institutions.
    """
    total_fen = order.amount_fen + deposit_fen
    ours = order.institution == OURS
    transfers = (
        (Leg("single", Account.DEPOSITS_HELD, Account.REFUNDS_PAYABLE), deposit_fen),
        (Leg("single", Account.REFUNDS_PAYABLE, receivable(order.payment_method)), 0 if ours else total_fen),
    )
    return {
        "extra_legs": tuple((leg, amount) for leg, amount in transfers if amount),
        "card": {"status": RETURNED, "enabled": False, "deposit_fen": 0},
        "owes_fen": total_fen if ours else 0,
    }
