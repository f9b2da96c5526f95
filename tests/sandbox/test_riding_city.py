"""The sections alipay and ride of sandbox.json, and the codes that a city issues."""

import json
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tongka.cli.common import database_of
from tongka.code.keys import master_keys
from tongka.code.layout import Format
from tongka.code.verify import Terms, verify_code
from tongka.keys.keyfile import read_keyfile, write_keyfile
from tongka.sandbox import ride_codes
from tongka.sandbox.city import open_city
from tongka.sandbox.discovery import document
from tongka.shell import now
from tongka.store import riders
from tongka.store.ledger_checks import check
from tongka.store.riders import RiderUnknown

BASE = "http://127.0.0.1:1"


@pytest.fixture
async def city(tmp_path):
    async with open_city(tmp_path, "127.0.0.1", 0, now) as opened:
        yield opened


@pytest.fixture
async def issue(city):
    """POST issue_url; status and answer."""
    app = Starlette(routes=[Mount("/sandbox", routes=ride_codes.routes(city.system))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:

        async def ask(body) -> tuple[int, dict]:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            answer = await client.post("/sandbox/ride-codes", content=content)
            return answer.status_code, answer.json()

        yield ask


async def test_the_sections_have_what_the_sandbox_page_says(city):
    told = await document(city, BASE)
    alipay, ride = told["alipay"], told["ride"]
    assert alipay["gateway"] == f"{BASE}/gateway.do"
    assert alipay["app_private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert alipay["alipay_public_key"].startswith("-----BEGIN PUBLIC KEY-----\n")
    assert alipay["page"] == f"{BASE}/p/f/public_transit/card_entry.html"
    assert all(len(user["user_id"]) == 16 and user["balance_fen"] >= 0 for user in alipay["users"])
    assert min(user["balance_fen"] for user in alipay["users"]) == 0
    assert ride["issue_url"] == f"{BASE}/sandbox/ride-codes"
    assert [key["key_id"] for key in ride["keys"]] == list(range(32))
    assert ride["card_types"][0] == "ANT00001"
    assert alipay["card_type"] in ride["card_types"]
    assert len(bytes.fromhex(ride["ca_public_key"])) == 33
    assert not await check(city.system.database)


async def test_a_city_opened_again_is_the_same_and_one_made_before_there_were_rides_is_completed(tmp_path):
    told = []
    for _ in range(2):
        async with open_city(tmp_path, "127.0.0.1", 0, now) as city:
            told.append(await document(city, BASE))
            first = next(iter(city.riding.users))
            assert (await riders.find(city.system.database, first)).balance_fen == city.riding.users[first]
    assert told[0]["alipay"] == told[1]["alipay"]
    assert told[0]["ride"] == told[1]["ride"]

    async with database_of(tmp_path / "tongka.toml") as database:  # no start had stamped it either
        await database.execute("DELETE FROM installation_key")
        await database.execute("DELETE FROM installation")
    passphrase = (tmp_path / "passphrase").read_bytes().strip()
    ring, _ = read_keyfile(tmp_path / "keys.json", passphrase)
    older = replace(ring, rsa={}, ride_seed=b"", endpoints={"huzhou": ring.endpoints["huzhou"]})
    write_keyfile(tmp_path / "keys.json", older, passphrase, sandbox=True)
    async with open_city(tmp_path, "127.0.0.1", 0, now) as city:
        completed = await document(city, BASE)
        assert city.system.installation.mode == "sandbox"
    assert completed["huzhou"] == told[0]["huzhou"]
    assert len(completed["ride"]["keys"]) == 32


async def test_codes_of_every_format_verify_and_are_all_different(city, issue):
    ride = (await document(city, BASE))["ride"]
    authority = {"key_id": 1, "public_key": ride["ca_public_key"], "proto": "MOT"}
    keys = master_keys([*ride["keys"], authority])
    user = next(iter(city.riding.users))
    seen = set()
    for kind in Format:
        for _ in range(20):
            status, answer = await issue({"user_id": user, "format": kind.value})
            assert status == 200
            assert answer["code"] == answer["code"].upper()
            terms = Terms(keys, int(now().timestamp()), frozenset(ride["card_types"]), 2000)
            code = verify_code(bytes.fromhex(answer["code"]), terms)
            assert (code.format, code.user_id) == (kind, user)
            seen.add(code.identity)
    assert len(seen) == 60

    await refused(city, issue, user)


async def refused(city, issue, user):
    """What is not known is refused with a reason."""
    for body, expected in (
        ({"user_id": "2088000000000000", "format": "alipay"}, 404),
        ({"user_id": user, "format": "alipay", "card_no": "none"}, 404),
        ({"user_id": user, "format": "other"}, 400),
        ({"user_id": user}, 400),
        ({"user_id": 5, "format": "alipay"}, 400),
        ({"user_id": user, "format": "alipay", "card_no": ""}, 400),
        ({"user_id": user[:-1] + "\0", "format": "alipay"}, 400),
        ({"user_id": user, "format": "alipay", "card_no": "a\0b"}, 400),
        ([], 400),
        (b"null", 400),
        (b"{", 400),
        (b"x" * 10_000, 400),
    ):
        status, answer = await issue(body)
        assert status == expected, body
        assert answer["error"]
    assert "card_no" in (await issue({"user_id": user, "format": "alipay", "card_no": ""}))[1]["error"]
    assert (await issue({"user_id": user, "format": "alipay", "card_no": None}))[0] == 200
    with pytest.raises(RiderUnknown):
        await riders.put_on_blacklist(city.system.database, "2088000000000000", now())
