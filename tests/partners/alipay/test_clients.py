"""The official Python client, the community's, and the official npm client, each unmodified, ride against our gateway.

Each has an environment of its own, pinned: both Python clients import as `alipay`. The official one knows no ports but
80 and 443, so the gateway is served on port 80 of a loopback address for it.
"""

import asyncio
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tongka.days import ZONE
from tongka.errors import Misconfigured
from tongka.partners.alipay.certificates import read_certificate, serial
from tongka.sandbox import certificates
from tongka.serving import bind, serving
from tongka.settings import Web
from tongka.store import merchants
from tongka.web import build_app

CLIENTS = Path(__file__).parent / "clients"
ROOT = Path(__file__).parents[3]
HOUSES = ROOT / ".tools" / "clients"
UV = ROOT / ".tools" / "uv" / "bin" / "uv"
INSTALL_S, RUN_S = 300, 60

RICH, POOR = "2088000000000001", "2088000000000002"
APP, CARD_TYPE = "2021000000000001", "GJ330500"
OFFLINEPAY = "alipay.commerce.transport.offlinepay."
TIPS = 'say "} why {'
"""Some clients count braces and look for quotes: an answer must survive them."""


def without(what: str):
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


def installed(name: str, lock: Path, *commands: list[str]) -> Path:
    """The folder of a client, installed anew when its lock file has changed."""
    folder, stamp = HOUSES / name, HOUSES / f"{name}.stamp"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in commands:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if done.returncode:
            without(f"{name} cannot be installed: {done.stderr[-500:]}")
    stamp.write_text(digest)
    return folder


def official() -> list[str]:
    if not UV.exists():
        without("needs uv (scripts/setup)")
    lock = CLIENTS / "requirements.txt"
    python = str(HOUSES / "official" / "bin" / "python")
    venv = [str(UV), "venv", "--quiet", "--clear", "--python", sys.executable, "."]
    sync = [str(UV), "pip", "sync", "--quiet", "--require-hashes", "--python", python, str(lock)]
    installed("official", lock, venv, sync)
    return [python, str(CLIENTS / "official.py")]


def community() -> list[str]:
    """It is our own dependency."""
    return [sys.executable, str(CLIENTS / "community.py")]


def npm() -> list[str]:
    if not shutil.which("npm") or not shutil.which("node"):
        without("needs node and npm (Debian: nodejs, npm)")
    lock = CLIENTS / "package-lock.json"
    copy = ["cp", str(CLIENTS / "package.json"), str(lock), str(CLIENTS / "client.mjs"), "."]
    folder = installed("npm", lock, copy, ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
    shutil.copy(CLIENTS / "client.mjs", folder)
    return ["node", str(folder / "client.mjs")]


@asynccontextmanager
async def served(gateway, port: int):
    """The gateway over a socket; its address. Port 80 needs the right to it, on any loopback address."""
    host = f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
    try:
        listening = bind(host if port else "127.0.0.1", port)
    except Misconfigured as error:
        without(f"the official client speaks to port 80 only: {error}")
    async with serving(build_app(gateway.system), listening, Web()):
        host, port = listening.getsockname()[:2]
        yield f"http://{host}/gateway.do" if port == 80 else f"http://{host}:{port}/gateway.do"


@pytest.fixture
def today(gateway):
    """The clients' clock is the machine's."""
    gateway.now[0] = datetime.now(ZONE)
    return gateway


async def run(command: list[str], gateway, url: str, calls: list, **more) -> list[dict]:
    given = {
        "gateway": url,
        "app_id": APP,
        "app_private_key": gateway.app_key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        ).decode(),
        "alipay_public_key": gateway.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "calls": calls,
        **more,
    }
    pipe = asyncio.subprocess.PIPE
    zone = os.environ | {"TZ": "Asia/Shanghai"}  # their timestamp is the machine's own time
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, env=zone)
    out, errors = await asyncio.wait_for(process.communicate(json.dumps(given).encode()), RUN_S)
    assert process.returncode == 0, errors.decode()
    return json.loads(out)


async def story(gateway) -> list:
    """Calls, and what is to be seen of each: name of a member and a check of it, or a sub_code."""
    record, again = gateway.record(await gateway.code()), gateway.record(await gateway.code(POOR))
    context = {"order_biz_context": json.dumps({"line": "metro2"}), "seller_login_name": "transit@example.com"}
    trades = [
        gateway.trade(record, **context),
        gateway.trade(spoiled(record)),
        gateway.trade(again, user=POOR, amount="9.00"),
    ]
    card = {
        "action": "ISSUE",
        "user_id": RICH,
        "card_type": CARD_TYPE,
        "card_no": "C0001",
        "card_data": "0A0B",
        "balance": "012.30",
        "disabled": True,
        "disabled_code": "CARD_OVERDUE",
        "disabled_tips": TIPS,
        "ext_info": json.dumps({"city_code": "330500"}),
        "last_update_time": "2026-03-02 11:00:00",
    }
    ride = {
        "type": "order",
        "biz_no": "B1",
        "amount": "2.0",
        "subject": "公交-192",
        "biz_time": "2026-03-02 12:00:00",
        "asset_name": "ALIPAY",
        "city_name": "湖州",
        "line_name": "192",
        "start_station_name": "龙翔桥",
        "vehicle_type": "BUS",
        "partner_name": "湖州公交",
        "partner_id": "2088000000000009",
    }
    report = {
        "scene_code": "vechile_order",
        "op_code": "data_save",
        "channel": "hzcard",
        "target_id": RICH,
        "version": "2.0",
        "op_data": json.dumps({"info": [ride]}),
    }
    nameless = ride | {"biz_no": ""}
    absent = card | {"action": "UPDATE", "card_no": "C9", "disabled": False}
    return [
        ("key.query", None, ("keys", lambda keys: [key["key_id"] for key in keys] == list(range(32)))),
        ("record.verify", {"record": record}, None),
        ("record.verify", {"record": spoiled(record)}, "FAIL"),
        ("trade.settle", {"trade_list": trades}, ("result_list", lambda results: settled(results, trades))),
        ("virtualcard.send", card, ("card_no", "C0001".__eq__)),
        ("virtualcard.send", absent, "FAIL"),
        ("virtualcard.batchquery", {"user_id": RICH, "card_type": CARD_TYPE}, ("card_models", as_it_was_sent)),
        ("userblacklist.query", {"page_index": 1, "page_size": 10}, None),
        ("alipay.commerce.data.send", report, None),
        ("alipay.commerce.data.send", report | {"op_data": json.dumps({"info": [nameless]})}, "ILLEGAL_PARAMS"),
    ]


def spoiled(record: str) -> str:
    """Another last byte, whatever it was."""
    return f"{record[:-2]}{int(record[-2:], 16) ^ 1:02x}"


def settled(results: list, trades: list) -> bool:
    outcomes = [(one["result"], one.get("error_code"), one.get("need_retry")) for one in results]
    right = [("SUCCESS", None, False), ("FAIL", "RECORD_ILLEGAL", False), ("SUCCESS", None, False)]
    return outcomes == right and [one["out_trade_no"] for one in results] == [one["out_trade_no"] for one in trades]


def as_it_was_sent(cards: list) -> bool:
    [card] = cards
    return (card["balance"], card["card_status"], card["status_msg"]) == ("012.30", "DISABLED", TIPS)


@pytest.mark.parametrize(
    ("client", "port"), [(official, 80), (community, 0), (npm, 0)], ids=["official", "community", "npm"]
)
async def test_an_unmodified_client_rides(today, client, port):
    gateway = today
    command = await asyncio.to_thread(client)
    steps = await story(gateway)
    calls = [[name if name.startswith("alipay.") else OFFLINEPAY + name, biz] for name, biz, _ in steps]
    async with served(gateway, port) as url:
        outcomes = await run(command, gateway, url, calls)
    for (name, _, expected), outcome in zip(steps, outcomes, strict=True):
        if isinstance(expected, str):
            seen = (outcome["code"], outcome.get("sub_code"), outcome["ok"])
            assert seen == ("40004", expected, False), (name, outcome)
            continue
        assert outcome["ok"], (name, outcome)
        assert outcome["code"] == "10000"
        if expected:
            assert expected[1](outcome["seen"][expected[0]]), (name, outcome)
    assert await gateway.balance(POOR) == (0, 600)
    await gateway.books()


@pytest.mark.parametrize("client", [community, npm], ids=["community", "npm"])
async def test_an_unmodified_client_in_certificate_mode(today, tmp_path, client):
    chain = certificates.gateway_chain(today.public_key)
    (tmp_path / "gateway.crt").write_text(chain)
    rides = msgspec.structs.replace(today.system.settings.rides, certificate_file=str(tmp_path / "gateway.crt"))
    settings = msgspec.structs.replace(today.system.settings, rides=rides)
    today.system = replace(today.system, settings=settings)
    pem = today.app_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    own = certificates.application_certificate(pem)
    app = await merchants.find(today.database, APP)
    await merchants.add(today.database, replace(app, cert_sn=serial(read_certificate(own.encode()))))
    given = dict(zip(("gateway", "root"), certificates.split(chain), strict=True)) | {"app": own}
    calls = [[OFFLINEPAY + "key.query", None], [OFFLINEPAY + "record.verify", {"record": "ab"}]]
    command = await asyncio.to_thread(client)
    async with served(today, 0) as url:
        outcomes = await run(command, today, url, calls, certificates=given)
        assert [outcome["code"] for outcome in outcomes] == ["10000", "40004"]
        stranger = given | {"app": certificates.application_certificate(pem)}
        [outcome] = await run(command, today, url, calls[:1], certificates=stranger)
        assert outcome["sub_code"] == "isv.invalid-app-cert-sn"
        elsewhere = given | {"root": certificates.split(certificates.gateway_chain(today.public_key))[1]}
        [outcome] = await run(command, today, url, calls[:1], certificates=elsewhere)
        assert outcome["sub_code"] == "isv.invalid-alipay-root-cert-sn"


async def test_a_client_with_the_wrong_key_is_told_what_was_signed(today):
    """The community client cuts answers at quotes and braces: the message must survive it."""
    today.app_key = rsa.generate_private_key(65537, 2048)
    async with served(today, 0) as url:
        [outcome] = await run(community(), today, url, [[OFFLINEPAY + "record.verify", {"record": "ab"}]])
    assert (outcome["code"], outcome["sub_code"]) == ("40002", "isv.invalid-signature")
    assert "&quot;record&quot;" in outcome["seen"]["sub_msg"]
