"""A rider's phone, simulated: POST /sandbox/ride-codes answers a fresh ride code."""

from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from tongka.code.layout import Format
from tongka.errors import Refused
from tongka.journeys import ride_code
from tongka.sandbox.controls import small_body
from tongka.system import System


class Wanted(msgspec.Struct, frozen=True):
    """Whose code, in which format; of plain bus payment, or of the virtual card named."""

    user_id: str
    format: Format
    card_no: str = ""


STATUS: Final[Mapping[type[Refused], int]] = {
    ride_code.RiderUnknown: 404,
    ride_code.VirtualCardMissing: 404,
    ride_code.RiderBlacklisted: 403,
    ride_code.VirtualCardDisabled: 409,
}


def routes(system: System) -> list[BaseRoute]:
    """To be mounted under /sandbox."""

    async def ride_codes(request: Request) -> JSONResponse:
        try:
            wanted = msgspec.json.decode(await small_body(request), type=Wanted)
            code = await ride_code.issue(system, wanted.user_id, wanted.format, wanted.card_no)
        except msgspec.MsgspecError as wrong:
            return JSONResponse({"error": str(wrong)}, status_code=400)
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, status_code=STATUS.get(type(refused), 400))
        return JSONResponse({"code": code.hex().upper()})

    return [Route("/ride-codes", ride_codes, methods=["POST"])]
