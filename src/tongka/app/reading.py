"""Bodies are read as strictly as partners' messages: no key twice, no fractions, bounded depth."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from tongka.app.errors import BODY_MAX_BYTES
from tongka.errors import Malformed
from tongka.wire import ObjectReader

READER = ObjectReader(max_bytes=BODY_MAX_BYTES)


class StrictRequest(Request):
    """A request whose JSON is an object, and means one thing."""

    async def json(self) -> Any:
        try:
            return READER.read(await self.body())
        except Malformed as error:
            raise HTTPException(422, str(error)) from error


class StrictRoute(APIRoute):
    """Hands `StrictRequest` to its operation."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly
