"""How a trial steers the sandbox's simulators over HTTP."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from tongka.payments import Answer
from tongka.payments.simulator import SimulatedInstitution

BODY_MAX = 4096


class Behave(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the payment institution is to answer; `payment_order` is the beginning of those it concerns."""

    behaviour: Answer
    payment_order: str = ""


def routes(institution: SimulatedInstitution) -> list[BaseRoute]:
    """POST /sandbox/payments."""

    async def payments(request: Request) -> JSONResponse:
        try:
            wanted = msgspec.json.decode(await small_body(request), type=Behave)
        except msgspec.MsgspecError as wrong:
            return JSONResponse({"error": str(wrong)}, status_code=400)
        await institution.behave(wanted.behaviour, wanted.payment_order)
        return JSONResponse(msgspec.to_builtins(wanted))

    return [Route("/payments", payments, methods=["POST"])]


async def small_body(request: Request) -> bytes:
    """The body; what is too long is cut, and then not JSON."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            break
    return body[:BODY_MAX]
