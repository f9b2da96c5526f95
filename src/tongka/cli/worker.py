"""`tongka worker`: the jobs of an installation."""

import asyncio

import typer

from tongka import worker as jobs
from tongka.cli.common import ERROR, ConfigOption, complain, console, settings_of
from tongka.errors import TongkaError
from tongka.serving import run_until_ended
from tongka.settings import Settings
from tongka.shell import open_system

app = typer.Typer(invoke_without_command=True)


@app.callback()
def worker(config: ConfigOption = None) -> None:
    """Do what happens without being asked: silent orders, refunds, seals. Any number may run; ends on SIGTERM."""
    try:
        run_until_ended(_work(settings_of(config)))
    except TongkaError as error:
        complain(error)
        raise typer.Exit(ERROR) from error


async def _work(settings: Settings) -> None:
    async with open_system(settings) as system:
        names = ", ".join(job.name for job in jobs.jobs(system))
        console.print(f"working: {system.installation}: {names}", highlight=False, soft_wrap=True)
        stop = asyncio.Event()
        working = asyncio.create_task(jobs.run(system, stop))
        try:
            await asyncio.shield(working)
        finally:  # a turn that is under way is finished
            stop.set()
            await working
