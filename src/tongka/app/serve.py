"""IF2 as served: FastAPI, mounted under /app/v1, with its OpenAPI at /app/v1/openapi.json.

Bearer tokens come from POST /token (password or client credentials, RFC 6749). What makes something takes the header
Idempotency-Key. Every refusal is {error, message} with its status.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, TypeVar

from fastapi import Depends, FastAPI, Form, Header, Path, Query, Request, Response
from fastapi.security import OAuth2PasswordBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AwareDatetime

from tongka.app import schemas as s
from tongka.app.errors import add_handlers, responses, responses_of_stream
from tongka.app.events import ENDED, Streams, changes
from tongka.app.reading import StrictRoute
from tongka.app.views import card_view, order_view
from tongka.days import ZONE
from tongka.errors import Malformed
from tongka.journeys.app import identity, losing, ordering, paying
from tongka.journeys.app.refusals import TokenWrong
from tongka.journeys.debit import RETURNED
from tongka.journeys.limits import Limits
from tongka.payments import OURS
from tongka.store import app as store
from tongka.store import payouts
from tongka.store.app import AppCard, AppMovedMeanwhile, AppOrder
from tongka.store.orders import MovedMeanwhile
from tongka.system import System

PATH = "/app/v1"
VISIBLE = r"^[!-~]{1,64}$"
NO_NUL = r"^[^\x00]*$"
"""What no text in the database may hold."""
PAGE_MAX = 100
WAIT_MAX_S = 30
RACES_MAX, RACE_S = 6, 0.02
POLL_S = 0.5
LOGINS, REQUESTS = 30, 1_200
"""In a minute, for each name and for each rider, in all web processes together."""

Key = Annotated[str, Header(alias="Idempotency-Key", pattern=VISIBLE)]
OrderNo = Annotated[str, Path(pattern=VISIBLE)]
CardNo = Annotated[str, Path(pattern=VISIBLE)]
Secret = Annotated[str, Form(max_length=256, pattern=NO_NUL)]
LoginName = Annotated[str, Form(max_length=64, pattern=NO_NUL)]
TOKEN = OAuth2PasswordBearer("token", auto_error=False)


def build(system: System) -> FastAPI:
    """The API over an open system."""
    api = FastAPI(title="Tongka: cards in phones", version="1.1.0", servers=[{"url": PATH}], responses=responses())
    add_handlers(api)
    api.router.route_class = StrictRoute
    limits = Limits(system)

    async def rider(token: Annotated[str | None, Depends(TOKEN)]) -> str:
        if not token:
            raise TokenWrong("a bearer token is required; POST /token gives one")
        user_id = await identity.rider(system, token)
        await limits.count((f"app rider|{user_id}", REQUESTS))
        return user_id

    _add_login(api, system, limits)
    _add_products_and_cards(api, system, rider)
    _add_orders(api, system, rider)
    _add_following(api, system, rider)
    _add_money(api, system, rider)
    return api


Rider = Callable[[str | None], Awaitable[str]]
_R = TypeVar("_R")
Look = Callable[[], Awaitable[s.OrderView]]


def _add_login(api: FastAPI, system: System, limits: Limits) -> None:
    @api.post("/token", tags=["login"], responses=responses(401))
    async def token(
        grant_type: Annotated[str, Form(pattern="^(password|client_credentials)$")],
        username: LoginName = "",
        password: Secret = "",
        client_id: LoginName = "",
        client_secret: Secret = "",
    ) -> s.Token:
        """A bearer token; a rider's name and password serve as client credentials too."""
        by_password = grant_type == "password"
        name = username if by_password else client_id
        await limits.count((identity.scope_of_login(name), LOGINS))
        granted, seconds = await identity.login(system, name, password if by_password else client_secret)
        return s.Token(access_token=granted, expires_in=seconds)


def _add_products_and_cards(api: FastAPI, system: System, rider: Rider) -> None:
    @api.get("/products", tags=["cards"], responses=responses(401))
    async def products(_: Annotated[str, Depends(rider)]) -> list[s.ProductView]:
        """What cards can be opened, prices and deposits."""
        return [
            s.ProductView(
                issuer_id=one.issuer_id,
                name=one.name,
                price_fen=one.fee_fen,
                deposit_fen=one.deposit_fen,
                topups_fen=list(one.topups_fen),
            )
            for one in await store.products(system.database)
        ]

    @api.get("/acquirers", tags=["money"], responses=responses(401))
    async def acquirers(_: Annotated[str, Depends(rider)]) -> list[str]:
        """The payment institutions that riders can pay at, as `acquirer` of a payment names them.

        A sandbox has `sandbox`, where every payment is made by itself within a second.
        """
        return list(system.acquirers)

    @api.get("/cards", tags=["cards"], responses=responses(401))
    async def cards(user_id: Annotated[str, Depends(rider)]) -> list[s.CardView]:
        """The rider's cards, the latest first."""
        held = await store.cards_of(system.database, user_id, OURS)
        return [await _card_view(system, one) for one in held]

    @api.post("/cards/{card_no}/lost", tags=["cards"], responses=responses(401, 404, 409))
    async def lost(card_no: CardNo, user_id: Annotated[str, Depends(rider)]) -> s.Lost:
        """Block a lost phone's card at once; it is paid out when its rides are cleared and nothing is undecided."""
        due = await losing.report(system, user_id, card_no)
        return s.Lost(card_no=card_no, paid_out_from=due.astimezone(ZONE))

    @api.post("/cards/{card_no}/found", tags=["cards"], responses=responses(401, 404, 409))
    async def found(card_no: CardNo, user_id: Annotated[str, Depends(rider)]) -> s.CardView:
        """The phone is there again: take the report back while the card is not paid out; its lock is lifted."""
        return await _card_view(system, await losing.take_back(system, user_id, card_no))


def _add_orders(api: FastAPI, system: System, rider: Rider) -> None:
    @api.post("/orders", status_code=201, tags=["orders"], responses=responses(401, 404, 409))
    async def create(new: s.NewOrder, key: Key, user_id: Annotated[str, Depends(rider)]) -> s.OrderView:
        """An order; what costs nothing goes on to the card's side at once."""
        return await _view(system, await ordering.create(system, user_id, key, _wish(new)))

    @api.get("/orders", tags=["orders"], responses=responses(401))
    async def list_orders(
        user_id: Annotated[str, Depends(rider)],
        before: AwareDatetime | None = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 20,
    ) -> list[s.OrderView]:
        """The rider's orders, the latest first; `before` turns the page."""
        found = await store.page(system.database, user_id, before or system.clock() + timedelta(days=1), limit)
        return [await _view(system, one) for one in found]

    @api.get("/orders/{order_no}", tags=["orders"], responses=responses(401, 404))
    async def follow(
        order_no: OrderNo,
        user_id: Annotated[str, Depends(rider)],
        wait: Annotated[int, Query(ge=0, le=WAIT_MAX_S, description="seconds to wait for another state")] = 0,
        state: Annotated[str, Query(description="the state that is known; with wait, answer when it is left")] = "",
    ) -> s.OrderView:
        """An order; held back (long poll) until it is in another state than the one given."""
        until = time.monotonic() + wait
        view = await _own_view(system, user_id, order_no)
        known = state or view.state
        while view.state == known and view.state not in ENDED and time.monotonic() + POLL_S < until:
            await asyncio.sleep(POLL_S)
            view = await _own_view(system, user_id, order_no)
        return view


def _add_following(api: FastAPI, system: System, rider: Rider) -> None:
    streams = Streams()

    async def look(order_no: OrderNo, user_id: Annotated[str, Depends(rider)]) -> AsyncIterator[Look]:
        """How to look at an order of the rider's own; looked for before the stream begins, so that a 404 is one."""
        await ordering.own(system, user_id, order_no)
        with streams.one_more(user_id):
            yield lambda: _own_view(system, user_id, order_no)

    @api.get(
        "/orders/{order_no}/events",
        tags=["orders"],
        response_class=EventSourceResponse,
        responses=responses_of_stream(401, 404),
    )
    async def events(follow: Annotated[Look, Depends(look)]) -> AsyncIterator[ServerSentEvent]:
        """Server-sent events: `order` (the order as it is, then after each change) and `end` (its last state known).

        The stream ends with the order, or after five minutes: connect again. Its heartbeats are comments.
        """
        async for event in changes(follow):
            yield event


def _add_money(api: FastAPI, system: System, rider: Rider) -> None:
    @api.post("/orders/{order_no}/pay", tags=["money"], responses=responses(401, 404, 409))
    async def pay(order_no: OrderNo, how: s.Pay, user_id: Annotated[str, Depends(rider)]) -> s.PayView:
        """Begin to pay, or get the same payment again."""
        ticket = await _settled(lambda order: paying.pay_order(system, order, how.acquirer), system, user_id, order_no)
        order = await ordering.own(system, user_id, order_no)
        return s.PayView(
            order_no=order_no,
            state=order.state.value,
            kind=ticket.kind if ticket else "",
            data=ticket.data if ticket else "",
        )

    @api.post("/orders/{order_no}/refund", tags=["money"], responses=responses(401, 404, 409))
    async def refund(order_no: OrderNo, user_id: Annotated[str, Depends(rider)]) -> s.OrderView:
        """Give back what is not on the card; an order that was not paid is cancelled."""
        order = await _settled(lambda found: ordering.refund(system, found), system, user_id, order_no)
        return await _view(system, order)

    @api.post("/orders/{order_no}/resume", tags=["orders"], responses=responses(401, 404))
    async def resume(order_no: OrderNo, user_id: Annotated[str, Depends(rider)]) -> s.OrderView:
        """Make an order's session good again before the wallet takes it up; it ends an hour after the last contact."""
        order = await ordering.own(system, user_id, order_no)
        await ordering.resume(system, order)
        return await _view(system, order)

    @api.post("/orders/{order_no}/result", tags=["orders"], responses=responses(401, 404, 409))
    async def result(order_no: OrderNo, told: s.Result, user_id: Annotated[str, Depends(rider)]) -> s.OrderView:
        """What the wallet answered to the app. 301, 302 and 403 let the money go back; x19 waits for the card."""
        order = await _settled(lambda found: ordering.told_result(system, found, told.code), system, user_id, order_no)
        return await _view(system, order)

    @api.post("/notices/{acquirer}", tags=["institutions"], include_in_schema=False)
    async def notice(acquirer: Annotated[str, Path(pattern=VISIBLE)], request: Request) -> Response:
        """What a payment institution tells, verified over the bytes as they came."""
        media, answer = await paying.take_notice(system, acquirer, dict(request.headers), await request.body())
        return Response(answer, media_type=media)


async def _card_view(system: System, card: AppCard) -> s.CardView:
    return card_view(card, await payouts.of_card(system.database, card.card_no) if card.status == RETURNED else None)


def _wish(new: s.NewOrder) -> ordering.Wish:
    opens = new.business is s.AppBusiness.OPEN
    for field, given in (("issuer_id", new.issuer_id), ("device_id", new.device_id)):
        if opens and not given:
            raise Malformed(field, "is required to open a card")
    if opens and new.card_no:
        raise Malformed("card_no", "is given out when a card is opened, and not chosen")
    if not opens and not new.card_no:
        raise Malformed("card_no", f"is required for {new.business.value}")
    return ordering.Wish(
        business=new.business.value,
        issuer_id=new.issuer_id or "",
        device_id=new.device_id or "",
        card_no=new.card_no or "",
        amount_fen=new.amount_fen,
        to_device=new.to_device_id or "",
        holder_type=int(new.card_type, 16) if new.card_type else None,
    )


async def _view(system: System, order: AppOrder) -> s.OrderView:
    return order_view(await ordering.standing(system, order))


async def _settled(act: Callable[[AppOrder], Awaitable[_R]], system: System, user_id: str, order_no: str) -> _R:
    """Act on a rider's own order; where another request moved it meanwhile, on what it has become."""
    for race in range(RACES_MAX):
        with suppress(AppMovedMeanwhile, MovedMeanwhile):
            return await act(await ordering.own(system, user_id, order_no))
        await asyncio.sleep(race * RACE_S)
    return await act(await ordering.own(system, user_id, order_no))


async def _own_view(system: System, user_id: str, order_no: str) -> s.OrderView:
    return await _view(system, await ordering.own(system, user_id, order_no))
