"""What a top-up costs in a database with many orders, over what it costs in one with few; and memory that stays flat.

    python bench/volume.py [--few 10000] [--many 10000000] [--topups 300] [--long 100000]

Orders are put in with their three transfers each, spread over a million cards and two years. The cost is the CPU time
of the web process and of PostgreSQL for a top-up over HTTP, as in `topup.py`. Then top-ups go on until there were
`--long` of them, and the memory of the web process is looked at on the way.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

import uvloop

import load
import rig
import topup
from tongka.settings import Database as DatabaseSettings
from tongka.store.db import Database, open_url
from tongka.store.embedded import EmbeddedPostgres

LIMIT = 1.2
MEMORY_MB = 120
BATCH = 500_000
CLIENTS = 32

ORDERS = """
INSERT INTO orders (card_no, order_no, kind, state, institution, payment_order, payment_method, order_type, channel,
                    amount_fen, paid, created_at, moved_at, settlement_date, attempt, closed_by)
SELECT '88888888' || lpad((g % 1000000)::text, 11, '0'), 'old' || g, 'topup', '5', '90000001', '', '02', '40', '10',
       1000, true, day, day, day::date, 2, 'tac'
FROM generate_series($1::bigint, $2::bigint) AS g, LATERAL (SELECT now() - g % 730 * interval '1 day' AS day) AS made
"""
TRANSFERS = """
WITH numbered AS (
    SELECT '88888888' || lpad((g % 1000000)::text, 11, '0') AS card_no, 'old' || g AS order_no, 100000000 + 3 * g AS id,
           now() - g % 730 * interval '1 day' AS at
    FROM generate_series($1::bigint, $2::bigint) AS g
)
INSERT INTO transfer (card_no, id, order_no, kind, pending_id, debit, credit, amount_fen, reason, posted_at,
                      business_date)
OVERRIDING SYSTEM VALUE
SELECT card_no, id + leg.step, order_no, leg.kind, CASE leg.kind WHEN 'post' THEN id + 1 END, leg.debit, leg.credit,
       1000, leg.reason, at, at::date
FROM numbered, (VALUES (0, 'single', 102, 2, 'paid'), (1, 'pending', 2, 1, 'keys_answered'),
                       (2, 'post', 2, 1, 'credited')) AS leg (step, kind, debit, credit, reason)
"""


async def fill(database: Database, first: int, last: int) -> None:
    """Old orders with their transfers, checked row by row as ever."""
    for start in range(first, last + 1, BATCH):
        end = min(last, start + BATCH - 1)
        async with database.transaction(unhurried=True) as connection:
            await connection.execute(ORDERS, start, end, timeout=None)
            await connection.execute(TRANSFERS, start, end, timeout=None)
        print(f"  {end:,} orders are in", flush=True)
    for table in ("orders", "transfer"):
        async with database.leases.pool.acquire() as connection:
            await connection.execute(f"VACUUM ANALYZE {table}", timeout=None)


async def put_in(server: EmbeddedPostgres, first: int, last: int) -> None:
    database = await open_url(server.url, DatabaseSettings(statement_timeout_s=86_400))
    await fill(database, first, last)
    await database.close()


def cost(front, cards, options, web: int, postmaster: int) -> float:
    """CPU seconds of a top-up, the median of several runs."""
    topup.measure(front, cards, 100, web, postmaster)
    runs = [topup.measure(front, cards, options.topups, web, postmaster) for _ in range(3)]
    return statistics.median(run.whole_s for run in runs)


def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "city"
        with rig.city(folder) as document:
            server = EmbeddedPostgres(folder / "postgres")
            server.start()
            try:
                return rig.report(compare(folder, document, server, options))
            finally:
                server.close()


def compare(folder: Path, document: dict, server: EmbeddedPostgres, options: argparse.Namespace) -> list[rig.Figure]:
    port = rig.free_port()
    postmaster = rig.postmaster_of(server.folder)
    document["huzhou"]["base_url"] = f"http://127.0.0.1:{port}/cardfront"
    cards = topup.plastic(document, CLIENTS)
    web = ("-m", "tongka", "serve", "-c", str(folder / "tongka.toml"), "--port", str(port))
    with (
        rig.served(*web, ready=lambda: rig.answers(port), **topup.AS_IN_PRODUCTION) as process,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        topup.runner = runner
        front = load.LightFront(document["huzhou"], keep_alive=True)
        runner.run(put_in(server, 1, options.few))
        few = cost(front, cards, options, process.pid, postmaster)
        runner.run(put_in(server, options.few + 1, options.many))
        many = cost(front, cards, options, process.pid, postmaster)
        memory = [rig.rss_mb(process.pid)]
        share = options.long // 10
        memory += [topup.measure(front, cards, share, process.pid, postmaster).memory_mb for _ in range(10)]
        runner.run(front.close())
    print("  memory on the way, MB:", *(f"{value:.1f}" for value in memory))
    return [
        rig.Figure(f"a top-up among {options.many:,} orders over one among {options.few:,}", many / few, LIMIT),
        rig.Figure(f"memory of the web process after {options.long:,} top-ups", memory[-1], MEMORY_MB, unit="MB"),
        rig.Figure("its growth over the last half", memory[-1] - memory[5], unit="MB"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=10_000_000)
    parser.add_argument("--topups", type=int, default=300)
    parser.add_argument("--long", type=int, default=100_000)
    sys.exit(main(parser.parse_args()))
