"""Paying out deleted cards: the balance and the deposit go back through the institutions that riders paid at.

The payout begins with the move that ends the card's return, whatever proved it: a TAC, an empty card, people, or the
books for a lost card. It is a row of the database, and so is each refund before anybody is asked for it; so whoever
dies, the next turn asks under the same number. An institution that does not know is asked again, one that refuses
leaves it to the payment before; what no payment covers is owed, and people pay it.
"""

from datetime import timedelta

from tongka import payouts as rules
from tongka.errors import Malformed
from tongka.journeys.app.ordering import METHODS
from tongka.journeys.operators import require_text
from tongka.journeys.refusals import OrderNotFound
from tongka.journeys.wallet.orders import OTHER
from tongka.ledger import Account
from tongka.orders import MoveForbidden, receivable
from tongka.payments import CARRIED_IN, CARRIED_OUT, OPENING, OURS, Answer
from tongka.payments.acquirer import Acquirer, RefundAsk
from tongka.payouts import Planned
from tongka.store import carrying, payouts
from tongka.store.carrying import Carrying
from tongka.store.db import Database
from tongka.store.payouts import Payout, PayoutRefund, PayoutState, RefundState
from tongka.store.stamp import Stamp
from tongka.system import System

BATCH = 100
ACTOR = "payouts"
PLANNED = frozenset({PayoutState.WAITING, PayoutState.SENDING})
REFERENCE_MAX = 64
PAID_FROM = {"bank": Account.BANK, "cash": Account.CASH_DESK}
"""Where people take from what they pay out by hand."""
ANSWERED = {Answer.YES: RefundState.DONE, Answer.NO: RefundState.REFUSED}


async def pay_out(system: System) -> int:
    """One turn for every payout that is under way; how many refunds were decided."""
    for one in await carrying.look(system.database, OURS, (CARRIED_OUT, CARRIED_IN), BATCH):
        await _begin(system, one)
    for payout in await payouts.to_plan(system.database, BATCH):
        await _plan(system, payout)
    before = system.clock() - timedelta(seconds=system.settings.payments.ask_again_s)
    due = await payouts.due(system.database, list(system.acquirers), before, BATCH)
    return sum([await _ask(system, system.acquirers[one.acquirer], one) for one in due])


async def _begin(system: System, one: Carrying) -> None:
    """A deletion that is half of a migration pays nothing out: the card is opened elsewhere with it.

    What comes back of that opening is paid out after all.
    """
    if one.carried:
        await carrying.come_back(system.database, one, _stamp(system))
    elif one.migrates:
        await carrying.carry(system.database, one, _stamp(system))
    else:
        await _plan(system, await payouts.of_card(system.database, one.card_no))


async def _plan(system: System, payout: Payout | None) -> None:
    """Refunds for what is left; where no payment is, it is owed; where nothing is left, it is done.

    One that another worker has planned meanwhile has refunds under way: what is left is not known before they are.
    """
    if payout is None or payout.state not in PLANNED or payout.due_fen:
        return
    found = await payouts.refundable(system.database, payout, OURS, OPENING, CARRIED_OUT)
    windows = {one.name: timedelta(days=one.refund_days) for one in system.acquirers.values()}
    planned = rules.plan(payout.left_fen, found, windows, system.clock())
    refunds = [_refund(payout, number, one) for number, one in enumerate(planned, start=payout.refunds + 1)]
    rest = PayoutState.OWED if payout.left_fen else PayoutState.DONE
    await payouts.proceed(system.database, payout, PayoutState.SENDING if refunds else rest, refunds, system.clock())


def _refund(payout: Payout, number: int, one: Planned) -> PayoutRefund:
    """Its number is the return's, and which of its refunds it is."""
    account = receivable(METHODS.get(one.acquirer, OTHER))
    refund_no = f"P{payout.order_no}-{number}"
    return PayoutRefund(refund_no, one.payment_no, one.acquirer, account, one.amount_fen, nth=one.nth)


async def _ask(system: System, acquirer: Acquirer, refund: PayoutRefund) -> bool:
    """Ask what became of it, where it was asked for before; then for it, under the same number."""
    wanted = RefundAsk(
        refund_no=refund.refund_no,
        payment_no=refund.payment_no,
        amount_fen=refund.amount_fen,
        total_fen=refund.total_fen,
    )
    await payouts.note_asked(system.database, refund, system.clock())
    answer = await acquirer.query_refund(wanted) if refund.asked_at else Answer.UNKNOWN
    if answer is not Answer.YES:
        answer = await acquirer.refund(wanted)
    state = ANSWERED.get(answer)
    return state is not None and await payouts.decide(system.database, refund, state, _stamp(system))


async def by_hand(database: Database, order_no: str, reference: str, source: str, stamp: Stamp) -> Payout:
    """People have paid out what was owed of a returned card; `stamp.actor` is who says so. The same again is harmless.

    Raises:
        OrderNotFound: no such return of a card of Your Server's.
        MoveForbidden: it is not owed: still on its way, or paid out.
        Malformed: the reference would not read well, or `source` is none of `PAID_FROM`.

    """
    require_text("reference", reference, REFERENCE_MAX)
    if source not in PAID_FROM:
        raise Malformed("from", f"is one of {', '.join(PAID_FROM)}")
    payout = await _of_number(database, order_no)
    if payout.state is PayoutState.OWED:
        await payouts.paid_by_hand(database, payout, PAID_FROM[source], reference, stamp)
        payout = await _of_number(database, order_no)
    if payout.reference != reference:
        raise MoveForbidden(f"the payout of {order_no} is {payout.state.value}; only what is owed is paid by hand")
    return payout


async def _of_number(database: Database, order_no: str) -> Payout:
    payout = await payouts.by_number(database, order_no)
    if payout is None:
        raise OrderNotFound(f"there is no payout {order_no}; `tongka payments owed` lists those that are")
    return payout


def _stamp(system: System) -> Stamp:
    now = system.clock()
    return Stamp(now, system.day(now), ACTOR)
