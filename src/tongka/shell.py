"""Opens what a process needs, from the settings: the one place that knows every implementation."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import datetime

import structlog

from tongka import logs
from tongka.cores import Cores
from tongka.days import ZONE
from tongka.keys.uri import open_hsm
from tongka.payments import PaymentInstitution
from tongka.payments.accounts import alipay_account, connect, wechat_account
from tongka.payments.acquirer import Acquirer
from tongka.payments.alipay import Alipay
from tongka.payments.routing import Routed
from tongka.payments.simulator import SimulatedInstitution
from tongka.payments.till import Till
from tongka.payments.vouched import Vouched
from tongka.payments.wechat import Wechat
from tongka.production import refuse_astray, refuse_unsafe
from tongka.settings import Settings
from tongka.store import installation
from tongka.store.audit_epochs import require_continuity
from tongka.store.days import OpenDay
from tongka.store.db import PLATFORM, Database, durability, open_database
from tongka.store.migrate import require_current
from tongka.store.parties import Parties
from tongka.store.roles import owner_complaint
from tongka.system import System
from tongka.traffic import Counts, Traffic

SIMULATOR = "simulator"

log = structlog.get_logger()


def now() -> datetime:
    """The city's time."""
    return datetime.now(ZONE)


@asynccontextmanager
async def open_system(
    settings: Settings,
    clock: Callable[[], datetime] = now,
    actor: str = PLATFORM,
    role: str = "cli",
    counts: Counts | None = None,
) -> AsyncIterator[System]:
    """Everything that a process needs, closed at the end.

    Args:
        settings: of the installation.
        clock: the present.
        actor: who administers, where it is a command's.
        role: what this process is, as the database is told.
        counts: of requests, to go on from.

    Raises:
        Misconfigured: the keys cannot be opened, the schema is not this version's, the audit trail cannot go on here,
            production mode refuses, or the database is another installation's than the mode and the keys.

    """
    logs.configure(settings.log)
    refuse_astray(settings)
    hsm, sandbox_keys = open_hsm(settings.keys)
    try:
        database = await open_database(settings.database, actor, role)
        try:
            refuse_unsafe(settings, await durability(database), sandbox_keys=sandbox_keys)
            await require_current(database)
            await require_continuity(database)
            await _warn_of_owner(settings, database, role)
            stamped = await installation.recognise(database, settings.mode, await hsm.fingerprints(), clock())
            with closing(Cores.all()) as cores:
                acquirers = open_acquirers(settings, database, clock, secrets.token_bytes)
                yield System(
                    settings=settings,
                    database=database,
                    hsm=hsm,
                    payments=Routed(database, acquirers, _institution(settings, database)),
                    parties=await Parties.load(database),
                    clock=clock,
                    random=secrets.token_bytes,
                    cores=cores,
                    acquirers=acquirers,
                    installation=stamped,
                    open_day=await OpenDay.load(database),
                    traffic=Traffic(settings.log, counts),
                )
        finally:
            await database.close()
    finally:
        await hsm.close()


async def _warn_of_owner(settings: Settings, database: Database, role: str) -> None:
    """A serving process that owns the tables is told of, where there is a choice: the embedded server has one role."""
    asked = settings.mode == "production" and settings.database.url and role != "cli"
    if asked and (complaint := await owner_complaint(database)):
        log.warning("not as it should be in production", text=complaint)


def _institution(settings: Settings, database: Database) -> PaymentInstitution:
    return SimulatedInstitution(database) if settings.payments.institution == SIMULATOR else Vouched()


def open_acquirers(
    settings: Settings, database: Database, clock: Callable[[], datetime], random: Callable[[int], bytes]
) -> dict[str, Acquirer]:
    """The payment institutions that riders pay at: each that is configured.

    Raises:
        Misconfigured: a key file cannot be read, or does not hold what it should; `tongka payments check-keys` says
            why.

    """
    found: list[Acquirer] = []
    if settings.payments.institution == SIMULATOR:
        found.append(Till(database, clock, random))
    if settings.alipay.app_id:
        found.append(connect(settings, Alipay, alipay_account))
    if settings.wechat.merchant_id:
        found.append(connect(settings, Wechat, wechat_account))
    return {one.name: one for one in found}
