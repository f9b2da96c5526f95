"""`tongka serve`: the web server of an installation."""

import socket
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tongka import processes
from tongka.cli.common import ERROR, ConfigOption, complain, console, settings_of
from tongka.errors import TongkaError
from tongka.serving import bind, forever, run_until_ended, serving, url_of
from tongka.settings import Settings
from tongka.shell import open_system
from tongka.web import build_app

app = typer.Typer(invoke_without_command=True)


@app.callback()
def serve(
    config: ConfigOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on, instead of web.host.")] = "",
    port: Annotated[int, typer.Option(min=-1, max=65535, help="Port, instead of web.port; 0: a free one.")] = -1,
) -> None:
    """Serve every partner interface and the console; ends cleanly on SIGTERM. Jobs need `tongka worker` beside it."""
    try:
        settings = settings_of(config)
        listening = bind(host or settings.web.host, settings.web.port if port < 0 else port)
        if settings.web.workers == 1:
            serve_on(config, listening)
        else:
            processes.keep(partial(serve_on, config), listening, settings.web.workers)
    except TongkaError as error:
        complain(error)
        raise typer.Exit(ERROR) from error


def serve_on(config: Path | None, listening: socket.socket) -> None:
    """One web process on a socket that is listening."""
    run_until_ended(_serve(settings_of(config), listening))


async def _serve(settings: Settings, listening: socket.socket) -> None:
    async with open_system(settings) as system, serving(build_app(system), listening, settings.web):
        console.print(f"serving on {url_of(listening)}: {system.installation}", highlight=False, soft_wrap=True)
        await forever()
