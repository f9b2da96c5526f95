"""The way to the database: a pool of asyncpg connections, and errors that say what is known.

A statement whose connection breaks may have been committed or not. So a **write** that breaks is `Unknown` and is never
sent again from here; a **read** is. Where the server itself says that it rolled back (deadlock, serialization) both are
tried again. What the books forbid becomes `LedgerRefused` with its sentence, whichever statement met it.

Sessions carry no state of their own: no session locks, no SET but SET LOCAL, no LISTEN. That is why a connection goes
back to the pool without asyncpg's RESET round trip, which would cost a state move a third of its speed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from tongka import VERSION, settings
from tongka.errors import Busy, Failed, Malformed, Misconfigured, TongkaError, Unknown
from tongka.ledger import refusal
from tongka.store.company import Arguments, Company, Road
from tongka.store.embedded import EmbeddedPostgres
from tongka.store.leases import BROKEN, BROKEN_IF_CLOSED, CANNOT_CONNECT, Connection, Leased, Leases, is_closed

OLDEST_POSTGRES = 15
ATTEMPTS = 3
PAUSE_S = 0.05
"""Before the second attempt, twice that before the third: whoever won a deadlock must come to his locks first."""
CONNECT_TIMEOUT_S = 10
APPLICATION = "tongka"
"""How the `application_name` of our sessions begins; role and version follow."""
GRACE_S = 10
"""How long the client waits beyond the server's own statement timeout, for networks that swallow connections."""

IDLE_IN_TRANSACTION_S = 60
PLATFORM = "platform"
"""Who acts where nobody is at a keyboard."""

ROLLED_BACK = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


class _Session(Connection):
    def get_reset_query(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. `fetch…` and `execute` may write; `read…` may not, and is repeated when a connection breaks.

    Attributes:
        actor: who changes what administration keeps; the triggers of 0077_administration.sql write it down.

    """

    leases: Leases
    timeout_s: float
    server: EmbeddedPostgres | None = None
    companies: dict[str, Company] = field(default_factory=dict)
    road: Road = field(default_factory=Road)
    actor: str = PLATFORM

    async def execute(self, sql: str, *arguments: Any) -> str:
        """Run one statement; answers its command tag (`INSERT 0 1`)."""
        tag: str = await self._run(lambda c: c.execute(sql, *arguments, timeout=self.timeout_s), repeatable=False)
        return tag

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._run(
            lambda c: c.fetch(sql, *arguments, timeout=self.timeout_s), repeatable=False
        )
        return rows

    async def fetchrow(self, sql: str, *arguments: Any) -> asyncpg.Record | None:
        row: asyncpg.Record | None = await self._run(
            lambda c: c.fetchrow(sql, *arguments, timeout=self.timeout_s), repeatable=False
        )
        return row

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        return await self._run(lambda c: c.fetchval(sql, *arguments, timeout=self.timeout_s), repeatable=False)

    async def read(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._run(
            lambda c: c.fetch(sql, *arguments, timeout=self.timeout_s), repeatable=True
        )
        return rows

    async def read_row(self, sql: str, *arguments: Any) -> asyncpg.Record | None:
        row: asyncpg.Record | None = await self._run(
            lambda c: c.fetchrow(sql, *arguments, timeout=self.timeout_s), repeatable=True
        )
        return row

    async def read_value(self, sql: str, *arguments: Any) -> Any:
        return await self._run(lambda c: c.fetchval(sql, *arguments, timeout=self.timeout_s), repeatable=True)

    async def fetch_joined(self, sql: str, *arguments: Any) -> asyncpg.Record:
        """Run a statement that answers exactly one row; those that wait at the same time are sent as one.

        Their locks are held until the commit of all: it is not for statements that lock what others want too.
        """
        return await self._company(sql, repeatable=False).join(arguments)

    async def read_joined(self, sql: str, *arguments: Any) -> asyncpg.Record:
        return await self._company(sql, repeatable=True).join(arguments)

    def _company(self, sql: str, *, repeatable: bool) -> Company:
        found = self.companies.get(sql)
        if found is None:

            async def together(several: Sequence[Arguments]) -> list[asyncpg.Record] | None:
                return await self._run_for_all(sql, several, repeatable=repeatable)

            async def alone(arguments: Arguments) -> Any:
                return await self._run(
                    lambda c: c.fetchrow(sql, *arguments, timeout=self.timeout_s), repeatable=repeatable
                )

            found = self.companies[sql] = Company(together, alone, self.road)
        return found

    async def _run_for_all(
        self, sql: str, several: Sequence[Arguments], *, repeatable: bool
    ) -> list[asyncpg.Record] | None:
        """A row for each set of arguments, in one transaction; None when it was rolled back, or may be repeated."""
        connection, well = await self.leases.take(), False
        try:
            rows: list[asyncpg.Record] = await connection.fetchmany(sql, several, timeout=self.timeout_s)
            well = True
        except asyncpg.PostgresError as error:
            if isinstance(error, BROKEN) and not repeatable:
                raise _cut_off(error, sent=True) from error
            return None
        except (TimeoutError, *BROKEN_IF_CLOSED) as error:
            if not repeatable:
                raise _cut_off(error, sent=True) from error
            return None
        finally:
            await self.leases.give_back(connection, well=well)
        return rows

    @asynccontextmanager
    async def transaction(self, *, unhurried: bool = False, snapshot: bool = False) -> AsyncIterator[Leased]:
        """Several statements, all or nothing.

        Args:
            unhurried: lift the statement timeout, for jobs over many rows.
            snapshot: read only, and all of it as of one moment.

        Raises:
            Failed: broken before the commit was sent; nothing happened.
            Unknown: broken while the commit was under way.

        """
        connection, well = await self.leases.take(), False
        try:
            transaction = connection.transaction(
                isolation="repeatable_read" if snapshot else "read_committed", readonly=snapshot
            )
            try:
                await transaction.start()
                if unhurried:
                    await connection.execute("SET LOCAL statement_timeout = 0")
                yield connection
            except BaseException as error:
                meaning = _meaning(error, connection, sent=False)
                with suppress(*BROKEN, *BROKEN_IF_CLOSED, asyncpg.PostgresError):
                    await transaction.rollback()  # where the connection is gone, the server does it by itself
                if meaning is None:
                    raise
                raise meaning from error
            try:
                await transaction.commit()
                well = True
            except Exception as error:
                meaning = _meaning(error, connection, sent=True)
                if meaning is None:
                    raise
                raise meaning from error
        finally:
            await self.leases.give_back(connection, well=well)

    async def close(self) -> None:
        """Close the connections, and let go of an embedded server."""
        try:
            await asyncio.wait_for(self.leases.close(), GRACE_S)
        except TimeoutError:
            self.leases.pool.terminate()
        if self.server:
            await asyncio.to_thread(self.server.close)

    async def _run(self, statement: Callable[[Leased], Awaitable[Any]], *, repeatable: bool) -> Any:
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(attempt * PAUSE_S)
            connection, well = await self.leases.take(), False
            try:
                answer = await statement(connection)
                well = True
            except TimeoutError as error:
                raise _cut_off(error, sent=not repeatable) from error
            except Exception as error:
                again = isinstance(error, ROLLED_BACK) or (repeatable and _broke(error, connection))
                if again and attempt + 1 < ATTEMPTS:
                    continue
                meaning = _meaning(error, connection, sent=not repeatable)
                if meaning is None:
                    raise
                raise meaning from error
            else:
                return answer
            finally:
                await self.leases.give_back(connection, well=well)
        raise AssertionError  # the last attempt returned or raised


def _meaning(error: BaseException, connection: Leased, *, sent: bool) -> TongkaError | None:
    """What an error means, None for what it says itself; `sent`: a write or a commit was under way when it came."""
    if isinstance(error, ROLLED_BACK):
        return Busy(f"the database rolled back in favour of others: {error}")
    if isinstance(error, asyncpg.QueryCanceledError):
        return Failed(f"the database gave the statement up: {error}")
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return refusal(error.constraint_name)
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return Misconfigured(f"database.url: {error}; this is for the role that owns the tables")
    if isinstance(error, asyncpg.CharacterNotInRepertoireError):  # where whoever took it in did not look
        return Malformed("message", "a text in it holds the character U+0000")
    return _cut_off(error, sent=sent) if _broke(error, connection) else None


def _cut_off(error: BaseException, *, sent: bool) -> TongkaError:
    return Unknown(f"the connection broke under a write: {error}") if sent else Failed(f"the connection broke: {error}")


def _broke(error: BaseException, connection: Leased) -> bool:
    return isinstance(error, BROKEN) or (isinstance(error, BROKEN_IF_CLOSED) and is_closed(connection))


async def open_database(wanted: settings.Database, actor: str = PLATFORM, role: str = "cli") -> Database:
    """Connect to `database.url`, or start the embedded server of `database.data_dir` and connect to that.

    Args:
        wanted: where, and the limits.
        actor: who the audit trail names for changes of what administration keeps.
        role: what this process is; sessions show it as their `application_name`, with the version.

    Raises:
        Misconfigured: the server is too old, refuses us, or cannot be started; names the setting.
        Failed: it cannot be reached.

    """
    if wanted.url:
        return await open_url(wanted.url, wanted, actor=actor, role=role)
    server = EmbeddedPostgres(Path(wanted.data_dir), Path(wanted.binaries) if wanted.binaries else None)
    try:
        await _start(server)
        return await open_url(server.url, wanted, server, actor, role)
    except BaseException:
        await asyncio.to_thread(server.close)
        raise


def is_made(wanted: settings.Database) -> bool:
    """Whether there is a database to open: a server is named, or the embedded one has a cluster."""
    return bool(wanted.url) or EmbeddedPostgres(Path(wanted.data_dir)).pgdata.exists()


async def _start(server: EmbeddedPostgres) -> None:
    """Start it; who is cancelled meanwhile waits for it, since a thread goes on, and would start what was closed."""
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting})
        starting.exception()  # read here, or asyncio would complain that nobody did
        raise


async def open_url(
    url: str,
    wanted: settings.Database,
    server: EmbeddedPostgres | None = None,
    actor: str = PLATFORM,
    role: str = "cli",
) -> Database:
    """Connect to a server that runs; the limits come from the settings."""
    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=wanted.pool_min,
            max_size=wanted.pool_max,
            connect=_connector(server),
            connection_class=_Session,
            timeout=CONNECT_TIMEOUT_S,
            server_settings=_session_settings(wanted, actor, role),
        )
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
        raise Misconfigured(f"database.url: {error}") from error
    except CANNOT_CONNECT as error:
        raise Failed(f"the database cannot be reached: {error}; see database.url") from error
    database = Database(
        Leases(pool, wanted.acquire_timeout_s), wanted.statement_timeout_s + GRACE_S, server, actor=actor
    )
    try:
        await _check_version(database)
    except BaseException:
        await pool.close()
        raise
    return database


def _session_settings(wanted: settings.Database, actor: str, role: str) -> dict[str, str]:
    return {
        "tongka.actor": actor,
        "application_name": f"{APPLICATION} {role} {VERSION}",
        "TimeZone": "Asia/Shanghai",
        "statement_timeout": f"{wanted.statement_timeout_s}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_S}s",
    }


def _connector(server: EmbeddedPostgres | None) -> Callable[..., Coroutine[Any, Any, Connection]]:
    """How the pool connects: an embedded server that was killed is started again on the way."""

    async def connect(*arguments: Any, **options: Any) -> Connection:
        try:
            return await asyncpg.connect(*arguments, **options)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
            if server is None:
                raise
        await asyncio.to_thread(server.start)
        return await asyncpg.connect(*arguments, **options)

    return connect


async def _check_version(database: Database) -> None:
    async with database.leases.pool.acquire() as connection:
        version = connection.get_server_version()
    if version.major < OLDEST_POSTGRES:
        raise Misconfigured(
            f"database.url: PostgreSQL {version.major} is too old; {OLDEST_POSTGRES} or later is needed"
        )


async def durability(database: Database) -> Mapping[str, str]:
    """The live server's settings that decide whether a commit survives a power cut, by name."""
    rows = await database.read(
        "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
    )
    return {row["name"]: row["setting"] for row in rows}
