"""Prepaid accounts (预付款账户) of merchants: money comes in, top-ups draw it, a low balance is told."""

from collections.abc import Sequence

import structlog

from tongka.errors import RepeatedWithOtherContents
from tongka.journeys.call import Call
from tongka.journeys.refusals import SupplyRepeated
from tongka.store import prepaid
from tongka.store.prepaid import Supply
from tongka.system import System

log = structlog.get_logger()


async def supply(call: Call, wanted: Supply) -> bytes:
    """Add money to an account, once under its id; answers the account."""
    database = call.system.database
    try:
        await prepaid.supply(database, wanted, call.stamp)
    except RepeatedWithOtherContents as error:
        raise SupplyRepeated(str(error)) from error
    return await call.seal(call.outcome(detail=await prepaid.find(database, wanted.merchant, wanted.domain)))


async def notice_low(system: System) -> Sequence[str]:
    """Tell of balances that have become low; the merchants concerned. Each is told once, until it recovers."""
    low = await prepaid.notice_low(system.database, system.clock())
    for merchant, balance_fen in low:
        log.warning("prepaid balance is low", merchant=merchant, balance_fen=balance_fen)
    return [merchant for merchant, _ in low]
