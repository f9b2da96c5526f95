"""The scripts: how each business begins, and every phase by its name."""

from collections.abc import Awaitable, Callable, Mapping

from tongka.journeys.wallet import channel, deletion, load, lock, opening, settle, update
from tongka.journeys.wallet.program import Phase, Run, Said, Start
from tongka.store.wallet import Business, Standing


async def _fail(run: Run, reason: str) -> Said:
    """The card is as it was, or half of what was ordered stands in its files: it may be ordered anew."""
    return run.end(Standing.FAILED, reason)


STARTS: Mapping[Business, Start] = {
    Business.OPEN: opening.start,
    Business.TOPUP: load.start,
    Business.UPDATE: update.start,
    Business.DELETE: deletion.start,
    Business.LOCK: lock.start,
    Business.UNLOCK: lock.start,
}

GIVE_UP: Mapping[Business, Callable[[Run, str], Awaitable[Said]]] = {
    Business.OPEN: opening.give_up,
    Business.UPDATE: _fail,
    Business.LOCK: _fail,
    Business.UNLOCK: _fail,
}
"""How a business ends that the element refuses, with this reason; what may have moved money does not end so."""

PHASES: Mapping[str, Phase] = {
    **settle.PHASES,
    **channel.PHASES,
    **opening.PHASES,
    **load.PHASES,
    **update.PHASES,
    **deletion.PHASES,
    **lock.PHASES,
}
