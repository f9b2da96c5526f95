"""The web application: one line for each partner, the console, the sandbox's controls."""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from tongka import inside
from tongka.app import serve as app
from tongka.console import pages
from tongka.inside import OnItsSchema
from tongka.merchant import serve as merchant
from tongka.partners.alipay import pages as rider_pages
from tongka.partners.alipay import serve as alipay
from tongka.partners.huawei import serve as huawei
from tongka.partners.huzhou import serve as huzhou
from tongka.partners.linkage import serve as linkage
from tongka.readiness import Readiness
from tongka.sandbox import controls, ride_codes, trips
from tongka.system import System
from tongka.traffic_files import TrafficFile
from tongka.watched import Watched, watched

SLASHES = re.compile("/+")

log = structlog.get_logger()


def build_app(system: System, files: TrafficFile | None = None) -> ASGIApp:
    """The application over an open system; partner endpoints read their bodies themselves.

    `files`: where several web processes put their counts together.
    """
    files = files or TrafficFile()
    readiness = Readiness(system)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        fresh = (system.parties.keep_fresh(), system.open_day.keep_fresh())
        async with _beside(*fresh, readiness.watch(), files.keep(system.traffic)):
            yield

    routes = [*_routes(system), *inside.routes(system, readiness, files), *_sandbox_routes(system)]
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(AsPrinted)])
    return Unbroken(OnItsSchema(app, readiness))


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """What goes on while requests are served."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Unbroken:
    """An error of ours has been answered 500 by Starlette, which raises it again; its connection goes on all the same.

    Otherwise the server hangs up, and the client's next request, which may be somebody else's, is lost with it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception:
            if scope["type"] != "http":
                raise
            log.exception("request failed", path=scope["path"])


class AsPrinted:
    """Some paths are printed with a slash too many (Huzhou 2.2, 4.13); what is posted there arrives all the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope.get("method") == "POST" and (path.endswith("/") or "//" in path):
            scope = {**scope, "path": SLASHES.sub("/", path).rstrip("/")}
        await self._app(scope, receive, send)


def _routes(system: System) -> list[BaseRoute]:
    """Tried from the top to the bottom: what a city asks for most comes first."""
    return [
        Mount("/cardfront", routes=huzhou.routes(system)),
        Mount("/gp/seram", routes=huawei.seram_routes(system)),
        *linkage.routes(system),
        *watched(rider_pages.routes(system), system.traffic, "pages"),
        *alipay.routes(system),
        *huawei.order_routes(system),
        Mount(app.PATH, app=Watched(app.build(system), system.traffic, "app")),
        Mount("/merchant", routes=watched(merchant.routes(system), system.traffic, "merchant")),
        Mount("/console", routes=pages.routes(system)),
    ]


def _sandbox_routes(system: System) -> list[BaseRoute]:
    if system.settings.payments.institution != "simulator":
        return []
    routes = [*controls.routes(system.database), *ride_codes.routes(system), *trips.routes(system)]
    return [Mount("/sandbox", routes=routes)]
