"""What time does to orders: a broken-off authorisation, silence after MAC2, a confirm whose keys did not answer,
and orders that nobody paid for.
"""

from datetime import timedelta

from tongka.card.files import File15
from tongka.card.profiles import profile_named
from tongka.errors import HsmUnavailable, MacWrong
from tongka.journeys.looks import KnownCard
from tongka.journeys.topup import verify_tac
from tongka.orders import Event, State
from tongka.store import cards, orders
from tongka.store.orders import Order
from tongka.system import System

BATCH = 500
UNPAID_FOR = timedelta(days=1)
"""After which an order that nothing was paid for is closed."""


async def take_back(system: System, broken_off_for: timedelta = timedelta()) -> int:
    """6 → 1: authorisations that were broken off, of which no MAC2 was released; how many.

    Without a time, all of them: for a start after which nobody else can be at work.
    """
    before = system.clock() - broken_off_for
    return sum(
        [
            await _move(system, order, Event.KEYS_FAILED, pin_atc=None, attempt=order.attempt + 1)
            for order in await orders.in_state(system.database, State.AUTHORISING, before, BATCH)
        ]
    )


async def sweep(system: System) -> int:
    """One round; answers how many orders it moved."""
    now = system.clock()
    city = system.settings.city
    moved = await take_back(system, timedelta(seconds=city.sweep_s))
    for order in await orders.in_state(
        system.database, State.AUTHORISED, now - timedelta(seconds=city.silence_s), BATCH
    ):
        moved += await _move(system, order, Event.SILENCE)
    for order in await orders.in_state(system.database, State.CONFIRMING, now, BATCH):
        moved += await _verify_held(system, order)
    for order in await orders.unpaid_since(system.database, now - UNPAID_FOR, BATCH):
        moved += await _move(system, order, Event.CANCEL_UNPAID)
    return moved


async def _verify_held(system: System, order: Order) -> bool:
    """7: the TAC was kept because the keys did not answer."""
    row = await cards.find(system.database, order.card_no)
    if row is None or not order.evidence:
        return False
    card = KnownCard(row, profile_named(row.profile), File15.parse(row.file15))
    try:
        await verify_tac(system, card, order, order.evidence)
    except HsmUnavailable:
        return False
    except MacWrong:
        return await _move(system, order, Event.TAC_WRONG)
    return await _move(system, order, Event.CREDITED, closed_by="tac")


async def _move(system: System, order: Order, event: Event, **changes: object) -> bool:
    step = orders.Move(
        order=order,
        event=event,
        at=system.clock(),
        settlement_date=system.day(system.clock()),
        actor="sweep",
        changes=changes,
    )
    try:
        await orders.move(system.database, step)
    except orders.MovedMeanwhile:
        return False
    return True
