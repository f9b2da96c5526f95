"""What the database says the key store holds, kept in step by the commands that change the store."""

from collections.abc import Mapping

from tongka.cli.common import ConfigOption, complaints, database_of, settings_of
from tongka.errors import Misconfigured, TongkaError
from tongka.shell import now
from tongka.store import installation
from tongka.store.db import is_made


async def keep_in_step(config: ConfigOption, held: Mapping[str, str]) -> None:
    """Add keys that are new to the stamp. Where that cannot be, the keys are there all the same, and people are told.

    A database that is not there or not stamped is left alone: the first start stamps it.
    """
    settings = settings_of(config)
    if not is_made(settings.database):
        return
    try:
        async with database_of(config) as database:
            if await installation.read(database):
                await installation.recognise(database, settings.mode, held, now())
    except TongkaError as error:
        complaints.print(f"the database was not told of the keys: {error}", markup=False, highlight=False)


async def differences(config: ConfigOption, held: Mapping[str, str]) -> list[dict[str, object]]:
    """Each key that the stamp and the store do not have alike.

    Raises:
        Misconfigured: the database was never stamped.

    """
    async with database_of(config) as database:
        stamp = await installation.read(database)
    if stamp is None:
        raise Misconfigured("this database has no stamp; the first start of `tongka serve` or `tongka worker` makes it")
    labels = sorted(stamp.keys.keys() | held.keys())
    return [
        {"key": label, "stamped": stamp.keys.get(label, "none"), "in the store": held.get(label, "none")}
        for label in labels
        if stamp.keys.get(label) != held.get(label)
    ]


async def accept(config: ConfigOption, held: Mapping[str, str]) -> int:
    async with database_of(config) as database:
        return await installation.accept(database, held, now())
