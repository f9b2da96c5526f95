"""Locking a card in a phone and lifting the lock (SET STATUS): the issuer's word to the chip, not to the purse.

A locked card cannot be asked any more, so a lock first asks it what became of a top-up that broke off. It asks once,
and waits for nothing: whatever comes of it, the card is locked.
"""

from collections.abc import Mapping
from contextlib import suppress

from tongka.card import global_platform as gp
from tongka.errors import TongkaError
from tongka.journeys.refusals import CardStateWrong
from tongka.journeys.return_card import LOST
from tongka.journeys.wallet import channel, settle
from tongka.journeys.wallet.channel import Presence
from tongka.journeys.wallet.program import CARD_NOT_THERE, ElementRefuses, Heard, LookAgain, Phase, Run, Said
from tongka.store import wallet
from tongka.store.orders import Order
from tongka.store.wallet import Business, CardPlace, Standing


async def start(run: Run, standing: Mapping[str, Order]) -> Said:
    """Raises: CardStateWrong: a lost card is not unlocked."""
    if run.order.business is Business.UNLOCK:
        if run.card.row.status == LOST:
            raise CardStateWrong(f"card {run.order.card_no} was reported lost; it stays locked")
        return await channel.begin(run, "lock.set")
    broken = settle.broken_off(standing.values())
    if broken and not run.program.settled:
        run.program.settled = True
        with suppress(LookAgain, TongkaError):
            return await settle.ask(run, broken, "lock.settled")
    return await channel.begin(run, "lock.set")


async def settled(run: Run, heard: Heard) -> Said:
    with suppress(LookAgain, TongkaError):
        await settle.decide(run, heard)
    return await channel.begin(run, "lock.set")


async def set_status(run: Run, heard: Heard) -> Said:
    aid = run.card.profile.aid
    if channel.presence(run, heard) is Presence.ABSENT or await run.displaced():
        return run.end(Standing.FAILED, CARD_NOT_THERE)
    return channel.send(run, "lock.was_set", gp.set_status(aid, locked=run.order.business is Business.LOCK))


async def was_set(run: Run, heard: Heard) -> Said:
    if heard.refused:
        raise ElementRefuses.by("lock", heard.refused)
    if not heard.all_ok:
        raise LookAgain
    place = CardPlace.LOCKED if run.order.business is Business.LOCK else CardPlace.LIVE
    await wallet.place_card(run.system.database, run.order.card_no, place, run.element.se_id)
    return run.end(Standing.DONE)


PHASES: dict[str, Phase] = {"lock.settled": settled, "lock.set": set_status, "lock.was_set": was_set}
