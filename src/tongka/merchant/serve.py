"""Where gates upload: POST /merchant/records with a gate's token, and GET to know where to go on. What they verify
codes with, and the blacklist, they get here too.

`docs/merchant.md` is the page for makers of gates. A gate is named by its token alone: it writes its own journal only.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tongka.code.record import RECORD_MAX
from tongka.days import ZONE
from tongka.endpoint import whole_body
from tongka.errors import Failed, Malformed, Refused, RepeatedWithOtherContents, TongkaError, Unknown
from tongka.journeys import gate_lists
from tongka.journeys import gates as journey
from tongka.journeys.gate_lists import Document
from tongka.store import gates
from tongka.store.gates import Gate, JournalGap, Part
from tongka.system import System

RECORDS_MAX = 5_000
BODY_MAX = 16 << 20
"""5,000 records of about 700 hex digits are 3.5 MB."""


class Upload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a POST.

    Attributes:
        first: the serial of the first record; a gate counts from 1.
        records: hex, as verify_qrcode_v2 answered them.
        complete_to: unix seconds; the gate has nothing older that is not uploaded with this.

    """

    first: Annotated[int, Meta(ge=1, lt=1 << 62)]
    records: Annotated[
        list[Annotated[str, Meta(min_length=2, max_length=2 * RECORD_MAX)]], Meta(max_length=RECORDS_MAX)
    ]
    complete_to: Annotated[int, Meta(ge=0, lt=1 << 32)] | None = None


class Unauthorised(Refused):
    """No token, or that of no active gate."""

    code = "unauthorised"


class TooLong(Refused):
    """The body is longer than is read."""

    code = "too_long"


STATUS: tuple[tuple[type[TongkaError], int], ...] = (
    (Unauthorised, 401),
    (TooLong, 413),
    (JournalGap, 409),
    (RepeatedWithOtherContents, 409),
    (Malformed, 400),
    (Failed, 503),
    (Unknown, 503),
)
"""503 says: send it again, nothing can happen twice."""

_decoder = msgspec.json.Decoder(Upload)


def routes(system: System) -> list[BaseRoute]:
    """To be mounted under /merchant."""

    async def records(request: Request) -> JSONResponse:
        try:
            gate = await _gate(system, request)
            if request.method == "GET":
                return JSONResponse({"gate_id": gate.gate_id, "next": gate.next_serial})
            done = await journey.upload(system, gate, read_upload(await _body(request)))
        except TongkaError as error:
            return _refusal(error)
        return JSONResponse(msgspec.to_builtins(done))

    def signed(made: Callable[[System], Awaitable[Document]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                await _gate(system, request)
                return _document(request, await made(system))
            except TongkaError as error:
                return _refusal(error)

        return answer

    return [
        Route("/records", records, methods=["GET", "POST"]),
        Route("/blacklist", signed(gate_lists.blacklist)),
        Route("/keys", signed(gate_lists.keys)),
    ]


def _document(request: Request, found: Document) -> Response:
    """The document, or 304 for a gate that has this version."""
    etag = f'"{found.version}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if etag in request.headers.get("if-none-match", "").replace("W/", "").split(", "):
        return Response(status_code=304, headers=headers)
    return Response(found.contents, media_type="application/json", headers=headers)


def read_upload(body: bytes) -> Part:
    """The part of a journal that a body holds.

    Raises:
        Malformed: not the JSON of `Upload`, or a record that is not hex.

    """
    try:
        upload = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise Malformed("body", str(error)) from error
    try:
        records = [bytes.fromhex(record) for record in upload.records]
    except ValueError as error:
        raise Malformed("records", "are hex") from error
    until = None if upload.complete_to is None else datetime.fromtimestamp(upload.complete_to, ZONE)
    return Part(upload.first, records, until)


async def _gate(system: System, request: Request) -> Gate:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    gate = None
    if kind.lower() == "bearer" and token:
        gate = await gates.by_token(system.database, journey.token_digest(token.strip()))
    if gate is None:
        raise Unauthorised("send `Authorization: Bearer` with the token that `tongka gate add` printed")
    return gate


async def _body(request: Request) -> bytes:
    body = await whole_body(request.receive, BODY_MAX)
    if body is None:
        raise TooLong(f"at most {BODY_MAX} bytes are read; send fewer records at a time")
    return body


def _refusal(error: TongkaError) -> JSONResponse:
    status = next((number for kind, number in STATUS if isinstance(error, kind)), 400)
    told: dict[str, object] = {"error": error.code, "message": str(error)}
    if isinstance(error, JournalGap):
        told["next"] = error.next
    return JSONResponse(told, status_code=status)
