"""Interfaces whose answers are told by HTTP statuses: each request is counted, by the path as it is declared."""

from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tongka.traffic import Seen, Traffic

UNAUTHORISED = "401"
NO_PATH = "no such path"
"""What strangers ask for is not counted by its name."""


class Watched:
    """An application of which each request is told."""

    def __init__(self, app: ASGIApp, traffic: Traffic, interface: str, path: str = "") -> None:
        self._app = app
        self._traffic = traffic
        self._interface = interface
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = Seen(self._interface, "", (scope.get("client") or ("",))[0])
        seen.code = "500"

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.code = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            seen.operation = f"{scope['method']} {self._path or _declared(scope.get('route'))}"
            if seen.code == UNAUTHORISED:
                self._traffic.unproven(seen, "no token, or none that is known")
            self._traffic.end(seen)


def _declared(route: Any) -> str:
    """The path of what answered; a mount did not."""
    return route.path if hasattr(route, "methods") else NO_PATH


def watched(routes: Sequence[BaseRoute], traffic: Traffic, interface: str) -> list[BaseRoute]:
    """The same routes, each request of them told."""
    for route in routes:
        if isinstance(route, Route):
            route.app = Watched(route.app, traffic, interface, route.path)
    return list(routes)
