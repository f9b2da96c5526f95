"""The pages over HTTP: who sees what, where they lead, and what they refuse."""

import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from tongka.days import ZONE
from tongka.partners.alipay import pages, tickets
from tongka.settings import Pages
from tongka.store import riders
from tongka.system import System

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=ZONE)
USER, OTHER = "2088000000000001", "2088000000000002"
CARD_TYPE = "GJ330500"
SECRET = bytes(range(32))
SIGN = {
    "action": "sign",
    "cardTitle": "湖州公交卡",
    "scene": "TRANSIT",
    "subScene": "330500",
    "source": "app",
    "redirectUrl": "https://app.example/back?a=1",
    "cardType": CARD_TYPE,
}
USE = {
    "action": "use",
    "scene": "TRANSIT",
    "subScene": "330500",
    "source": "app",
    "cardType": CARD_TYPE,
    "cardNo": "C1",
}


def opened(system, **settings):
    """A browser, not yet known."""
    pages_settings = msgspec.structs.replace(system.settings.pages, redirects=settings.pop("redirects", ()))
    wanted = msgspec.structs.replace(system.settings, pages=pages_settings, **settings)
    system = System(**{name: getattr(system, name) for name in System.__slots__} | {"settings": wanted})
    app = Starlette(routes=pages.routes(system))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://t.example")


@pytest.fixture
async def browser(system):
    async with opened(system) as client:
        yield client


def token_in(page):
    return re.search(r'name="token" value="([^"]+)"', page.text)[1]


async def sign_page(browser, **changes):
    return await browser.get(pages.ENTRY, params=SIGN | {"user_id": USER} | changes)


async def test_an_agreement_is_signed_and_leads_back(browser, database):
    page = await sign_page(browser)
    assert (page.status_code, "湖州公交卡" in page.text) == (200, True)
    done = await browser.post(pages.AGREE, data={"token": token_in(page), "agree": "yes"})
    assert (done.status_code, done.headers["location"]) == (303, "https://app.example/back?a=1&isCreditOpened=true")
    assert await riders.has_agreed(database, USER, CARD_TYPE)
    again = await sign_page(browser)
    assert (again.status_code, again.headers["location"]) == (303, "https://app.example/back?a=1&isCreditOpened=true")


async def test_a_no_leads_back_too(browser, database):
    page = await sign_page(browser)
    done = await browser.post(pages.AGREE, data={"token": token_in(page), "agree": "no"})
    assert done.headers["location"].endswith("isCreditOpened=false")
    assert not await riders.has_agreed(database, USER, CARD_TYPE)


async def test_a_forged_or_stolen_form_signs_nothing(system, browser, database):
    page = await sign_page(browser)
    good = token_in(page)
    other = tickets.issue(SECRET, "rider", (USER, CARD_TYPE, "https://e"), 2**31)
    for token in ("", "x", good[:-8] + "AAAAAAA=", other):
        assert (await browser.post(pages.AGREE, data={"token": token, "agree": "yes"})).status_code == 403
    async with opened(system) as thief:
        assert (await thief.post(pages.AGREE, data={"token": good, "agree": "yes"})).status_code == 401
        await sign_page(thief, user_id=OTHER)
        assert (await thief.post(pages.AGREE, data={"token": good, "agree": "yes"})).status_code == 403
    late = tickets.issue(SECRET, "sign", (USER, CARD_TYPE, "https://e"), int((NOON - timedelta(hours=1)).timestamp()))
    assert (await browser.post(pages.AGREE, data={"token": late, "agree": "yes"})).status_code == 401
    assert not await riders.has_agreed(database, USER, CARD_TYPE)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/relative",
        "ftp://app.example/",
        "https://app.example@evil.example/",
        "https:\\\\evil.example",
        "http://",
        "http://[::1",
        "http://a b/",
        "http://h:99999/",
        "http://h:x/",
        "http://h:0/",
        "http://app.example/\r\nSet-Cookie: a=b",
    ],
)
async def test_only_web_addresses_are_led_to(browser, address):
    page = await sign_page(browser, redirectUrl=address)
    assert (page.status_code, "redirectUrl" in page.text) == (400, True)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("https://app.example/x", 200),
        ("https://app.example:444/x", 400),
        ("http://app.example/x", 400),
        ("https://app.example.evil.example/", 400),
    ],
)
async def test_where_origins_are_named_others_are_refused(system, address, status):
    async with opened(system, redirects=("https://app.example",)) as browser:
        assert (await sign_page(browser, redirectUrl=address)).status_code == status


def test_the_answer_replaces_one_that_was_there_and_keeps_the_rest():
    address = "https://a.example/p?x=%E4%B8%AD&isCreditOpened=true&y#part"
    location = pages.back(address, opened=False).headers["location"]
    assert urlsplit(location).query == "x=%E4%B8%AD&y&isCreditOpened=false"
    assert urlsplit(location).fragment == "part"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"cardTitle": ""}, 400),
        ({"cardType": "NONE"}, 400),
        ({"user_id": "nobody"}, 404),
        ({"action": "sell"}, 400),
        ({"cardTitle": "x" * 200}, 400),
    ],
)
async def test_what_is_missing_or_unknown_is_said(browser, changes, status):
    assert (await sign_page(browser, **changes)).status_code == status


async def test_a_text_that_is_too_long_is_named_in_our_words(browser):
    page = await sign_page(browser, cardTitle="x" * 129)
    assert "cardTitle: at most 128 characters is expected" in page.text


async def test_a_parameter_that_stands_twice_is_refused(browser):
    page = await browser.get(f"{pages.ENTRY}?action=use&action=sign")
    assert (page.status_code, "stands twice" in page.text) == (400, True)


async def test_texts_of_others_are_text_and_pages_run_only_their_own_script(browser):
    page = await sign_page(browser, cardTitle="<script>alert(1)</script>")
    assert "<script>alert" not in page.text
    assert "script-src 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_the_code_page_shows_the_card(browser, issue_card):
    await issue_card()
    page = await browser.get(pages.ENTRY, params=USE | {"user_id": USER})
    assert page.status_code == 200
    assert "<svg" in page.text
    assert "12.50" in page.text
    nonce = re.search(r'<script nonce="([^"]+)">', page.text)[1]
    assert f"'nonce-{nonce}'" in page.headers["content-security-policy"]
    assert not re.search(r'(src|href)="https?:', page.text)


async def test_each_asking_is_a_fresh_code(browser, issue_card):
    await issue_card()
    await browser.get(pages.ENTRY, params=USE | {"user_id": USER})
    address = f"{pages.CODE}?cardType={CARD_TYPE}&cardNo=C1"
    first, second = [(await browser.get(address)).json() for _ in range(2)]
    assert first["picture"] != second["picture"]
    assert (first["balance"], first["disabled"]) == ("12.50", False)


async def test_a_disabled_card_shows_its_tips_and_no_code(browser, issue_card):
    await issue_card(disabled=True, disabled_tips="余额不足，请先去充值")
    page = await browser.get(pages.ENTRY, params=USE | {"user_id": USER})
    assert ("余额不足，请先去充值" in page.text, "<svg" in page.text) == (True, False)
    told = (await browser.get(f"{pages.CODE}?cardType={CARD_TYPE}&cardNo=C1")).json()
    assert (told["disabled"], told["picture"]) == (True, "")


async def test_plain_payment_needs_no_card(browser):
    page = await browser.get(pages.ENTRY, params=USE | {"user_id": USER, "cardType": "ANT00001", "cardNo": ""})
    assert (page.status_code, "<svg" in page.text) == (200, True)


async def test_nobody_sees_anothers_card(browser, issue_card):
    await issue_card()
    page = await browser.get(pages.ENTRY, params=USE | {"user_id": OTHER})
    assert page.status_code == 404
    other = f"{pages.CODE}?cardType={CARD_TYPE}&cardNo=C1&user_id={OTHER}"
    assert (await browser.get(other)).status_code == 404


async def test_in_the_sandbox_a_card_says_whose_it_is(browser, issue_card):
    await issue_card()
    assert "<svg" in (await browser.get(pages.ENTRY, params=USE)).text
    browser.cookies.clear()
    fresh = await browser.get(f"{pages.CODE}?cardType={CARD_TYPE}&cardNo=C1")
    assert "<svg" in fresh.json()["picture"]


async def test_the_sandbox_asks_who_is_looking_where_nothing_tells(browser):
    page = await browser.get(pages.ENTRY, params=USE | {"cardType": "ANT00001", "cardNo": ""})
    assert (await browser.get(f"{pages.CODE}?cardType=ANT00001")).status_code == 401
    link = re.search(rf'href="([^"]*user_id={USER})"', page.text)[1].replace("&amp;", "&")
    assert "<svg" in (await browser.get(pages.ENTRY + link)).text


async def test_the_sandbox_lets_a_rider_be_chosen_to_sign(browser, database):
    page = await browser.get(pages.ENTRY, params=SIGN)
    assert f"<option>{OTHER}</option>" in page.text
    form = {"token": token_in(page), "agree": "yes"}
    assert (await browser.post(pages.AGREE, data=form | {"user_id": "nobody"})).status_code == 404
    done = await browser.post(pages.AGREE, data=form | {"user_id": OTHER})
    assert done.headers["location"].endswith("isCreditOpened=true")
    assert await riders.has_agreed(database, OTHER, CARD_TYPE)
    assert not await riders.has_agreed(database, USER, CARD_TYPE)


async def test_in_production_only_a_ticket_opens_pages(system, issue_card):
    await issue_card()
    async with opened(system, mode="production", redirects=("https://app.example",)) as browser:
        use = USE | {"cardType": "ANT00001", "cardNo": ""}
        for claim in ({}, {"user_id": USER}, {"cardType": CARD_TYPE, "cardNo": "C1"}):
            assert (await browser.get(pages.ENTRY, params=use | claim)).status_code == 401
        assert (await browser.get(f"{pages.CODE}?cardType={CARD_TYPE}&cardNo=C1")).status_code == 401
        assert (await browser.get(pages.ENTRY, params=SIGN | {"user_id": USER})).status_code == 401
        nobody = tickets.issue(SECRET, "sign", ("", CARD_TYPE, "https://app.example/"), 2**31)
        chosen = {"token": nobody, "agree": "yes", "user_id": USER}
        assert (await browser.post(pages.AGREE, data=chosen)).status_code == 401
        stale = tickets.issue(SECRET, "rider", (USER,), int(NOON.timestamp()) - 1)
        assert (await browser.get(pages.ENTRY, params=use | {"ticket": stale})).status_code == 401
        ticket = tickets.issue(SECRET, "rider", (USER,), int(NOON.timestamp()) + 60)
        page = await browser.get(pages.ENTRY, params=use | {"ticket": ticket})
        assert page.status_code == 200
        cookie = page.headers["set-cookie"]
        assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=lax", f"Path={pages.BASE}"))
        assert (await browser.get(pages.ENTRY, params=use)).status_code == 200


def test_without_a_ticket_key_there_are_no_pages(system):
    without = msgspec.structs.replace(system.settings, pages=Pages())
    assert pages.routes(System(**{n: getattr(system, n) for n in System.__slots__} | {"settings": without})) == []


@pytest.mark.parametrize("name", ["cardType", "cardNo", "redirectUrl"])
async def test_a_zero_character_is_refused_by_name(browser, name):
    page = await browser.get(
        pages.ENTRY, params={"action": "use", "cardType": CARD_TYPE, "user_id": USER} | {name: "\0"}
    )
    assert (page.status_code, name in page.text) == (400, True)
