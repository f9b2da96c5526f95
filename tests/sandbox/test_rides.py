"""Rides from the phone to the books, in a running city: the tour's chapter twice, and many gates with one code."""

import asyncio
import io
import json
from time import monotonic, time

import httpx
import msgspec
import pytest
import pytest_asyncio
from rich.console import Console
from typer.testing import CliRunner

from tongka.cli import gate as gate_commands
from tongka.cli import merchant as merchant_commands
from tongka.cli.tour import rides
from tongka.cli.tour.stage import Stage
from tongka.code.keys import master_keys, parse_key_list
from tongka.sandbox.gate import SimulatedGate
from tongka.sandbox.running import running_city
from tongka.serving import bind
from tongka.store import riders
from tongka.store.ledger_checks import check

COPIES = 10
WAIT_S = 40


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(tmp_path_factory):
    """A running city and its sandbox.json."""
    with bind("127.0.0.1", 0) as listening:
        async with running_city(tmp_path_factory.mktemp("city"), listening) as running:
            yield running, json.loads(running.discovery.read_bytes())


def stage_of(document):
    return Stage(document, Console(file=io.StringIO()))


async def test_a_bus_and_the_metro_are_ridden_and_settled_again_and_again(city):
    running, document = city
    for _ in range(2):
        stage = stage_of(document)
        await rides.ride(stage)
        assert "charged once" in stage.console.file.getvalue()
    user = document["alipay"]["users"][0]
    held = await riders.find(running.city.system.database, user["user_id"])
    # Twice the bus at 2.00; the metro at 5.00 less 1.00 for changing. 12.00 stay below the day's cap of 20.00.
    assert held.balance_fen == user["balance_fen"] - 1200
    assert await check(running.city.system.database) == []


async def test_copies_of_one_code_at_many_gates_are_charged_once(city):
    running, document = city
    user = document["alipay"]["users"][1]
    keys = master_keys(document["ride"]["keys"])
    async with httpx.AsyncClient() as http:
        issued = await http.post(document["ride"]["issue_url"], json={"user_id": user["user_id"], "format": "alipay"})
        code = bytes.fromhex(issued.json()["code"])
        for one in document["merchant"]["gates"]:
            gate = SimulatedGate(one["gate_id"], one["token"], one["service"], keys, lambda: int(time()))
            await gate.join(http, document["merchant"]["upload_url"])
            for _ in range(COPIES):  # a gate that forgets what it has seen
                gate.seen.clear()
                gate.show(code)
            await gate.upload(http, document["merchant"]["upload_url"])
        trips = await decided(http, document, user["user_id"])
    assert [(one["state"], one["amount_fen"]) for one in trips] == [("settled", trips[0]["amount_fen"])]
    held = await riders.find(running.city.system.database, user["user_id"])
    assert held.balance_fen == user["balance_fen"] - trips[0]["amount_fen"]


async def decided(http, document, user_id):
    until = monotonic() + WAIT_S
    while monotonic() < until:
        answer = await http.get(f"{document['base_url']}/sandbox/trips", params={"user_id": user_id})
        trips = answer.json()["trips"]
        if trips and all(one["state"] in ("settled", "failed", "free", "held") for one in trips):
            return trips
        await asyncio.sleep(0.2)
    raise AssertionError(f"not decided: {trips}")


@pytest.mark.parametrize("code_format", ["alipay", "operator", "ministry"])
async def test_the_commands_show_and_verify_a_fresh_code(city, tmp_path, code_format):
    running, _ = city
    picture = tmp_path / "code.png"
    told = await asyncio.to_thread(shown_and_verified, running.discovery, picture, code_format)
    assert (told["accepted"], told["code"]["format"]) == (True, code_format)


def shown_and_verified(discovery, picture, code_format):
    run = CliRunner().invoke
    shown = run(gate_commands.app, ["show", "--from", str(discovery), "--format", code_format, "--png", str(picture)])
    assert shown.exit_code == 0, shown.output
    verified = run(gate_commands.app, ["verify", str(picture), "--keys", str(discovery), "--json"])
    return msgspec.json.decode(verified.stdout)


async def test_the_commands_fetch_what_gates_need_from_the_gateway(city):
    running, document = city
    blocked = document["alipay"]["users"][2]["user_id"]
    await riders.put_on_blacklist(running.city.system.database, blocked, running.city.system.clock())
    settings = ["-c", str(running.city.folder / "tongka.toml")]
    keys = await asyncio.to_thread(CliRunner().invoke, merchant_commands.app, ["keys", *settings])
    listed = await asyncio.to_thread(CliRunner().invoke, merchant_commands.app, ["blacklist", *settings])
    assert parse_key_list(keys.stdout).masters == master_keys(document["ride"]["keys"]).masters
    assert (listed.exit_code, listed.stdout.split()) == (0, [blocked])


async def test_the_code_page_of_the_city_shows_a_code_that_opens_its_gates(city):
    _, document = city
    user_id = document["alipay"]["users"][0]["user_id"]
    async with httpx.AsyncClient() as browser:
        page = await browser.get(
            document["alipay"]["page"], params={"action": "use", "cardType": "ANT00001", "user_id": user_id}
        )
        assert page.status_code == 200
        base = document["alipay"]["page"].rpartition("/")[0]
        fresh = await browser.get(f"{base}/code", params={"cardType": "ANT00001"})
    assert "<svg" in fresh.json()["picture"]
