"""What happens without being asked: orders that time moves, refunds that are due, the audit trail's seals.

Each job is repeated for itself; one that fails is logged and tried again at its next turn. Any number of workers may
run: moves compare before they set, and seals have their lock.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from tongka.job_reports import Reports
from tongka.journeys import day, gates, prepaid, prepaid_cards, recharge, refund, sweep, trades, trip_reports, trips
from tongka.journeys.app import identity, losing, ordering, paying, payout
from tongka.journeys.wallet import session
from tongka.merchant.cards import open_cards
from tongka.merchant.reports import open_reporter
from tongka.merchant.settlement import open_settlement
from tongka.partners.alipay import notify
from tongka.partners.linkage import notify as low_balances
from tongka.payments import till
from tongka.readiness import Readiness
from tongka.sandbox import notices
from tongka.store import audit, retention
from tongka.store.parties import REFRESH_S
from tongka.system import System

REFUNDS_S = 1
RIDES_S = 1
PAYMENTS_S = 1
FORGET_S = 3600
SEAL_S = 30
DAY_END_S = 60
OPEN_DAY_S = REFRESH_S
STORED_VALUE_S = 60
REPORT_S = 10


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done every so many seconds."""

    name: str
    every_s: float
    once: Callable[[], Awaitable[object]]


def jobs(system: System) -> tuple[Job, ...]:
    return (
        Job("sweep", system.settings.city.sweep_s, lambda: sweep.sweep(system)),
        Job("refunds", REFUNDS_S, lambda: refund.ask_again(system)),
        Job("low balances", STORED_VALUE_S, lambda: prepaid.notice_low(system)),
        Job("low balance notices", REFUNDS_S, lambda: low_balances.send_due(system)),
        Job("expired recharge cards", STORED_VALUE_S, lambda: recharge.expire(system)),
        *_rides(system),
        Job("notices", RIDES_S, lambda: notify.send_due(system)),
        *_app(system),
        *_retention(system),
        Job("day end", DAY_END_S, lambda: day.close_due(system)),
        Job("open day", OPEN_DAY_S, system.open_day.refresh),
        Job("seal", SEAL_S, lambda: audit.seal(system.database, system.clock())),
    )


def _rides(system: System) -> Iterator[Job]:
    """The merchant's; trades are sent where a gateway is set."""
    merchant = system.settings.merchant
    yield Job("gate journals", RIDES_S, lambda: gates.read_journals(system))
    yield Job("trips", RIDES_S, lambda: trips.make_trips(system))
    if merchant.gateway:
        yield Job("trades", RIDES_S, lambda: trades.send_due(system, lambda: open_settlement(merchant)))
        yield Job("prepaid rides", RIDES_S, lambda: prepaid_cards.charge_due(system, lambda: open_cards(merchant)))
        yield Job("prepaid cards", RIDES_S, lambda: prepaid_cards.tell_due(system, lambda: open_cards(merchant)))
    if merchant.gateway and merchant.report_channel:
        yield Job("reports", RIDES_S, lambda: trip_reports.tell_due(system, lambda: open_reporter(merchant)))
    yield Job("returned cards", STORED_VALUE_S, lambda: prepaid_cards.end_due(system))


def _app(system: System) -> Iterator[Job]:
    """Your Server's: payments asked about, orders submitted, money that goes back to riders."""
    yield Job("payments", PAYMENTS_S, lambda: paying.ask_again(system))
    yield Job("app orders", PAYMENTS_S, lambda: ordering.submit_due(system))
    yield Job("strays", PAYMENTS_S, lambda: paying.return_strays(system))
    yield Job("payouts", PAYMENTS_S, lambda: payout.pay_out(system))
    yield Job("lost cards", STORED_VALUE_S, lambda: losing.pay_out(system))
    yield Job("silent phones", STORED_VALUE_S, lambda: session.give_up_silent(system))
    yield Job("old sessions", FORGET_S, lambda: session.forget(system))
    yield Job("old tokens", FORGET_S, lambda: identity.forget(system))
    if till.NAME in system.acquirers:
        yield Job("till notices", PAYMENTS_S, lambda: notices.send_due(system))


def _retention(system: System) -> Iterator[Job]:
    """What is kept for a time only."""
    if days := system.settings.city.keep_replies_days:
        age = timedelta(days=days)
        yield Job("old replies", FORGET_S, lambda: retention.forget_replies(system.database, system.clock() - age))


async def run(system: System, stop: asyncio.Event) -> None:
    """Work until told to stop; a turn that is under way is finished. On another version's schema jobs wait."""
    readiness, reports = Readiness(system), Reports(system)
    told = Job("reports", REPORT_S, reports.save)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(readiness.watch())
        working = [group.create_task(_repeat(job, stop, readiness, reports)) for job in (*jobs(system), told)]
        await asyncio.wait(working)
        watching.cancel()


async def _repeat(job: Job, stop: asyncio.Event, readiness: Readiness, reports: Reports) -> None:
    while not stop.is_set():
        if readiness.fits:
            await reports.turn(job.name, job.once)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), job.every_s)
