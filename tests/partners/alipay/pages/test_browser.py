"""The pages in a real browser of a phone's size: what a rider sees, presses, and holds before a gate."""

import asyncio
import os
import shutil
from contextlib import asynccontextmanager

import msgspec
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tongka.code.picture import codes_in_picture
from tongka.code.verify import Terms, verify_code
from tongka.journeys import ride_keys
from tongka.partners.alipay import pages
from tongka.serving import bind, serving, url_of
from tongka.store import riders
from tongka.system import System

USER = "2088000000000001"
CARD_TYPE = "GJ330500"
PHONE = (390, 844)
WAIT_S = 20

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, headless; missing, it is a failure in CI and a reason to skip elsewhere."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.add_experimental_option("mobileEmulation", {"deviceMetrics": {"width": PHONE[0], "height": PHONE[1]}})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.set_page_load_timeout(WAIT_S)
    yield started
    started.quit()


@asynccontextmanager
async def served(system, refresh_s=1):
    """The pages on a real socket, and a merchant's page to come back to."""

    async def merchant(request):
        return PlainTextResponse(f"back with {request.query_params}")

    changed = msgspec.structs.replace(system.settings.pages, refresh_s=refresh_s)
    settings = msgspec.structs.replace(system.settings, pages=changed)
    system = System(**{name: getattr(system, name) for name in System.__slots__} | {"settings": settings})
    with bind("127.0.0.1", 0) as listening:
        app = Starlette(routes=[*pages.routes(system), Route("/merchant", merchant)])
        async with serving(app, listening, settings.web):
            yield url_of(listening)


def address(base, **query):
    common = f"scene=TRANSIT&subScene=330500&source=t&cardType={CARD_TYPE}&user_id={USER}"
    return f"{base}{pages.ENTRY}?{common}&" + "&".join(f"{name}={text}" for name, text in query.items())


def code_on_screen(browser):
    """What a gate's camera would read off the phone."""
    codes = codes_in_picture(browser.get_screenshot_as_png())
    assert len(codes) == 1, "the screen shows one QR code"
    return codes[0]


def fits_the_screen(browser):
    return browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


async def test_the_code_on_the_screen_opens_a_gate_and_refreshes_itself(system, browser, issue_card):
    await issue_card(card_data=bytes(range(64)).hex())
    keys = await ride_keys.key_list(system, system.clock())
    terms = Terms(keys=keys, at=int(system.clock().timestamp()), card_types=frozenset({CARD_TYPE}), amount_fen=200)

    def look(base):
        browser.get(address(base, action="use", cardNo="C1"))
        first = code_on_screen(browser)
        WebDriverWait(browser, WAIT_S).until(lambda _: code_on_screen(browser) != first)
        text = browser.find_element(By.TAG_NAME, "main").text
        return first, code_on_screen(browser), text, fits_the_screen(browser), browser.get_log("browser")

    async with served(system) as base:
        first, second, text, fits, log = await asyncio.to_thread(look, base)
    for code in (first, second):
        shown = verify_code(code, terms)
        assert (shown.user_id, shown.card_no, shown.card_data) == (USER, "C1", bytes(range(64)))
    assert ("C1" in text, "12.50" in text, fits) == (True, True, True)
    assert [line for line in log if "favicon" not in line["message"]] == []


async def test_a_card_that_is_disabled_meanwhile_shows_its_tips_instead_of_a_code(system, browser, issue_card):
    await issue_card()

    def open_page(base):
        browser.get(address(base, action="use", cardNo="C1"))
        return code_on_screen(browser)

    def wait():
        tips = browser.find_element(By.ID, "tips")
        WebDriverWait(browser, WAIT_S).until(lambda _: tips.is_displayed())
        return tips.text, codes_in_picture(browser.get_screenshot_as_png())

    async with served(system) as base:
        await asyncio.to_thread(open_page, base)
        await issue_card(disabled=True, disabled_tips="卡片欠费，请先充值")
        assert await asyncio.to_thread(wait) == ("卡片欠费，请先充值", [])


@pytest.mark.parametrize(("button", "opened"), [("yes", "true"), ("no", "false")])
async def test_an_agreement_is_pressed_and_leads_back_to_the_merchant(system, browser, database, button, opened):
    def sign(base):
        browser.get(address(base, action="sign", cardTitle="湖州公交卡", redirectUrl=f"{base}/merchant%3Fa=1"))
        title, fits = browser.find_element(By.TAG_NAME, "h1").text, fits_the_screen(browser)
        browser.find_element(By.CSS_SELECTOR, f"button[value={button}]").click()
        WebDriverWait(browser, WAIT_S).until(lambda _: browser.current_url.startswith(f"{base}/merchant"))
        return title, fits, browser.current_url.partition("?")[2]

    async with served(system) as base:
        title, fits, query = await asyncio.to_thread(sign, base)
    assert (title, fits, query) == ("湖州公交卡", True, f"a=1&isCreditOpened={opened}")
    assert await riders.has_agreed(database, USER, CARD_TYPE) == (opened == "true")


async def test_the_chooser_of_the_sandbox_leads_to_the_code(system, browser):
    def choose(base):
        browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
        plain = address(base, action="use").replace(f"&user_id={USER}", "").replace(CARD_TYPE, "ANT00001")
        browser.get(plain)
        browser.find_element(By.PARTIAL_LINK_TEXT, USER).click()
        return code_on_screen(browser)

    async with served(system) as base:
        assert await asyncio.to_thread(choose, base)
