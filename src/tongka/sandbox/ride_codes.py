"""A rider's phone, simulated: POST /sandbox/ride-codes answers a fresh ride code."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from tongka.code.layout import Format
from tongka.errors import Refused
from tongka.journeys import ride_code
from tongka.sandbox.controls import BODY_MAX, small_body
from tongka.system import System
from tongka.wire import Message, ObjectReader, read


class Wanted(Message):
    """Whose code, in which format; of plain bus payment, or of the virtual card named."""

    user_id: Annotated[str, Meta(description="a rider's user_id")]
    format: Annotated[Format, Meta(description="alipay, operator or ministry")]
    card_no: (
        Annotated[str, Meta(min_length=1, description="a virtual card's number; left out for plain payment")] | None
    ) = None


def read_wanted(body: bytes) -> Wanted:
    """What is asked for.

    Raises:
        Malformed: not the JSON of `Wanted`; names the member.

    """
    return read(Wanted, _reader.read(body, "body"))


_reader = ObjectReader(max_bytes=BODY_MAX, max_depth=4)

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
            wanted = read_wanted(await small_body(request))
            code = await ride_code.issue(system, wanted.user_id, wanted.format, wanted.card_no or "")
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, status_code=STATUS.get(type(refused), 400))
        return JSONResponse({"code": code.hex().upper()})

    return [Route("/ride-codes", ride_codes, methods=["POST"])]
