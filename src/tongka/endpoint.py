"""A message in, an answer out: what partners' endpoints have in common, as a bare ASGI application.

Partners sign the bytes of a body, so nothing may stand between the socket and whoever verifies them.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

Answer = Callable[[Scope, bytes], Awaitable[bytes | None]]


class Endpoint:
    """Answers each request 200 with what `answer` makes of its body; 404 where that is None, 413 over the limit.

    Args:
        answer: takes the ASGI scope and the whole body; never raises for what was sent.
        max_bytes: of a body; no more than one message beyond it is read.
        content_type: of the answers.

    """

    def __init__(self, answer: Answer, max_bytes: int, content_type: str) -> None:
        self._answer = answer
        self._max_bytes = max_bytes
        self._content_type = (b"content-type", content_type.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await whole_body(receive, self._max_bytes)
        answer = None if body is None else await self._answer(scope, body)
        await send(self._start(413 if body is None else 404, b"") if answer is None else self._start(200, answer))
        await send({"type": "http.response.body", "body": answer or b""})

    def _start(self, status: int, answer: bytes) -> Message:
        headers = [(b"content-length", b"%d" % len(answer)), self._content_type]
        return {"type": "http.response.start", "status": status, "headers": headers}


def address_of(scope: Scope) -> str:
    """Where a request came from, as far as it is known."""
    return (scope.get("client") or ("",))[0]


async def whole_body(receive: Receive, max_bytes: int) -> bytes | None:
    """The body, or None once it is over the limit.

    Raises:
        ClientDisconnect: the client left before it was whole.

    """
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > max_bytes:
            return None
        more = message.get("more_body", False)
    return body
