"""`tongka audit`: seal the trail, prove that nobody touched it, hand it to an auditor."""

import re
from contextlib import aclosing
from datetime import datetime
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from tongka.audit import Break, Seal
from tongka.cli.acting import OperatorOption, PassphraseOption, acting
from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    any_database_of,
    complaints,
    console,
    database_of,
    print_json,
    run,
)
from tongka.days import ZONE
from tongka.errors import Malformed
from tongka.store import audit
from tongka.store.audit_continue import Continued, continue_here
from tongka.store.db import Database
from tongka.store.migrate import require_current
from tongka.store.stamp import Stamp

app = typer.Typer(no_args_is_help=True, help="The tamper-evident audit trail.")

AnchorOption = Annotated[
    str, typer.Option("--anchor", help="NUMBER:HEX of a seal as it was kept elsewhere, which must still be there.")
]


@app.command()
def seal(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Seal what is committed, and print the new seals; the worker does it by itself every half minute."""

    async def work() -> list[Seal]:
        async with database_of(config) as database:
            return await audit.seal(database, datetime.now(ZONE))

    seals = run(work())
    if as_json:
        print_json([{"number": one.number, "rows": len(one.ids), "seal": one.digest.hex()} for one in seals])
        return
    for one in seals:
        typer.echo(f"{one.number}:{one.digest.hex()}")
    if not seals:
        complaints.print("nothing new to seal")


@app.command()
def head(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Print the last seal. Keep it outside this machine, every day: it is what `verify --anchor` takes."""

    async def work() -> Seal | None:
        async with any_database_of(config) as database:
            return await audit.head(database)

    last = run(work())
    if as_json:
        print_json({"number": last.number, "seal": last.digest.hex()} if last else None)
    elif last:
        typer.echo(f"{last.number}:{last.digest.hex()}")
    else:
        complaints.print("nothing is sealed yet")


@app.command("continue")
def continue_trail(
    operator: OperatorOption,
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """After a dump was restored into another server: seal all that is not sealed, and go on from there.

    Needs the role that owns the tables; nothing else may be connected. Refused where the trail goes on by itself.
    """

    async def work(database: Database, stamp: Stamp) -> Continued:
        await require_current(database)
        return await continue_here(database, stamp.at, stamp.actor)

    done = acting((operator, passphrase_file, config), "audit continue", work, any_database_of)
    if as_json:
        print_json({"epoch": done.epoch, "sealed": done.sealed, "late": done.late})
        return
    console.print(f"epoch {done.epoch} of the trail begins; {done.sealed} rows were sealed", highlight=False)
    if done.late:
        console.print(f"{done.late} of them were written here before this, your signing in too; the trail names them")


@app.command()
def verify(config: ConfigOption = None, anchor: AnchorOption = "", *, as_json: JsonOption = False) -> None:
    """Recompute every seal; exit code 1 and the first breaks if a row or a seal was touched.

    Ends with the last seal, as `head` prints it: what an auditor keeps.
    """

    async def work() -> tuple[list[Break], Seal | None]:
        kept = _parse_anchor(anchor) if anchor else None
        async with any_database_of(config) as database:
            with _progress() as progress:
                task = progress.add_task("seals", total=None)
                found = await audit.verify(
                    database, kept, lambda one: progress.update(task, description=f"seal {one.number}")
                )
            return found, await audit.head(database)

    breaks, last = run(work())
    if as_json:
        print_json(breaks)
    else:
        for one in breaks:
            row = f", row {one.entry}" if one.entry else ""
            console.print(f"seal {one.seal}{row}: {one.what}", markup=False)
        console.print("the trail is as it was sealed" if not breaks else "the trail was touched")
        if last:
            typer.echo(f"{last.number}:{last.digest.hex()}")
    raise typer.Exit(int(bool(breaks)))


@app.command()
def export(
    config: ConfigOption = None, after: Annotated[int, typer.Option(help="Only seals after this number.")] = 0
) -> None:
    """Print the sealed trail as JSON lines: each seal, then the rows of its batch."""

    async def work() -> None:
        async with any_database_of(config) as database, aclosing(audit.export(database, after)) as items:
            async for item in items:
                typer.echo(msgspec.json.encode({type(item).__name__.lower(): _plain(item)}))

    run(work())


def _plain(item: object) -> object:
    if isinstance(item, Seal):
        return {
            "number": item.number,
            "horizon": item.horizon,
            "ids": item.ids,
            "leaves": item.leaves.hex(),
            "seal": item.digest.hex(),
        }
    return item


def _parse_anchor(text: str) -> tuple[int, bytes]:
    match = re.fullmatch(r"([0-9]{1,18}):([0-9a-fA-F]{64})", text, re.ASCII)
    if not match:
        raise Malformed("--anchor", "a seal is NUMBER:HEX, as `tongka audit head` prints it")
    return int(match[1]), bytes.fromhex(match[2])


def _progress() -> Progress:
    return Progress(SpinnerColumn(), TextColumn("{task.description}"), console=complaints, transient=True)
