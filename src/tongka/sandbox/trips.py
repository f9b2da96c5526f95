"""What became of a rider's trips: GET /sandbox/trips?user_id=…, for trials that drive gates."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from tongka.store import trades
from tongka.system import System


def routes(system: System) -> list[BaseRoute]:
    """To be mounted under /sandbox."""

    async def listed(request: Request) -> JSONResponse:
        rows = await trades.listed(system.database, user_id=request.query_params.get("user_id", ""))
        return JSONResponse({"trips": msgspec.to_builtins(rows)})

    return [Route("/trips", listed)]
