"""`tongka db`: the schema of the database."""

from typing import Annotated, Any

import typer
from rich.table import Table

from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    any_database_of,
    console,
    database_of,
    moment,
    print_json,
    print_rows,
    run,
)
from tongka.errors import Refused
from tongka.installation import Stamp
from tongka.store import installation as stamps
from tongka.store import migrate, roles
from tongka.store.db import Database

app = typer.Typer(no_args_is_help=True, help="The database and its schema.")


@app.command()
def upgrade(
    config: ConfigOption = None,
    *,
    online: Annotated[bool, typer.Option("--online", help="Although other processes of the platform run.")] = False,
) -> None:
    """Bring the schema to this version's, and give the serving roles what is new; stop `serve` and `worker` before.

    Needs the role that owns the tables. Starts the embedded server if no database.url is set.
    """

    async def work() -> int:
        async with any_database_of(config) as database:
            if not online and (others := await migrate.others_at_work(database)):
                raise Refused(
                    f"{others} sessions of the platform are connected; stop serve and worker, or add --online"
                )
            done = await migrate.upgrade(database, on_applied=lambda one: console.print(f"applied {one}"))
            for role in await roles.grant_again(database) if done else ():
                console.print(f"role {role} may use what is new", highlight=False)
            return len(done)

    console.print("the schema is up to date" if not run(work()) else "done")


@app.command()
def grant(
    role: Annotated[str, typer.Argument(help="A role of the server, made by CREATE ROLE.")],
    config: ConfigOption = None,
    *,
    reads_only: Annotated[bool, typer.Option("--read-only", help="For reports and auditors.")] = False,
) -> None:
    """Let a role serve: use the tables, but not alter them, nor change what is append-only. Run as their owner."""

    async def work() -> None:
        async with any_database_of(config) as database:
            await migrate.require_current(database)
            await roles.grant(database, role, reads_only=reads_only)

    run(work())
    console.print(f"role {role} may {'read' if reads_only else 'serve'}", highlight=False)


@app.command()
def status(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the migrations and when they were applied; exit code 1 if some are pending."""

    async def work() -> list[dict[str, Any]]:
        async with any_database_of(config) as database:
            return await _states(database)

    states = run(work())
    if as_json:
        print_json(states)
    else:
        table = Table("migration", "applied")
        for state in states:
            at = state["applied_at"]
            table.add_row(state["migration"], moment(at) if at else "pending")
        console.print(table)
    raise typer.Exit(int(any(not state["applied_at"] for state in states)))


@app.command()
def installation(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show which installation the database is: its mode, since when, and the keys that its key store has to hold."""

    async def work() -> Stamp | None:
        async with database_of(config) as database:
            return await stamps.read(database)

    stamp = run(work())
    if as_json:
        print_json(stamp)
        return
    console.print(f"the database of the {stamp.installation}" if stamp else "no start has stamped this database yet")
    if stamp:
        print_rows(
            [{"key": label, "check value or public key": told} for label, told in stamp.keys.items()], as_json=False
        )


async def _states(database: Database) -> list[dict[str, Any]]:
    recorded = await migrate.applied(database)
    migrate.pending(migrate.migrations(), recorded)  # complains if database and software do not belong together
    states: list[dict[str, Any]] = []
    for migration in migrate.migrations():
        record = recorded.get(migration.number)
        states.append({"migration": str(migration), "applied_at": record.at if record else None})
    return states
