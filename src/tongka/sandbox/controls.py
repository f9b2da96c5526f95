"""How a trial steers the sandbox's simulators over HTTP."""

from dataclasses import fields, replace
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from tongka.endpoint import whole_body
from tongka.payments import Answer
from tongka.payments.simulator import SimulatedInstitution
from tongka.store import till
from tongka.store.db import Database
from tongka.store.till import Temper

BODY_MAX = 4096


class Behave(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How payment institutions are to answer; what is left out stays as it is.

    Attributes:
        behaviour: of the institution that partners' payments went to.
        payment_order: the beginning of those payments that it concerns.
        unknown_percent, delay_ms, notices, pays: of the till that riders pay at; see `tongka.store.till.Temper`.

    """

    behaviour: Answer | None = None
    payment_order: str = ""
    unknown_percent: Annotated[int, Meta(ge=0, le=100)] | None = None
    delay_ms: Annotated[int, Meta(ge=0, le=600_000)] | None = None
    notices: Annotated[int, Meta(ge=0, le=10)] | None = None
    pays: bool | None = None

    async def apply(self, database: Database) -> None:
        if self.behaviour is not None:
            await SimulatedInstitution(database).behave(self.behaviour, self.payment_order)
        wanted = {f.name: getattr(self, f.name) for f in fields(Temper) if getattr(self, f.name) is not None}
        if wanted:
            await till.set_temper(database, replace(await till.temper(database), **wanted))


def routes(database: Database) -> list[BaseRoute]:
    """POST /sandbox/payments."""

    async def payments(request: Request) -> JSONResponse:
        try:
            wanted = msgspec.json.decode(await small_body(request), type=Behave)
        except msgspec.MsgspecError as wrong:
            return JSONResponse({"error": str(wrong)}, status_code=400)
        await wanted.apply(database)
        return JSONResponse(msgspec.to_builtins(wanted))

    return [Route("/payments", payments, methods=["POST"])]


async def small_body(request: Request) -> bytes:
    """The body; nothing, which is not JSON, where it is too long."""
    return await whole_body(request.receive, BODY_MAX) or b""
