"""On which server the audit trail is written, and how it goes on when a dump has brought it to another one.

Sealing goes by transaction numbers, which belong to a PostgreSQL server and not to a database: whoever restores a
logical dump finds numbers below those that were sealed, and what he writes under them would be in no seal. So the
trail remembers its server. A copy of the files (a standby, a base backup) carries the numbers on, and is noted; on
any other server nothing starts before `tongka audit continue` has sealed all that is not sealed, whatever its numbers,
and has lifted the numbers to come above all that were. Nothing that was sealed changes.
"""

from dataclasses import dataclass
from datetime import datetime

from tongka.errors import Failed, Misconfigured
from tongka.store.db import Database
from tongka.store.leases import Leased

_STANDING = """
SELECT e.number, e.server, e.timeline, e.base, here.server AS here_server, here.timeline AS here_timeline,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
       coalesce((SELECT horizon FROM audit_seal ORDER BY number DESC LIMIT 1), 0) AS horizon
FROM audit_epoch e, (
    SELECT system_identifier AS server, CASE WHEN NOT pg_is_in_recovery()
           THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint ELSE 0 END AS timeline
    FROM pg_control_system()
) AS here
ORDER BY e.number DESC LIMIT 1
"""

_BEGIN = "INSERT INTO audit_epoch (number, server, timeline, base, began_at) VALUES ($1, $2, $3, $4, $5)"


@dataclass(frozen=True, slots=True)
class Standing:
    """The latest epoch, and the server as it is now; numbers are the server's own, without the base.

    Attributes:
        oldest, next: of the transactions under way, and of the one to come.
        horizon: of the last seal, with the base.
        here_timeline: 0 for a standby.

    """

    number: int
    server: int
    timeline: int
    base: int
    here_server: int
    here_timeline: int
    oldest: int
    next: int
    horizon: int

    @property
    def broken(self) -> bool:
        """What is written here would not come after what was sealed, or nobody can tell."""
        return self.server != self.here_server or self.next + self.base < self.horizon

    def refuse_if_broken(self) -> None:
        if not self.here_timeline:
            raise Failed("the database server is a standby, which takes no writes; promote it, or mend database.url")
        if self.broken:
            raise Misconfigured(
                "the database was restored from a dump into another server, or that server was reset: what is written "
                "now could not be sealed in the audit trail. Nothing starts before an operator has run `tongka audit "
                "continue`; see the page on backup"
            )


async def standing(connection: Database | Leased) -> Standing:
    row = await connection.fetchrow(_STANDING)
    assert row is not None  # noqa: S101 - the migration made the first
    return Standing(**row)


async def require_continuity(database: Database) -> None:
    """Refuse to write where the audit trail could not be sealed.

    Raises:
        Misconfigured: the database came here by a dump; names the command.

    """
    (await standing(database)).refuse_if_broken()


async def begin(connection: Leased, after: Standing, base: int, at: datetime) -> int:
    """Begin an epoch on the server as it is now; answers its number."""
    await connection.execute(_BEGIN, after.number + 1, after.here_server, after.here_timeline, base, at)
    return after.number + 1
