"""What is asked about this process itself: whether it lives, whether it can serve, and its figures."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tongka import VERSION
from tongka.insiders import insiders
from tongka.metrics import scrape
from tongka.readiness import Readiness
from tongka.system import System
from tongka.traffic_files import TrafficFile

HEALTH, READY, METRICS = "/health", "/ready", "/metrics"


def routes(system: System, readiness: Readiness, files: TrafficFile) -> list[BaseRoute]:
    """`/health`, `/ready`, `/metrics`.

    Raises:
        Misconfigured: the token's file is not as it should be.

    """
    may = insiders("monitoring.metrics_token_file", system.settings.monitoring.metrics_token_file)

    async def health(_: Request) -> JSONResponse:
        """200 as long as this process answers at all: for whoever would restart it."""
        return JSONResponse({"status": "ok", "version": VERSION})

    async def ready(_: Request) -> JSONResponse:
        """200 where requests can be served, 503 with what is wrong: for load balancers."""
        problems = await readiness.problems()
        said = {"status": "not ready" if problems else "ready", "version": VERSION, "problems": problems}
        return JSONResponse(said, status_code=503 if problems else 200)

    async def metrics(request: Request) -> Response:
        if not may(request):
            return PlainTextResponse(
                "/metrics answers this machine, and monitoring.metrics_token_file", status_code=403
            )
        page = await scrape(system, readiness, files.all(system.traffic))
        return Response(page, media_type=CONTENT_TYPE_LATEST)

    return [Route(HEALTH, health), Route(READY, ready), Route(METRICS, metrics)]


class OnItsSchema:
    """Answers 503 to everything but the routes above while the schema is not this version's."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._readiness.fits or scope["type"] != "http" or scope["path"] in {HEALTH, READY, METRICS}:
            await self._app(scope, receive, send)
            return
        refusal = JSONResponse({"error": "schema", "message": "the platform is being upgraded"}, status_code=503)
        await refusal(scope, receive, send)
