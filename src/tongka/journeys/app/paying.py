"""Paying an order (IF3): begun at an acquirer, decided by its notice or by asking, never by guessing.

An undecided payment is asked about for as long as it is undecided; a notice that comes twice decides once. Where the
order came to nothing meanwhile, the money is a stray and goes back under a number of its own.
"""

from collections.abc import Mapping
from datetime import timedelta

from tongka.journeys.app.ordering import METHODS
from tongka.journeys.app.refusals import NotPayable
from tongka.journeys.wallet.orders import OTHER
from tongka.ledger import Account
from tongka.orders import receivable
from tongka.payments import Answer
from tongka.payments.acquirer import Acquirer, Found, Payment, RefundAsk, Ticket
from tongka.store import app, pay
from tongka.store.app import AppOrder, AppState
from tongka.store.pay import PaymentRow
from tongka.store.stamp import Stamp
from tongka.system import System

EXPIRES_S = 900
"""How long a rider has time to pay."""
GRACE_S = 600
"""How long an institution that says no is asked on, beyond that: a payment may have been made in the last second."""
BATCH = 100
SUBJECT = "Transit card"


async def pay_order(system: System, order: AppOrder, name: str) -> Ticket | None:
    """Begin the payment of an order, or tell again how it began; None: ask again, it is not known whether it did.

    Raises:
        NotPayable: the order is not waiting for a payment, or for another institution's.

    """
    if order.state not in {AppState.CREATED, AppState.PAYING} or not order.total_fen:
        raise NotPayable(f"order {order.order_no} is {order.state.value}; there is nothing to pay")
    acquirer = acquirer_named(system, name)
    at = system.clock()
    row = await pay.begin(
        system.database,
        PaymentRow(
            order.order_no, order.order_no, name, order.total_fen, "created", "", at, at + timedelta(seconds=EXPIRES_S)
        ),
    )
    if row.acquirer != name:
        raise NotPayable(f"the payment of order {order.order_no} was begun with {row.acquirer}")
    if row.state != "created" or at > row.expires_at:
        raise NotPayable(f"the payment of order {order.order_no} is {row.state}, or its time is over")
    if order.state is AppState.CREATED:
        await app.move(system.database, order, AppState.PAYING, at)
    left = int((row.expires_at - at).total_seconds())
    return await acquirer.create(
        Payment(payment_no=row.payment_no, amount_fen=row.amount_fen, subject=SUBJECT, expires_s=max(60, left))
    )


def acquirer_named(system: System, name: str) -> Acquirer:
    """An institution that is connected.

    Raises:
        NotPayable: names those that are.

    """
    acquirer = system.acquirers.get(name)
    if acquirer is None:
        raise NotPayable(f"payment institution {name!r} is not connected; there are {', '.join(system.acquirers)}")
    return acquirer


async def take_notice(system: System, name: str, headers: Mapping[str, str], body: bytes) -> tuple[str, bytes]:
    """A notice, verified over its raw bytes; the acknowledgement that the institution expects.

    Raises:
        BadSignature, Malformed: it is not the institution's.
        NotPayable: no such institution.

    """
    acquirer = acquirer_named(system, name)
    notice = acquirer.verify_notice(headers, body)
    row = await pay.by_number(system.database, notice.payment_no)
    if row is None or row.acquirer != name:
        raise NotPayable(f"there is no payment {notice.payment_no} with {name}")
    await _decide(system, row, notice.found)
    return acquirer.acknowledge()


async def ask_again(system: System) -> int:
    """Ask about every payment that is due; how many were decided."""
    now = system.clock()
    before = now - timedelta(seconds=system.settings.payments.ask_again_s)
    decided = 0
    for row in await pay.due(system.database, before, BATCH):
        acquirer = system.acquirers.get(row.acquirer)
        if acquirer:
            decided += await _decide(system, row, await acquirer.query(row.payment_no))
    return decided


async def _decide(system: System, row: PaymentRow, found: Found) -> bool:
    """Paid, or unpaid for good; anything else stays open."""
    now = system.clock()
    if found.answer is Answer.YES:
        state = "paid" if found.amount_fen == row.amount_fen else "differs"
        return await pay.settle(system.database, row.payment_no, state, found.trade_no, now)
    if found.answer is Answer.NO and now > row.expires_at + timedelta(seconds=GRACE_S):
        return await pay.settle(system.database, row.payment_no, "closed", "", now)
    await pay.note_asked(system.database, row.payment_no, now)
    return False


async def return_strays(system: System) -> int:
    """Give back what was paid for orders that came to nothing; how many were decided."""
    now = system.clock()
    for row in await pay.strays(system.database, BATCH):
        await _post(system, row, "stray", (_receivable(row), Account.SUSPENSE))
    before = now - timedelta(seconds=system.settings.payments.ask_again_s)
    due = await pay.in_state(system.database, "stray", before, BATCH)
    return sum([await _return(system, row) for row in due])


async def _return(system: System, row: PaymentRow) -> bool:
    acquirer = system.acquirers.get(row.acquirer)
    if acquirer is None:
        return False
    wanted = RefundAsk(
        refund_no=f"S{row.payment_no}"[:32],
        payment_no=row.payment_no,
        amount_fen=row.amount_fen,
        total_fen=row.amount_fen,
    )
    answer = await acquirer.query_refund(wanted)
    if answer is not Answer.YES:
        answer = await acquirer.refund(wanted)
    if answer is Answer.YES:
        return await _post(system, row, "returned", (Account.SUSPENSE, _receivable(row)))
    if answer is Answer.NO:
        return await _post(system, row, "kept", (0, 0))
    await pay.note_asked(system.database, row.payment_no, system.clock())
    return False


async def _post(system: System, row: PaymentRow, state: str, legs: tuple[int, int]) -> bool:
    now = system.clock()
    stamp = Stamp(now, system.day(now), row.acquirer)
    return await pay.move(system.database, row, state, stamp, legs)


def _receivable(row: PaymentRow) -> int:
    return receivable(METHODS.get(row.acquirer, OTHER))
