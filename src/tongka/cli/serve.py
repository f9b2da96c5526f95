"""`tongka serve`: the web server of an installation."""

import gc
import os
import socket
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import structlog
import typer

from tongka import VERSION, logs, processes, tls
from tongka.cli.common import ConfigOption, refusing_to_start, settings_of
from tongka.serving import bind, forever, run_until_ended, serving, url_of
from tongka.settings import Settings
from tongka.shell import now, open_system
from tongka.traffic_files import TrafficFile
from tongka.web import build_app

app = typer.Typer(invoke_without_command=True)
log = structlog.get_logger()


@app.callback()
def serve(
    config: ConfigOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on, instead of web.host.")] = "",
    port: Annotated[int, typer.Option(min=-1, max=65535, help="Port, instead of web.port; 0: a free one.")] = -1,
) -> None:
    """Serve every partner interface and the console; ends cleanly on SIGTERM. Jobs need `tongka worker` beside it."""
    with refusing_to_start():
        settings = settings_of(config)
        logs.configure(settings.log)
        wanted = host or settings.web.host, settings.web.port if port < 0 else port
        if settings.web.workers == 1:
            processes.call_it("tongka web")
            run_until_ended(_serve(settings, bind(*wanted), TrafficFile()))
        else:
            raise typer.Exit(_serve_by_several(config, settings, *wanted))


def _serve_by_several(config: Path | None, settings: Settings, host: str, port: int) -> int:
    """The parent: it opens everything once, so that mistakes are told once and before a port is held."""
    processes.call_it("tongka serve")
    ending = processes.Ending()
    ending.run(_try(settings))
    listening = bind(host, port)
    _tell(settings, listening, processes=settings.web.workers)
    with TemporaryDirectory(prefix="tongka-serve-") as counts:
        return processes.keep(partial(serve_on, config, Path(counts)), listening, settings.web.workers, ending)


async def _try(settings: Settings) -> None:
    tls.read_pair(settings.web)
    async with open_system(settings, role="serve"):
        pass


def serve_on(config: Path | None, counts: Path, listening: socket.socket, place: int) -> None:
    """One of several web processes on a socket that is listening; their counts meet in a folder."""
    processes.call_it(f"tongka web {place}")
    with refusing_to_start():
        run_until_ended(_serve(settings_of(config), listening, TrafficFile(counts, place)))


async def _serve(settings: Settings, listening: socket.socket, files: TrafficFile) -> None:
    if fault := tls.complaint(tls.read_pair(settings.web), now()):
        log.error("the certificate needs renewing", text=fault)
    async with (
        open_system(settings, role="web", counts=files.before()) as system,
        serving(build_app(system, files), listening, settings.web),
    ):
        _tell(settings, listening, installation=str(system.installation))
        gc.freeze()  # what a start has made stays; no collection looks through it again
        try:
            await forever()
        finally:
            gc.unfreeze()  # some libraries complain of what is still there when the interpreter ends


def _tell(settings: Settings, listening: socket.socket, **more: object) -> None:
    url = url_of(listening, tls=bool(settings.web.tls_certificate))
    log.info("serving", url=url, version=VERSION, mode=settings.mode, process=os.getpid(), **more)
