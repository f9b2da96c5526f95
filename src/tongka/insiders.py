"""Who may see the console and /metrics: this machine, and whoever sends the token that the settings name.

A token is meant for a machine: for Prometheus, or for a proxy that knows its people and adds it to what they ask.
"""

import hmac
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from starlette.requests import Request

from tongka.errors import Misconfigured

TOKEN_MIN = 32

May = Callable[[Request], bool]


def insiders(setting: str, file: str) -> May:
    """Whether a request may see what is inside.

    Args:
        setting: the name of the setting, for the mistake in it.
        file: holds the token; empty: there is none.

    Raises:
        Misconfigured: the file cannot be read, or its token is too short.

    """
    token = _token(setting, file) if file else b""

    def may(request: Request) -> bool:
        return from_here(request) or (bool(token) and hmac.compare_digest(_bearer(request), token))

    return may


def from_here(request: Request) -> bool:
    """Whether the peer is this machine; Host is checked too, so that no other site's page can ask through a browser."""
    host = request.url.hostname or ""
    return _is_loopback(request.client.host if request.client else "") and (host == "localhost" or _is_loopback(host))


def _token(setting: str, file: str) -> bytes:
    try:
        token = Path(file).read_bytes().strip()
    except OSError as error:
        raise Misconfigured(f"{setting}: {file} cannot be read: {error}") from error
    if len(token) < TOKEN_MIN:
        raise Misconfigured(f"{setting}: a token of {TOKEN_MIN} characters or more is needed; `openssl rand -hex 32`")
    return token


def _bearer(request: Request) -> bytes:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip().encode() if kind.lower() == "bearer" else b""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
