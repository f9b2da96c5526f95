"""What a top-up costs over the OneCard API, and how fast one prepaid account is drawn on.

    python bench/linkage.py [--topups 800] [--runs 3] [--clients 32] [--draws 10000]

Own time: a top-up is three requests (now, alverify, mac1authal), and each closes the one before by its counter. The CPU
time of all server processes (web and PostgreSQL, fsync on), less what PostgreSQL needs for the very same statements
under pgbench, in bare ASGI echoes of as many bytes, as `topup.py` does for the card front. MD5 and the card's MACs are
not taken off. No payment institution is asked: the sandbox's simulator is not part of a platform. The limit is 7
echoes a request.

Draws: eight clients' orders of as many cards draw on one account, so that all wait for its one row; through the store,
and the same statement under pgbench. The limit is 0.9 of pgbench's throughput.
"""

import argparse
import asyncio
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import uvloop
from starlette.applications import Starlette

import rig
import statements
from load import Lines
from tongka.cli.common import settings_of
from tongka.days import ZONE
from tongka.ledger import Account
from tongka.orders import Event, Kind, Leg, State
from tongka.partners.linkage import serve
from tongka.partners.linkage.calls import READER
from tongka.partners.linkage.client import OneCard, Payment
from tongka.sandbox.card.machine import SoftwareCard
from tongka.settings import load
from tongka.shell import now, open_system
from tongka.store import orders, prepaid
from tongka.store.db import Database, open_database
from tongka.store.embedded import EmbeddedPostgres
from tongka.store.orders import Move, Order
from tongka.store.stamp import Stamp
from topup import Load, echo_s, plastic

REQUESTS = 3
NO_INSTITUTION = {"TONGKA_PAYMENTS_INSTITUTION": "none"}
LIMIT_ECHOES = 7
LIMIT_DRAWS = 0.9
PGBENCH_S = 5
DRAWERS = 8
MERCHANT, DOMAIN = "BENCH", "01"
PLENTY_FEN = 4_000_000_000


class LightOneCard(OneCard):
    """As the card front's in `load.py`."""

    lines: Lines

    @classmethod
    def at(cls, section: dict, base_url: str, *, keep_alive: bool) -> Self:
        client = cls.of_section(section | {"base_url": base_url})
        client.lines = Lines(base_url, keep_alive=keep_alive)
        return client

    async def _post(self, url: str, body: bytes) -> dict[str, Any]:
        return READER.read(await self.lines.post(urlsplit(url).path, body), "answer")


def paid() -> Payment:
    return Payment(payment_id=secrets.token_hex(10), payer="bench")


# --- own time ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """CPU seconds of one top-up, and what the clients saw."""

    web_s: float
    postgres_s: float
    p99_s: float


async def record(folder: Path, document: dict) -> tuple[Path, bytes, bytes]:
    """The statements of a top-up as a script for pgbench, and the largest request and answer."""
    card = plastic(document, 100)[-1]
    messages: list[bytes] = []
    async with open_system(load(folder / "tongka.toml", NO_INSTITUTION).settings) as system:
        app = Starlette(routes=serve.routes(system))
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), event_hooks=statements.heard(messages))
        client = OneCard.of_section(document["linkage"] | {"base_url": "http://127.0.0.1"}, http=http)
        before = await client.top_up(card, 1, paid())
        with statements.recording() as recorded:
            loaded = await client.top_up(card, 1, payment := paid())
        await statements.add_cards(system.database, card.image.card_no)
        await client.close()
    script = folder / "onecard.sql"
    own = [(sql, _as_own(given, before.trade_id, loaded.trade_id)) for sql, given in recorded]
    closing = [one for one in own if Event.COUNTED.value in one[1]]
    ordered = [one for one in own if one not in closing] + closing  # it closes itself instead of the one before
    lines = statements.as_pgbench(ordered, card.image.card_no, loaded.trade_id, payment.payment_id)
    script.write_text(statements.NAMES + "".join(lines))
    return script, max(messages[0::2], key=len), max(messages[1::2], key=len)


def _as_own(given: tuple[Any, ...], before: str, own: str) -> tuple[Any, ...]:
    return tuple(own if value == before else value for value in given)


async def top_ups(client: LightOneCard, cards: list[SoftwareCard], count: int) -> list[float]:
    free = list(cards)

    async def one(_: int) -> None:
        card = free.pop()
        await client.top_up(card, 1, paid())
        free.append(card)

    took = await rig.at_once(len(cards), count, one)
    client.lines.close()
    return took


def measure(client: LightOneCard, cards: list[SoftwareCard], count: int, web: int, postmaster: int) -> Run:
    async def work() -> list[float]:
        return await top_ups(client, cards, count)

    before = rig.family_cpu_s(web), rig.family_cpu_s(postmaster)
    took = runner.run(work())
    after = rig.family_cpu_s(web), rig.family_cpu_s(postmaster)
    web_s, postgres_s = ((b - a) / count for a, b in zip(before, after, strict=True))
    return Run(web_s, postgres_s, rig.percentile(took, 99))


def own_time(folder: Path, document: dict, server: EmbeddedPostgres, options: argparse.Namespace) -> list[rig.Figure]:
    script, request, answer = runner.run(record(folder, document))
    web_port, echo_port = rig.free_port(), rig.free_port()
    postmaster = rig.postmaster_of(server.folder)
    cards = plastic(document, options.clients)
    web = ("-m", "tongka", "serve", "-c", str(folder / "tongka.toml"), "--port", str(web_port))
    echo = (str(Path(__file__).with_name("echo.py")), str(echo_port), str(len(answer)))
    figures: list[rig.Figure] = []
    with (
        rig.served(*web, ready=lambda: rig.answers(web_port), **NO_INSTITUTION) as web_process,
        rig.served(*echo, ready=lambda: rig.answers(echo_port)) as echo_process,
    ):
        for keep_alive in (False, True):
            base_url = f"http://127.0.0.1:{web_port}"
            client = LightOneCard.at(document["linkage"], base_url, keep_alive=keep_alive)
            measure(client, cards, options.topups // 4, web_process.pid, postmaster)  # warm
            load = Load(REQUESTS * options.topups, options.clients, keep_alive)
            runs, echoes, sql = [], [], []
            for _ in range(options.runs):
                runs.append(measure(client, cards, options.topups, web_process.pid, postmaster))
                echoes.append(echo_s(runner, echo_port, echo_process.pid, request, load))
                bench = rig.pgbench(server, script, clients=options.clients, seconds=PGBENCH_S)
                sql.append(bench.server_cpu_s / bench.transactions)
            runner.run(client.close())
            figures += figures_of(runs, echoes, sql, "keep-alive" if keep_alive else "short connections")
    return figures


def figures_of(runs: list[Run], echoes: list[float], sql: list[float], kind: str) -> list[rig.Figure]:
    median = statistics.median
    own = [(r.web_s + r.postgres_s - s) / e / REQUESTS for r, e, s in zip(runs, echoes, sql, strict=True)]
    return [
        rig.Figure(f"{kind}: own time of a request, in bare echoes", median(own), LIMIT_ECHOES),
        rig.Figure(f"{kind}: CPU of the web process for a top-up", 1000 * median(r.web_s for r in runs), unit="ms"),
        rig.Figure(f"{kind}: CPU of PostgreSQL for a top-up", 1000 * median(r.postgres_s for r in runs), unit="ms"),
        rig.Figure(f"{kind}: PostgreSQL for the same statements, pgbench", 1000 * median(sql), unit="ms"),
        rig.Figure(f"{kind}: one bare echo", 1000 * median(echoes), unit="ms"),
        rig.Figure(f"{kind}: 99th percentile of a top-up", 1000 * median(r.p99_s for r in runs), unit="ms"),
    ]


# --- draws ------------------------------------------------------------------------------------------------------------

_ORDERS = """
INSERT INTO orders (card_no, order_no, kind, state, institution, payment_method, channel, amount_fen, paid, created_at,
                    moved_at, settlement_date)
SELECT $1 || '-' || c || '-' || n, $1 || '-' || c || '-' || n, 'topup', '1', 'bench', '06', '00', 0, false, $4, $4, $5
FROM generate_series(0, $2::int - 1) AS c, generate_series(1, $3::int) AS n
"""


def drawing(number: str, account: int) -> Move:
    """What `authorise` does for a prepaid account: it pins the order and draws its money."""
    at = now()
    order = Order(
        card_no=number,
        order_no=number,
        kind=Kind.TOPUP,
        state=State.INITIAL,
        institution="bench",
        payment_order="",
        payment_method="06",
        order_type="",
        channel="00",
        amount_fen=1,
        paid=True,
        created_at=at,
        moved_at=at,
        settlement_date=at.date(),
        funded_from=account,
    )
    changes = {"pin_atc": 1, "init": bytes(16), "terminal": bytes(6), "attempt": 1, "closes_by_counter": True,
               "amount_fen": 1, "funded_from": account, "paid": True}  # fmt: skip
    drawn = ((Leg("single", account, Account.ORDERS_IN_HAND), 1),)
    return Move(
        order=order, event=Event.AUTHORISE, at=at, settlement_date=at.date(), actor="bench", changes=changes,
        extra_legs=drawn,
    )  # fmt: skip


async def draws(database: Database, account: int, prefix: str, clients: int, count: int) -> float:
    """Draws a second through the store."""
    numbers: Iterator[str] = iter(f"{prefix}-{c}-{n}" for c in range(clients) for n in range(1, count // clients + 1))

    async def one(_: int) -> None:
        await orders.move(database, drawing(next(numbers), account))

    await rig.at_once(clients, clients, lambda _: database.read_value("SELECT 1"))  # connections are open
    start = time.perf_counter()
    await rig.at_once(clients, count, one)
    return count / (time.perf_counter() - start)


async def draw_script(database: Database, account: int, folder: Path, prefix: str) -> Path:
    """The store's own statement, each client's orders counted up by pgbench."""
    with statements.recording() as recorded:
        await orders.move(database, drawing(f"{prefix}-warm-0", account))
    number = f"('{prefix}-' || :client_id::text || '-' || :i::text)"
    script = folder / f"draw-{prefix}.sql"
    script.write_text("\\set i :i + 1\n" + "".join(statements.lines(recorded, {f"{prefix}-warm-0": number})))
    return script


async def prepared(folder: Path, prefixes: tuple[str, ...], clients: int, count: int) -> tuple[Database, int]:
    """Orders for every run, and an account with plenty."""
    database = await open_database(settings_of(folder / "tongka.toml").database)
    at = now().astimezone(ZONE)
    stamp = Stamp(at, at.date(), "bench")
    await prepaid.open_account(database, MERCHANT, DOMAIN, 0, stamp)
    supply = prepaid.Supply(merchant=MERCHANT, domain=DOMAIN, trade_id="plenty", amount_fen=PLENTY_FEN)
    await prepaid.supply(database, supply, stamp)
    for prefix in prefixes:
        await database.execute(_ORDERS, prefix, clients, count // clients, at, date.today())  # noqa: DTZ011 - any day
        await database.execute(
            "INSERT INTO orders (card_no, order_no, kind, state, institution, payment_method, channel, amount_fen,"
            " paid, created_at, moved_at, settlement_date)"
            " VALUES ($1, $1, 'topup', '1', 'bench', '06', '00', 0, false, $2, $2, $3)",
            f"{prefix}-warm-0",
            at,
            at.date(),
        )
    await database.execute("VACUUM ANALYZE orders")
    return database, (await prepaid.find(database, MERCHANT, DOMAIN)).account


def contention(folder: Path, server: EmbeddedPostgres, options: argparse.Namespace) -> list[rig.Figure]:
    ours = tuple(f"ours{run}" for run in range(options.runs))
    theirs = tuple(f"pgb{run}" for run in range(options.runs))
    database, account = runner.run(prepared(folder, ours + theirs, DRAWERS, options.draws))
    rates: list[tuple[float, float]] = []
    for mine, bench in zip(ours, theirs, strict=True):
        script = runner.run(draw_script(database, account, folder, bench))
        seen = runner.run(draws(database, account, mine, DRAWERS, options.draws))
        rates.append((seen, rig.pgbench_count(server, script, DRAWERS, options.draws // DRAWERS)))
    runner.run(database.close())
    median = statistics.median
    return [
        rig.Figure("draws from one account, over pgbench", median(a / b for a, b in rates), LIMIT_DRAWS, at_most=False),
        rig.Figure("draws from one account", median(a for a, _ in rates), unit="/s"),
        rig.Figure("the same statement under pgbench", median(b for _, b in rates), unit="/s"),
    ]


@contextmanager
def made_city() -> Iterator[tuple[Path, dict, EmbeddedPostgres]]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "city"
        with rig.city(folder) as document:
            server = EmbeddedPostgres(folder / "postgres")
            server.start()
            try:
                yield folder, document, server
            finally:
                server.close()


def main(options: argparse.Namespace) -> int:
    with made_city() as (folder, document, server):
        figures = own_time(folder, document, server, options)
        return rig.report(figures + contention(folder, server, options))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--topups", type=int, default=800)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--draws", type=int, default=10_000)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(main(parser.parse_args()))
