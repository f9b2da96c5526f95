"""The pages that merchants send riders to (Alipay 4.3): card_entry.html with action `sign` or `use`.

A rider is known by the ticket with which his app opens the page; it goes into a cookie. The sandbox has no app: there
the page asks who is looking. Pages fetch nothing from elsewhere, run only their own script, and work without it.
"""

import re
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tongka import wire
from tongka.code import picture
from tongka.code.layout import PLAIN_CARD_TYPE, Format
from tongka.endpoint import whole_body
from tongka.errors import BadSignature, Malformed, Misconfigured, Refused, TongkaError
from tongka.journeys import ride_code
from tongka.partners.alipay import tickets
from tongka.partners.alipay.tickets import RIDER, SECRET_LEN, TicketExpired
from tongka.settings import Pages
from tongka.store import riders, virtual_cards
from tongka.store.virtual_cards import VirtualCard
from tongka.system import System

BASE = "/p/f/public_transit"
ENTRY = f"{BASE}/card_entry.html"
AGREE = f"{BASE}/agreement"
CODE = f"{BASE}/code"

SIGN, USE = "sign", "use"
COOKIE = "tongka_rider"
SESSION_S = 12 * 3600
FORM_S = 15 * 60
FORM_MAX = 8192
CREDIT_OPENED = "isCreditOpened"

Text = Annotated[str, Meta(max_length=128, description="at most 128 characters")]
Address = Annotated[str, Meta(max_length=2048, description="at most 2048 characters")]


class Query(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The parameters of 4.3.2, as spelt there; `ticket` says who opens the page, `user_id` does so in the sandbox.

    `scene`, `subScene` and `source` are for the operator's figures; a page does not depend on them.
    """

    action: Text = ""
    card_title: Text = ""
    scene: Text = ""
    sub_scene: Text = ""
    source: Text = ""
    redirect_url: Address = ""
    card_type: Text = ""
    card_no: Text = ""
    ticket: Address = ""
    user_id: Text = msgspec.field(default="", name="user_id")


class NotKnown(Refused):
    """Nobody knows who opens the page."""

    code = "rider_not_known"


_templates = Environment(loader=PackageLoader("tongka.partners.alipay"), autoescape=True, undefined=StrictUndefined)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the code page says of the card."""

    title: str
    card_no: str = ""
    balance: str = ""
    disabled: bool = False
    tips: str = ""


def routes(system: System) -> list[BaseRoute]:
    """The entry page, its form, and the fresh codes of the code page; none where no ticket key is set."""
    if not system.settings.pages.ticket_key_file:
        return []
    pages = _Pages(system, _secret(system.settings.pages))
    return [
        Route(ENTRY, pages.answering(pages.entry)),
        Route(AGREE, pages.answering(pages.agree), methods=["POST"]),
        Route(CODE, pages.answering(pages.code)),
    ]


def _secret(settings: Pages) -> bytes:
    try:
        secret = bytes.fromhex(Path(settings.ticket_key_file).read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"pages.ticket_key_file cannot be read: {error}") from error
    if len(secret) < SECRET_LEN:
        raise Misconfigured(f"pages.ticket_key_file holds {len(secret)} bytes; it has {SECRET_LEN} or more, as hex")
    return secret


class _Pages:
    """The pages over one system; nothing is kept between requests."""

    def __init__(self, system: System, secret: bytes) -> None:
        self._system = system
        self._secret = secret

    def answering(self, page: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """What is refused becomes a page that says so."""

        async def answer(request: Request) -> Response:
            try:
                return await page(request)
            except TongkaError as error:
                status = next((number for kind, number in STATUS if isinstance(error, kind)), 503)
                return _page("message.html", status, title="无法打开", text=_say(error), detail=str(error))

        return answer

    # --- the entry ----------------------------------------------------------------------------------------------------

    async def entry(self, request: Request) -> Response:
        query = read_query(request.query_params.multi_items())
        if query.action not in (SIGN, USE):
            raise Malformed("action", "is sign or use")
        user_id = await self._who(request, query)
        if query.action == SIGN:
            response = await self._sign(query, user_id)
        else:
            response = await self._use(query, user_id) if user_id else await self._choose(request)
        return self._remember(request, response, user_id) if user_id else response

    @property
    def _in_production(self) -> bool:
        return self._system.settings.mode == "production"

    @property
    def _now(self) -> int:
        return int(self._system.clock().timestamp())

    async def _who(self, request: Request, query: Query) -> str:
        """The rider: by his app's ticket, or the cookie of an earlier page.

        The sandbox takes his word too, or that of the card to be shown; there nobody is a rider yet to be chosen.

        Raises:
            NotKnown: in production, neither ticket nor cookie.

        """
        if query.ticket:
            (user_id,) = tickets.read(self._secret, RIDER, query.ticket, self._now)
            return user_id
        if self._in_production:
            return self._of_cookie(request)
        with suppress(NotKnown):
            return query.user_id or await self._holder(query) or self._of_cookie(request)
        return ""

    async def _holder(self, query: Query) -> str:
        """Whose card it is, or nobody's."""
        if not query.card_no:
            return ""
        found = await virtual_cards.search(
            self._system.database, of_types=[query.card_type], card_no=query.card_no, limit=1
        )
        return found[0].user_id if found else ""

    def _of_cookie(self, request: Request) -> str:
        """One that is not ours, or no longer, is none: hosts share cookies between ports."""
        try:
            (user_id,) = tickets.read(self._secret, RIDER, request.cookies.get(COOKIE, ""), self._now)
        except (BadSignature, TicketExpired) as error:
            raise NotKnown("open this page from the app") from error
        return user_id

    def _remember(self, request: Request, response: Response, user_id: str) -> Response:
        ticket = tickets.issue(self._secret, RIDER, (user_id,), self._now + SESSION_S)
        secure = request.url.scheme == "https" or self._in_production
        response.set_cookie(COOKIE, ticket, max_age=SESSION_S, path=BASE, httponly=True, samesite="lax", secure=secure)
        return response

    async def _choose(self, request: Request) -> Response:
        """The sandbox's riders, each with a link to the same page."""
        found = await riders.page(self._system.database)
        return _page("choose.html", title="选择用户", address=str(request.url.query), riders=found)

    # --- sign ---------------------------------------------------------------------------------------------------------

    async def _sign(self, query: Query, user_id: str) -> Response:
        """4.3.1.1: the agreement; who has signed it before goes straight back."""
        for name, text in (("cardTitle", query.card_title), ("redirectUrl", query.redirect_url)):
            if not text:
                raise Malformed(name, "is needed to sign")
        self._require_redirect(query.redirect_url)
        await self._require_card_type(query.card_type)
        if user_id:
            await self._require_rider(user_id)
            if await riders.has_agreed(self._system.database, user_id, query.card_type):
                return back(query.redirect_url, opened=True)
        choice = [] if user_id else [one.user_id for one in await riders.page(self._system.database)]
        values = (user_id, query.card_type, query.redirect_url)
        token = tickets.issue(self._secret, SIGN, values, self._now + FORM_S)
        return _page("sign.html", title=query.card_title, token=token, action=AGREE, choice=choice)

    async def agree(self, request: Request) -> Response:
        """The form: its token says who was shown which agreement, so it cannot be forged, nor another redirect sent."""
        form = await _form(request)
        user_id, card_type, redirect = tickets.read(self._secret, SIGN, form.get("token", ""), self._now)
        if user_id or self._in_production:
            if self._of_cookie(request) != user_id:
                raise BadSignature("the form was shown to somebody else")
        else:
            user_id = form.get("user_id", "")
            await self._require_rider(user_id)
        opened = form.get("agree") == "yes"
        if opened:
            await riders.sign_agreement(self._system.database, [user_id], card_type, self._system.clock())
        return back(redirect, opened=opened)

    def _require_redirect(self, address: str) -> None:
        """http(s) only; where `pages.redirects` names origins, only to these."""
        parts = web_address(address)
        allowed = self._system.settings.pages.redirects
        if (allowed or self._in_production) and f"{parts.scheme}://{parts.netloc}" not in allowed:
            raise Malformed("redirectUrl", "leads to an origin that pages.redirects does not name")

    async def _require_rider(self, user_id: str) -> None:
        if await riders.find(self._system.database, user_id) is None:
            raise riders.RiderUnknown

    async def _require_card_type(self, card_type: str) -> None:
        if card_type not in await riders.card_types(self._system.database):
            raise Malformed("cardType", "is not registered")

    # --- use ----------------------------------------------------------------------------------------------------------

    async def _use(self, query: Query, user_id: str) -> Response:
        """4.3.1.2: the code page."""
        shown = await self._shown(query, user_id)
        wanted = {"cardType": query.card_type, "cardNo": query.card_no}
        nonce = secrets.token_urlsafe(16)
        return _page(
            "use.html",
            nonce=nonce,
            title=shown.title,
            shown=shown,
            picture="" if shown.disabled else await self._picture(user_id, query),
            address=f"{CODE}?{urlencode(wanted)}",
            refresh_s=self._system.settings.pages.refresh_s,
        )

    async def code(self, request: Request) -> Response:
        """A fresh code as SVG, for the page's script; who asks is known as at the entry."""
        query = read_query(request.query_params.multi_items())
        user_id = await self._who(request, query)
        if not user_id:
            raise NotKnown("open this page from the app")
        shown = await self._shown(query, user_id)
        told: dict[str, Any] = {"balance": shown.balance, "disabled": shown.disabled, "tips": shown.tips}
        told["picture"] = "" if shown.disabled else await self._picture(user_id, query)
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    async def _shown(self, query: Query, user_id: str) -> Shown:
        kinds = await riders.card_types(self._system.database)
        if query.card_type not in kinds:
            raise Malformed("cardType", "is not registered")
        title = query.card_title or kinds[query.card_type].title
        if query.card_type == PLAIN_CARD_TYPE:
            return Shown(title)
        card = await virtual_cards.of_rider(self._system.database, user_id, query.card_no) if query.card_no else None
        if card is None or card.card_type != query.card_type:
            raise virtual_cards.VirtualCardMissing("cardNo: the rider has no such card")
        return _of_card(title, card)

    async def _picture(self, user_id: str, query: Query) -> str:
        card_no = "" if query.card_type == PLAIN_CARD_TYPE else query.card_no
        return picture.svg(await ride_code.issue(self._system, user_id, Format.ALIPAY, card_no))


def _of_card(title: str, card: VirtualCard) -> Shown:
    return Shown(title, card.card_no, card.balance, card.disabled, card.disabled_tips)


STATUS: tuple[tuple[type[TongkaError], int], ...] = (
    (NotKnown, 401),
    (TicketExpired, 401),
    (BadSignature, 403),
    (riders.RiderUnknown, 404),
    (virtual_cards.VirtualCardMissing, 404),
    (Refused, 400),
)

SAY = {
    NotKnown.code: "请从应用中打开本页面。",
    TicketExpired.code: "页面已过期，请返回应用重新打开。",
    virtual_cards.VirtualCardMissing.code: "没有找到这张卡。",
    riders.RiderUnknown.code: "没有找到该用户。",
    ride_code.RiderBlacklisted.code: "账户已停用，请联系客服。",
}


def _say(error: TongkaError) -> str:
    return SAY.get(error.code, "请求有误，请返回重试。" if isinstance(error, Refused) else "系统繁忙，请稍后重试。")


def read_query(items: Any) -> Query:
    """The parameters; each at most once, for two readers might choose differently.

    Raises:
        Malformed: one stands twice or is too long.

    """
    values: dict[str, str] = {}
    for name, text in items:
        if name in values:
            raise Malformed(name[:40], "stands twice")
        if "\0" in text:
            raise Malformed(name[:40], "holds the character U+0000")
        values[name] = text
    return wire.read(Query, values)


async def _form(request: Request) -> dict[str, str]:
    body = await whole_body(request.receive, FORM_MAX)
    if body is None:
        raise Malformed("form", f"has at most {FORM_MAX} bytes")
    if b"%00" in body or b"\0" in body:
        raise Malformed("form", "holds the character U+0000")
    try:
        return dict(parse_qsl(body.decode("ascii"), strict_parsing=True))
    except ValueError as error:
        raise Malformed("form", "is not a form") from error


_NOT_IN_ADDRESSES = re.compile(r"[\x00-\x20\x7F\\]")


def web_address(address: str) -> SplitResult:
    """The parts of a redirectUrl.

    Raises:
        Malformed: not http or https, or something that browsers and we might read differently.

    """
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
        usable = usable and parts.port != 0  # and a ValueError for what is no port at all
    except ValueError as error:
        raise Malformed("redirectUrl", "is an http or https address") from error
    if not usable or _NOT_IN_ADDRESSES.search(address):
        raise Malformed("redirectUrl", "is an http or https address")
    return parts


def back(address: str, *, opened: bool) -> Response:
    """To the merchant, with isCreditOpened behind whatever his address holds (4.3.3)."""
    parts = urlsplit(address)
    kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] != CREDIT_OPENED]
    query = "&".join([*kept, f"{CREDIT_OPENED}={str(opened).lower()}"])
    return RedirectResponse(urlunsplit(parts._replace(query=query)), status_code=303)


def _page(template: str, status: int = 200, *, nonce: str = "", **values: Any) -> HTMLResponse:
    script = f"'nonce-{nonce}'" if nonce else "'none'"
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none';"
        f" frame-ancestors 'none'; script-src {script}"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(_templates.get_template(template).render(nonce=nonce, **values), status, headers)
