"""`tongka worker`: the jobs of an installation."""

import asyncio
import os

import structlog
import typer

from tongka import VERSION, logs, processes
from tongka import worker as jobs
from tongka.cli.common import ConfigOption, refusing_to_start, settings_of
from tongka.serving import run_until_ended
from tongka.settings import Settings
from tongka.shell import open_system

app = typer.Typer(invoke_without_command=True)
log = structlog.get_logger()


@app.callback()
def worker(config: ConfigOption = None) -> None:
    """Do what happens without being asked: silent orders, refunds, seals. Any number may run; ends on SIGTERM."""
    with refusing_to_start():
        settings = settings_of(config)
        logs.configure(settings.log)
        processes.call_it("tongka worker")
        run_until_ended(_work(settings))


async def _work(settings: Settings) -> None:
    async with open_system(settings, role="worker") as system:
        log.info(
            "working",
            version=VERSION,
            mode=settings.mode,
            process=os.getpid(),
            installation=str(system.installation),
            jobs=[job.name for job in jobs.jobs(system)],
        )
        stop = asyncio.Event()
        working = asyncio.create_task(jobs.run(system, stop))
        try:
            await asyncio.shield(working)
        finally:  # a turn that is under way is finished
            stop.set()
            await working
