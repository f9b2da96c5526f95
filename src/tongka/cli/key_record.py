"""What happens to the key store stands in the audit trail of the installation, where there is one on this machine."""

from pathlib import Path

from tongka.cli.acting import Person, agreed, alone, authorised
from tongka.cli.common import complaints, database_of, settings_of, stamp_at
from tongka.errors import TongkaError, Unsupported
from tongka.store import audit
from tongka.store.db import is_made


async def two_agree(config: Path | None, command: str, contents: str, person: Person) -> bool:
    """Whether two operators of this installation have said it; in a sandbox nobody is asked."""
    actor = await authorised(config, command, person, contents)
    if alone(config, person):
        return True
    async with database_of(config, actor) as database:
        return await agreed(database, command, contents, person, config)


async def note(config: Path | None, action: str, subject: str, detail: str = "", person: Person | None = None) -> None:
    """One row; where it can't be written, it says so, for the record that people keep of a ceremony."""
    stamp = stamp_at(config, person.operator if person else "")
    try:
        if not is_made(settings_of(config).database):
            raise Unsupported("this machine has no database of the installation")
        async with database_of(config, stamp.actor) as database:
            await audit.record(database, stamp.at, actor=stamp.actor, action=action, subject=subject, detail=detail)
    except TongkaError as error:
        complaints.print(f"not in the audit trail ({error}): {action} {subject} {detail}", markup=False)
