"""The scripts: how each business begins, and every phase by its name."""

from collections.abc import Mapping

from tongka.journeys.wallet import channel, deletion, load, lock, opening, settle, update
from tongka.journeys.wallet.program import Phase, Start
from tongka.store.wallet import Business

STARTS: Mapping[Business, Start] = {
    Business.OPEN: opening.start,
    Business.TOPUP: load.start,
    Business.UPDATE: update.start,
    Business.DELETE: deletion.start,
    Business.LOCK: lock.start,
    Business.UNLOCK: lock.start,
}

PHASES: Mapping[str, Phase] = {
    **settle.PHASES,
    **channel.PHASES,
    **opening.PHASES,
    **load.PHASES,
    **update.PHASES,
    **deletion.PHASES,
    **lock.PHASES,
}
