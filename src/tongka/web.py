"""The web application: one line for each partner, the console, the sandbox's controls, and the health check."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tongka.app import serve as app
from tongka.console import pages
from tongka.errors import TongkaError
from tongka.merchant import serve as merchant
from tongka.partners.alipay import pages as rider_pages
from tongka.partners.alipay import serve as alipay
from tongka.partners.huawei import serve as huawei
from tongka.partners.huzhou import serve as huzhou
from tongka.partners.linkage import serve as linkage
from tongka.sandbox import controls, ride_codes, trips
from tongka.system import System

SLASHES = re.compile("/+")

log = structlog.get_logger()


def build_app(system: System) -> ASGIApp:
    """The application over an open system; partner endpoints read their bodies themselves."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        fresh = [asyncio.create_task(each.keep_fresh()) for each in (system.parties, system.open_day)]
        try:
            yield
        finally:
            for each in fresh:
                each.cancel()
                with suppress(asyncio.CancelledError):
                    await each

    return Unbroken(Starlette(routes=_routes(system), lifespan=lifespan, middleware=[Middleware(AsPrinted)]))


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
    routes: list[BaseRoute] = [
        Mount("/cardfront", routes=huzhou.routes(system)),
        Mount("/gp/seram", routes=huawei.seram_routes(system)),
        *linkage.routes(system),
        *rider_pages.routes(system),
        *alipay.routes(system),
        *huawei.order_routes(system),
        Mount(app.PATH, app=app.build(system)),
        Mount("/merchant", routes=merchant.routes(system)),
        Mount("/console", routes=pages.routes(system)),
        Route("/health", _health(system)),
    ]
    if system.settings.payments.institution == "simulator":
        routes.append(
            Mount(
                "/sandbox",
                routes=[*controls.routes(system.database), *ride_codes.routes(system), *trips.routes(system)],
            )
        )
    return routes


def _health(system: System) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def health(_: Request) -> JSONResponse:
        """200 while the database answers, 503 otherwise: for load balancers."""
        try:
            await system.database.read_value("SELECT 1")
        except TongkaError as error:
            return JSONResponse({"status": error.code}, status_code=503)
        return JSONResponse({"status": "ok"})

    return health
