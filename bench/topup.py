"""What a top-up costs over the Huzhou card front: order, charge request, confirm, signed both ways, over HTTP.

    python bench/topup.py [--topups 800] [--runs 3] [--clients 32]

Our own time is the CPU time of all server processes (web and PostgreSQL, fsync on), less SM2's own signing and
verifying, less what PostgreSQL needs for the very same statements under pgbench. Its measure is the CPU time of a bare
ASGI echo of as many bytes, under the same server, with the same kind of connections, in the same run. The limit is 20
echoes a top-up, which is about 7 a request. The client is light, and there are as many cards at a time as keep the
server busy: a server that waits for its bench pays for waking up, and that is what would be measured.
"""

import argparse
import asyncio
import secrets
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uvloop

import load
import rig
import statements
from tongka.crypto import sm2
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import furnish
from tongka.store.embedded import EmbeddedPostgres

REQUESTS = 3
SIGNATURES = 3
LIMIT_ECHOES = 20
PGBENCH_S = 5
AS_IN_PRODUCTION = {"TONGKA_PAYMENTS_INSTITUTION": "none"}
"""Partners vouch for payments; asking the sandbox's simulator would be one more statement."""


@dataclass(frozen=True)
class Run:
    """One run's CPU seconds for each top-up, and what the clients saw."""

    web_s: float
    postgres_s: float
    per_second: float
    p99_s: float
    memory_mb: float

    @property
    def whole_s(self) -> float:
        return self.web_s + self.postgres_s


def plastic(document: dict, count: int) -> list[SoftwareCard]:
    usable = [entry for entry in document["cards"] if entry["enabled"] and entry["balance_fen"] < 50_000]
    return [SoftwareCard(furnish(CardImage.from_json(entry)), secrets.token_bytes) for entry in usable[:count]]


async def top_ups(front: load.LightFront, cards: list[SoftwareCard], count: int) -> list[float]:
    free = list(cards)

    async def one(_: int) -> None:
        card = free.pop()
        await front.top_up_known(card, card.image.card_no, 1, secrets.token_hex(10))
        free.append(card)

    took = await rig.at_once(len(cards), count, one)
    front.hang_up()
    return took


def measure(front: load.LightFront, cards: list[SoftwareCard], count: int, web: int, postmaster: int) -> Run:
    async def work() -> list[float]:
        return await top_ups(front, cards, count)

    before = rig.family_cpu_s(web), rig.family_cpu_s(postmaster)
    took = runner.run(work())
    after = rig.family_cpu_s(web), rig.family_cpu_s(postmaster)
    web_s, postgres_s = ((b - a) / count for a, b in zip(before, after, strict=True))
    return Run(web_s, postgres_s, len(cards) * count / sum(took), rig.percentile(took, 99), rig.rss_mb(web))


@dataclass(frozen=True)
class Load:
    """How many, how many at a time, over which connections."""

    count: int
    clients: int
    keep_alive: bool


def echo_s(runner: asyncio.Runner, port: int, pid: int, body: bytes, bare: Load) -> float:
    """CPU seconds of one bare echo."""

    async def work() -> None:
        lines = load.Lines(f"http://127.0.0.1:{port}", keep_alive=bare.keep_alive)

        async def one(_: int) -> None:
            await lines.post("/", body)

        await rig.at_once(bare.clients, bare.count, one)
        lines.close()

    before = rig.cpu_s(pid)
    runner.run(work())
    return (rig.cpu_s(pid) - before) / bare.count


def sm2_s() -> float:
    """What three verifications and three signatures cost by themselves."""
    key = sm2.generate()
    message = secrets.token_bytes(700)
    signature = sm2.sign(key, message)
    public = sm2.public_key(key)
    sign = rig.median_time(lambda: sm2.sign(key, message), 500)
    verify = rig.median_time(lambda: sm2.verify(public, message, signature), 500)
    return SIGNATURES * (sign + verify)


def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "city"
        with rig.city(folder) as document:
            server = EmbeddedPostgres(folder / "postgres")
            server.start()
            try:
                return compare(folder, document, server, options)
            finally:
                server.close()


def compare(folder: Path, document: dict, server: EmbeddedPostgres, options: argparse.Namespace) -> int:
    web_port, echo_port = rig.free_port(), rig.free_port()
    postmaster = rig.postmaster_of(server.folder)
    script, request, answer = runner.run(statements.record(folder))
    document["huzhou"]["base_url"] = f"http://127.0.0.1:{web_port}/cardfront"
    cards = plastic(document, options.clients)
    web = ("-m", "tongka", "serve", "-c", str(folder / "tongka.toml"), "--port", str(web_port))
    echo = (str(Path(__file__).with_name("echo.py")), str(echo_port), str(len(answer)))
    figures: list[rig.Figure] = []
    with (
        rig.served(*web, ready=lambda: rig.answers(web_port), **AS_IN_PRODUCTION) as web_process,
        rig.served(*echo, ready=lambda: rig.answers(echo_port)) as echo_process,
    ):
        for keep_alive in (False, True):
            front = load.LightFront(document["huzhou"], keep_alive=keep_alive)
            measure(front, cards, options.topups // 4, web_process.pid, postmaster)  # warm
            runs, echoes, sql, crypto = [], [], [], []
            for _ in range(options.runs):
                runs.append(measure(front, cards, options.topups, web_process.pid, postmaster))
                echoing = Load(REQUESTS * options.topups, options.clients, keep_alive)
                echoes.append(echo_s(runner, echo_port, echo_process.pid, request, echoing))
                bench = rig.pgbench(server, script, clients=options.clients, seconds=PGBENCH_S)
                sql.append(bench.server_cpu_s / bench.transactions)
                crypto.append(sm2_s())
            figures += figures_of(runs, echoes, sql, crypto, "keep-alive" if keep_alive else "short connections")
            runner.run(front.close())
    return rig.report(figures)


def figures_of(
    runs: list[Run], echoes: list[float], sql: list[float], crypto: list[float], kind: str
) -> list[rig.Figure]:
    own = [(run.whole_s - c - s) / e for run, e, s, c in zip(runs, echoes, sql, crypto, strict=True)]
    unavoidable = [run.whole_s / (c + s + REQUESTS * e) for run, e, s, c in zip(runs, echoes, sql, crypto, strict=True)]
    median = statistics.median
    return [
        rig.Figure(f"{kind}: own time, in bare echoes", median(own), LIMIT_ECHOES),
        rig.Figure(f"{kind}: whole CPU over SM2 + SQL + three echoes", median(unavoidable)),
        rig.Figure(f"{kind}: CPU of the web process", 1000 * median(run.web_s for run in runs), unit="ms"),
        rig.Figure(f"{kind}: CPU of PostgreSQL", 1000 * median(run.postgres_s for run in runs), unit="ms"),
        rig.Figure(f"{kind}: PostgreSQL for the same statements, pgbench", 1000 * median(sql), unit="ms"),
        rig.Figure(f"{kind}: SM2, three verified and three signed", 1000 * median(crypto), unit="ms"),
        rig.Figure(f"{kind}: one bare echo", 1000 * median(echoes), unit="ms"),
        rig.Figure(f"{kind}: top-ups for a second of CPU", 1 / median(run.whole_s for run in runs), unit="/s"),
        rig.Figure(f"{kind}: 99th percentile", 1000 * median(run.p99_s for run in runs), unit="ms"),
        rig.Figure(f"{kind}: memory of the web process", median(run.memory_mb for run in runs), 120, unit="MB"),
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--topups", type=int, default=800)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(main(parser.parse_args()))
