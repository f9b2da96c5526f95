"""Tickets: short signed texts that say who opened a page, and what exactly a form was shown for. Pure.

A ticket names its purpose, so that one for looking at codes can never sign an agreement, and ends by itself. The app in
which a rider is known makes one with the shared secret and opens the page with it.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from tongka.errors import BadSignature, Refused

RIDER = "rider"
"""Purpose of the ticket that opens pages; its one value is the user id."""

MAC_LEN = 32
SECRET_LEN = 32


class TicketExpired(Refused):
    """The page was opened too long ago; it is to be opened again from the app."""

    code = "ticket_expired"


def issue(secret: bytes, purpose: str, values: tuple[str, ...], expires_at: int) -> str:
    """A ticket over some values, good until `expires_at`, unix seconds."""
    body = _body(purpose, values, expires_at)
    return urlsafe_b64encode(_mac(secret, body) + body).decode()


def read(secret: bytes, purpose: str, ticket: str, now: int) -> tuple[str, ...]:
    """The values of a ticket.

    Raises:
        BadSignature: it was not made here, or for another purpose.
        TicketExpired: its time is over.

    """
    try:
        data = urlsafe_b64decode(ticket.encode("ascii"))
    except ValueError as error:
        raise BadSignature("the ticket is none of ours") from error
    mac, body = data[:MAC_LEN], data[MAC_LEN:]
    if not hmac.compare_digest(mac, _mac(secret, body)):
        raise BadSignature("the ticket is none of ours")
    found, expires_at, *values = (part.decode() for part in body.split(b"\0"))
    if found != purpose:
        raise BadSignature("the ticket is for another purpose")
    if now > int(expires_at):
        raise TicketExpired("the page was opened too long ago; open it again")
    return tuple(values)


def _body(purpose: str, values: tuple[str, ...], expires_at: int) -> bytes:
    parts = (purpose, str(expires_at), *values)
    if any("\0" in part for part in parts):
        raise ValueError("a value of a ticket holds a zero byte")
    return "\0".join(parts).encode()


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, body, hashlib.sha256)
