"""The till's notices on their way to Your Server: late, twice or never, as the till's temper has it."""

import structlog

from tongka.errors import TongkaError
from tongka.journeys.app import paying
from tongka.payments.till import NAME, notice_of
from tongka.store import till
from tongka.system import System

BATCH = 100

log = structlog.get_logger()


async def send_due(system: System) -> int:
    """Deliver what is due, as bytes; how many were taken."""
    taken = 0
    for payment in await till.notices_due(system.database, system.clock(), BATCH):
        try:
            await paying.take_notice(system, NAME, *notice_of(payment))
            taken += 1
        except TongkaError as error:
            log.warning("notice refused", error=error.code, payment=payment.payment_no)
    return taken
