"""Opens what a process needs, from the settings: the one place that knows every implementation."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import datetime

from tongka.cores import Cores
from tongka.days import ZONE
from tongka.keys.uri import open_hsm
from tongka.payments import PaymentInstitution
from tongka.payments.simulator import SimulatedInstitution
from tongka.payments.vouched import Vouched
from tongka.production import refuse_unsafe
from tongka.settings import Settings
from tongka.store.db import Database, durability, open_database
from tongka.store.migrate import require_current
from tongka.store.parties import Parties
from tongka.system import System


def now() -> datetime:
    """The city's time."""
    return datetime.now(ZONE)


@asynccontextmanager
async def open_system(settings: Settings, clock: Callable[[], datetime] = now) -> AsyncIterator[System]:
    """Everything that a web or worker process needs, closed at the end.

    Raises:
        Misconfigured: the keys cannot be opened, the schema is not this version's, or production mode refuses.

    """
    hsm, sandbox_keys = open_hsm(settings.keys)
    try:
        database = await open_database(settings.database)
        try:
            refuse_unsafe(settings, await durability(database), sandbox_keys=sandbox_keys)
            await require_current(database)
            with closing(Cores.all()) as cores:
                yield System(
                    settings=settings,
                    database=database,
                    hsm=hsm,
                    payments=_institution(settings, database),
                    parties=await Parties.load(database),
                    clock=clock,
                    random=secrets.token_bytes,
                    cores=cores,
                )
        finally:
            await database.close()
    finally:
        await hsm.close()


def _institution(settings: Settings, database: Database) -> PaymentInstitution:
    return SimulatedInstitution(database) if settings.payments.institution == "simulator" else Vouched()
