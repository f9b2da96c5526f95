"""How the app's API says no: one shape, {error, message}, for whatever is refused, and the statuses that declare it."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tongka.app.schemas import Error
from tongka.errors import BadSignature, Failed, Malformed, TongkaError
from tongka.journeys.app.refusals import (
    AppCardUnknown,
    AppOrderUnknown,
    DeviceTaken,
    KeyUsedOtherwise,
    LoginWrong,
    NotPayable,
    NotRefundable,
    ProductUnknown,
    ResultStands,
    TokenWrong,
)
from tongka.journeys.refusals import TooManyRequests
from tongka.journeys.wallet.refusals import DeviceUnknown

BODY_MAX_BYTES = 64 << 10
RETRY_AFTER_S = "1"

STATUS: tuple[tuple[type[TongkaError], int], ...] = (
    (TooManyRequests, 429),
    (LoginWrong, 401),
    (TokenWrong, 401),
    (Malformed, 422),
    (BadSignature, 401),
    (AppOrderUnknown, 404),
    (AppCardUnknown, 404),
    (ProductUnknown, 404),
    (DeviceUnknown, 404),
    (DeviceTaken, 409),
    (KeyUsedOtherwise, 409),
    (NotPayable, 409),
    (NotRefundable, 409),
    (ResultStands, 409),
    (Failed, 503),
    (TongkaError, 422),
)
"""The first that fits."""

HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": RETRY_AFTER_S},
    503: {"Retry-After": RETRY_AFTER_S},
}

MEANING = {
    401: "Who asks is not known: no token, one that has expired, or a wrong login.",
    404: "There is no such thing, or it is another rider's.",
    409: "Not as things stand, or not with this idempotency key.",
    413: f"Longer than {BODY_MAX_BYTES >> 10} KiB.",
    422: "Malformed (the message names the field), or refused by a rule of the cards.",
    429: "Too often; see Retry-After.",
    500: "Our fault; it is in the log.",
    503: "Try again; see Retry-After.",
}
ALWAYS = (413, 422, 429, 500, 503)


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Statuses with the error's shape, as OpenAPI declares them; those that any operation may answer are among them."""
    return {code: {"model": Error, "description": MEANING[code]} for code in sorted({*codes, *ALWAYS})}


def responses_of_stream(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The same of an operation that answers a stream; the framework would declare refusals as streams, too."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Error.__name__}"}}}
    return {code: {"description": one["description"], "content": content} for code, one in responses(*codes).items()}


def add_handlers(api: FastAPI) -> None:
    api.add_exception_handler(TongkaError, _refuse)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_middleware(Guard)


def _answer(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": code, "message": message}, status, HEADERS.get(status))


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, TongkaError):
        raise error
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    return _answer(status, error.code, str(error))


async def _invalid(_: Request, error: Exception) -> Response:
    """Names the field and what is expected; never repeats a value."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or "message"
    return _answer(422, Malformed.code, f"{field}: {first['msg']}")


async def _http(_: Request, error: Exception) -> Response:
    """What the framework refuses: paths and methods that there are none of, bodies that it cannot take apart."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
        return _answer(422, Malformed.code, error.detail)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return _answer(422, Malformed.code, "message: cannot be read")
    phrase = HTTPStatus(error.status_code).phrase
    answer = _answer(error.status_code, phrase.lower().replace(" ", "_"), phrase)
    answer.headers.update(error.headers or {})
    return answer


class Guard:
    """Reads no more than the limit, and answers in the one shape also where something of ours broke."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read, started = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            return message if read <= BODY_MAX_BYTES else {"type": "http.disconnect"}

        async def noted(message: Message) -> None:
            nonlocal started
            if read <= BODY_MAX_BYTES:
                started = True
                await send(message)

        try:
            await self._app(scope, counted, noted)
        except Exception:
            if read <= BODY_MAX_BYTES:
                structlog.get_logger().exception("request failed", path=scope["path"])
            if started:
                raise
        if not started:
            status, code = (413, "too_large") if read > BODY_MAX_BYTES else (500, "failed")
            await _answer(status, code, MEANING[status])(scope, receive, send)
