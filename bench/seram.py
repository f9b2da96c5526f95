"""What a round of IF5 costs, and how 1,000 phones fare that open a card at once.

    python bench/seram.py [--phones 1000] [--warm 100] [--echoes 4000]

Each phone opens a card with a first top-up over its own secure channel: nine rounds. Own time: the CPU time of the web
process for a round, less the cryptographic library's own for channel and card, in bare ASGI echoes of as many bytes
over the same kind of connections. Signed orders and handshakes come before; PostgreSQL is printed beside it. The limit
is 7 echoes.

Rounds a second, the 99th percentile, and the web process's memory are printed too; the phones themselves are Python,
and share the machine.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import uvloop

import library
import rig
from load import Lines
from tongka.cli.common import settings_of
from tongka.crypto import sm2
from tongka.partners.huawei.serve import WalletServer
from tongka.sandbox import wallet_city
from tongka.sandbox.element.machine import SoftwareElement
from tongka.sandbox.element.mint import elements as mint
from tongka.shell import open_system
from tongka.store import elements
from tongka.store.embedded import EmbeddedPostgres
from tongka.web import build_app
from topup import Load, echo_s

LIMIT_ECHOES = 7
CONNECTIONS = 100
ALONE = 40
"""Phones whose calls into the cryptographic library are timed one by one."""
GROWTH_MB = 20
"""What "flat" allows: caches that fill, not something for each phone."""
AMOUNT_FEN = 1_000
NO_INSTITUTION = {"TONGKA_PAYMENTS_INSTITUTION": "none"}


@dataclass
class Phones:
    """Clients of one city; `rounds` has the seconds of each."""

    http: httpx.AsyncClient
    lines: Lines
    free: asyncio.Semaphore
    wallet: dict[str, Any]
    rounds: list[float]
    largest: tuple[bytes, bytes] = (b"", b"")

    async def order(self, device: str, amount_fen: int) -> str:
        body = {"businessType": "OPEN", "serverOrderId": secrets.token_hex(12), "issuerId": self.wallet["issuer_id"]}
        raw = json.dumps(body | {"deviceId": device, "amount": amount_fen}).encode()
        signature = sm2.sign(sm2.PrivateKey(bytes.fromhex(self.wallet["partner_private_key"])), raw).hex()
        headers = {"X-Institution": self.wallet["issuer_id"], "X-Signature": signature}
        answer = await self.http.post("/wallet/order", content=raw, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["sessionId"])

    async def greet(self, chip: SoftwareElement, session: str) -> None:
        offer = {"secureElements": [{"seType": "eSE", "seId": chip.image.se_id}]}
        assert (await self.http.post(f"/gp/seram/handshake?sessionId={session}", json=offer)).status_code == 200

    async def open_card(self, chip: SoftwareElement, session: str) -> None:
        report: dict[str, Any] = {"localAgentStatus": {"localAgentStatusEnum": "POLLING", "executedSeRamCommands": 0}}
        while True:
            order = await self.round(session, report)
            commands = {one["ramCommandType"]: one for one in order["ramCommands"]}
            if "ramStopCommand" in commands:
                assert commands["notificationCommand"]["deviceAppNotification"] == "done", order
                return
            answers = [chip.transmit(bytes.fromhex(apdu)).hex for apdu in commands["seRamCommand"]["listOfCAPDU"]]
            report = {
                "localAgentStatus": {"localAgentStatusEnum": "PROCESSED", "executedSeRamCommands": 1},
                "ramResponses": [{"ramResponseType": "seRamResponse", "listOfRAPDU": answers}],
                "round": order["round"],
            }

    async def round(self, session: str, report: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(report).encode()
        start = time.perf_counter()
        async with self.free:
            answer = await self.lines.post(f"/gp/seram/remoteManagement?sessionId={session}", body)
        self.rounds.append(time.perf_counter() - start)
        self.largest = (max(self.largest[0], body, key=len), max(self.largest[1], answer, key=len))
        order: dict[str, Any] = json.loads(answer)
        return order


@dataclass(frozen=True)
class Look:
    """CPU seconds of the servers so far, the web process's memory, and when that was."""

    web_s: float
    postgres_s: float
    memory_mb: float
    at_s: float


async def chips(folder: Path, count: int) -> list[SoftwareElement]:
    """As many phones, each with an element that the city knows."""
    made = []
    async with open_system(settings_of(folder / "tongka.toml")) as system:
        for image in mint(secrets.token_bytes(32))[:1] * count:
            own = replace(image, se_id=secrets.token_hex(16), device_id=secrets.token_hex(8))
            await elements.add_element(system.database, await wallet_city.registered(system, own))
            made.append(SoftwareElement(own, secrets.token_bytes))
    return made


async def at_once(
    base_url: str, wallet: dict[str, Any], chosen: list[SoftwareElement], look: Callable[[], Look], *, keep_alive: bool
) -> tuple[Phones, Look, Look]:
    """All phones at the same time, over so many connections. What it cost, their orders and handshakes aside."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS if keep_alive else 0)
    async with httpx.AsyncClient(base_url=base_url, limits=limits, timeout=120) as http:
        lines = Lines(base_url, keep_alive=keep_alive)
        phones = Phones(http, lines, asyncio.Semaphore(CONNECTIONS), wallet, [])
        sessions = [await phones.order(chip.image.device_id, AMOUNT_FEN) for chip in chosen]
        await asyncio.gather(*map(phones.greet, chosen, sessions))
        before = look()
        await asyncio.gather(*map(phones.open_card, chosen, sessions))
        lines.close()
        return phones, before, look()


async def library_s(folder: Path, wallet: dict[str, Any], chosen: list[SoftwareElement]) -> float:
    """Seconds of the cryptographic library for a round: phones open cards in this process."""
    rounds: list[float] = []

    class InProcess(Phones):
        async def round(self, session: str, report: dict[str, Any]) -> dict[str, Any]:
            before, watch.running = watch.spent_s, True
            scope = {"query_string": f"sessionId={session}".encode()}
            _, answer = await server.remote_management(scope, json.dumps(report).encode())
            watch.running = False
            rounds.append(watch.spent_s - before)
            order: dict[str, Any] = json.loads(answer)
            return order

    async with open_system(settings_of(folder / "tongka.toml")) as system:
        server = WalletServer(system)
        transport = httpx.ASGITransport(build_app(system))
        async with httpx.AsyncClient(transport=transport, base_url="http://bench") as http:
            with library.watched() as watch:
                phones = InProcess(http, Lines("http://bench", keep_alive=False), asyncio.Semaphore(1), wallet, [])
                for chip in chosen:
                    session = await phones.order(chip.image.device_id, AMOUNT_FEN)
                    await phones.greet(chip, session)
                    await phones.open_card(chip, session)
    return sum(rounds[len(rounds) // 2 :]) / (len(rounds) - len(rounds) // 2)


def measure(folder: Path, document: dict[str, Any], postmaster: int, options: argparse.Namespace) -> list[rig.Figure]:
    port, echo_port = rig.free_port(), rig.free_port()
    half = options.warm + options.phones
    chosen = runner.run(chips(folder, 2 * half + ALONE))
    crypto = runner.run(library_s(folder, document["wallet"], [chosen.pop() for _ in range(ALONE)]))
    web = ("-m", "tongka", "serve", "-c", str(folder / "tongka.toml"), "--port", str(port))
    figures: list[rig.Figure] = []
    with rig.served(*web, ready=lambda: rig.answers(port), **NO_INSTITUTION) as process:

        def look() -> Look:
            servers = rig.family_cpu_s(process.pid), rig.family_cpu_s(postmaster)
            return Look(*servers, rig.rss_mb(process.pid), time.perf_counter())

        for keep_alive in (False, True):
            mine, chosen = chosen[:half], chosen[half:]
            fare = partial(at_once, f"http://127.0.0.1:{port}", document["wallet"], keep_alive=keep_alive)
            runner.run(fare(mine[: options.warm], look))
            phones, before, after = runner.run(fare(mine[options.warm :], look))
            request, answer = phones.largest
            echo = (str(Path(__file__).with_name("echo.py")), str(echo_port), str(len(answer)))
            with rig.served(*echo, ready=lambda: rig.answers(echo_port)) as echo_process:
                bare = echo_s(
                    runner, echo_port, echo_process.pid, request, Load(options.echoes, CONNECTIONS, keep_alive)
                )
            figures += figures_of(
                phones.rounds,
                before,
                after,
                bare,
                crypto=crypto,
                kind="keep-alive" if keep_alive else "short connections",
            )
    return figures


def figures_of(
    rounds: list[float], before: Look, after: Look, bare: float, *, crypto: float, kind: str
) -> list[rig.Figure]:
    count = len(rounds)
    web_s, postgres_s = (after.web_s - before.web_s) / count, (after.postgres_s - before.postgres_s) / count
    return [
        rig.Figure(f"{kind}: own time of a round, in bare echoes", (web_s - crypto) / bare, LIMIT_ECHOES),
        rig.Figure(f"{kind}: CPU of the web process for a round", 1000 * web_s, unit="ms"),
        rig.Figure(f"{kind}: of it the cryptographic library", 1000 * crypto, unit="ms"),
        rig.Figure(f"{kind}: CPU of PostgreSQL for a round", 1000 * postgres_s, unit="ms"),
        rig.Figure(f"{kind}: one bare echo", 1000 * bare, unit="ms"),
        rig.Figure(f"{kind}: rounds", count / (after.at_s - before.at_s), unit="/s"),
        rig.Figure(f"{kind}: 99th percentile of a round", 1000 * rig.percentile(rounds, 99), unit="ms"),
        rig.Figure(f"{kind}: growth of the web process", after.memory_mb - before.memory_mb, GROWTH_MB, unit="MB"),
    ]


def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "city"
        with rig.city(folder) as document:
            server = EmbeddedPostgres(folder / "postgres")
            server.start()
            try:
                return rig.report(measure(folder, document, rig.postmaster_of(server.folder), options))
            finally:
                server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phones", type=int, default=1_000)
    parser.add_argument("--warm", type=int, default=100)
    parser.add_argument("--echoes", type=int, default=4_000)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(main(parser.parse_args()))
