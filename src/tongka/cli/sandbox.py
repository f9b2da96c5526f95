"""`tongka sandbox`: a whole city on one machine."""

from pathlib import Path
from typing import Annotated

import typer

from tongka.cli.common import ERROR, complain, console
from tongka.errors import TongkaError
from tongka.sandbox.running import Running, running_city
from tongka.serving import bind, forever, run_until_ended
from tongka.settings_monitoring import Log

app = typer.Typer(invoke_without_command=True)


@app.callback()
def sandbox(
    folder: Annotated[Path, typer.Option("--dir", help="The city's folder; made if it is not there.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8080,
    *,
    apdus: Annotated[bool, typer.Option("--apdus", help="Log what cards are to run and what they answer.")] = False,
) -> None:
    """Run a whole city on one machine: every interface, worker and simulator. Its keys are worthless.

    Only the folder counts: variables (TONGKA_…, DATABASE_URL) are not read.
    """

    async def work() -> None:
        async with running_city(
            folder, bind(host, port), Log(level="debug" if apdus else "info", requests=False)
        ) as running:
            _tell(running)
            await forever()

    try:
        run_until_ended(work())
    except TongkaError as error:
        complain(error)
        raise typer.Exit(ERROR) from error


def _tell(running: Running) -> None:
    lines = {
        "sandbox.json": running.discovery,
        "console": f"{running.base_url}/console/",
        "card front": f"{running.base_url}/cardfront",
        "other commands": f"tongka ledger check -c {running.city.folder / 'tongka.toml'}",
    }
    console.print(f"[bold]a city of {len(running.city.cards)} cards[/] is ready")
    for name, where in lines.items():
        console.print(f"  {name:15} {where}", highlight=False, soft_wrap=True)
