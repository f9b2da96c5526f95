"""The console's pages. They only read, and answer only this machine: operators come through a proxy that knows them."""

from datetime import datetime
from ipaddress import ip_address

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tongka.money import format_yuan
from tongka.store import ledger, overview
from tongka.system import System

HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}

_templates = Environment(loader=PackageLoader("tongka.console"), autoescape=True, undefined=StrictUndefined)
_templates.filters["yuan"] = format_yuan


def routes(system: System) -> list[BaseRoute]:
    """The overview."""

    async def show(request: Request) -> Response:
        if not _from_here(request):
            return PlainTextResponse("the console answers this machine only", status_code=403)
        return HTMLResponse(await overview_page(system, system.clock()), headers=HEADERS)

    return [Route("/", show)]


async def overview_page(system: System, now: datetime) -> str:
    """Today's orders by state, the latest of them, the books' balances, the cards."""
    day = system.day(now)
    database = system.database
    return _templates.get_template("overview.html").render(
        now=now,
        day=day,
        states=await overview.states_of(database, day),
        latest=await overview.latest_orders(database, day),
        balances=[one for one in await ledger.balances(database) if one.debit_fen or one.credit_fen],
        cards=await overview.card_counts(database),
    )


def _from_here(request: Request) -> bool:
    """Whether the peer is this machine; Host is checked too, so that no other site's page can ask through a browser."""
    host = request.url.hostname or ""
    return _is_loopback(request.client.host if request.client else "") and (host == "localhost" or _is_loopback(host))


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
