"""The console's pages. They only read; this machine sees them, and a proxy that knows operators and has the token."""

from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tongka.insiders import insiders
from tongka.money import format_yuan
from tongka.store import ledger, overview
from tongka.system import System

HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}

_templates = Environment(loader=PackageLoader("tongka.console"), autoescape=True, undefined=StrictUndefined)
_templates.filters["yuan"] = format_yuan


def routes(system: System) -> list[BaseRoute]:
    """The overview."""
    may = insiders("monitoring.console_token_file", system.settings.monitoring.console_token_file)

    async def show(request: Request) -> Response:
        if not may(request):
            told = "the console answers this machine, and a proxy with the token of monitoring.console_token_file"
            return PlainTextResponse(told, status_code=403)
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
