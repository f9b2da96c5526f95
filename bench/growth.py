"""How much the database grows: bytes of each table, indexes included, for a thousand loads and a thousand rides.

What is told in docs/operating/retention.md. Loads come over the card front, four messages each; rides are single bus
rides, told by their gate and settled at the gateway.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic

import asyncpg
from rich.console import Console

import rig
from tongka.cli.card_front import front_of
from tongka.cli.tour.rides import _code, _gates
from tongka.cli.tour.stage import Show, Stage
from tongka.sandbox.card.image import CardImage
from tongka.sandbox.card.machine import SoftwareCard
from tongka.sandbox.card.personalise import furnish
from tongka.store.embedded import EmbeddedPostgres

GATE = "BUS192-1"
QUIET_S = 20
ROOM_FEN = 50_000
SIZES = """
SELECT relname AS name, pg_total_relation_size(oid) AS size
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


async def loads(folder: Path, document: dict, count: int) -> None:
    enabled = [one for one in document["cards"] if one["enabled"] and one["balance_fen"] < ROOM_FEN]
    cards = [SoftwareCard(furnish(CardImage.from_json(one)), secrets.token_bytes) for one in enabled]
    async with front_of(folder / "sandbox.json") as front:
        for number in range(count):
            await front.top_up(cards[number % len(cards)], 1, secrets.token_hex(10))


async def rides(stage: Stage, connection: asyncpg.Connection, count: int) -> int:
    users = stage.document["alipay"]["users"]
    url = stage.document["merchant"]["upload_url"]
    async with stage.http() as http:
        gates = _gates(stage)
        for gate in gates.values():
            await gate.join(http, url)
        for number in range(count):
            gates[GATE].show(await _code(stage, http, users[number % len(users)]["user_id"]))
        for gate in gates.values():
            await gate.upload(http, url)
    return await settled(connection)


async def settled(connection: asyncpg.Connection) -> int:
    """How many rides were settled, once there come no more."""
    known, until = 0, monotonic() + QUIET_S
    while monotonic() < until:
        now = await connection.fetchval("SELECT count(*) FROM ride_trade")
        known, until = now, monotonic() + QUIET_S if now > known else until
        await asyncio.sleep(1)
    return known


async def sizes(connection: asyncpg.Connection) -> Counter[str]:
    return Counter({row["name"]: row["size"] for row in await connection.fetch(SIZES)})


def tell(what: str, count: int, grown: Counter[str]) -> None:
    print(f"{what}: {sum(grown.values()) / count:,.0f} bytes each")
    for name, size in grown.most_common(12):
        print(f"  {name:24} {size / count:8,.0f}")


async def measure(folder: Path, count: int) -> None:
    document = json.loads((folder / "sandbox.json").read_bytes())
    server = EmbeddedPostgres(folder / "postgres")
    await asyncio.to_thread(server.start)
    connection = await asyncpg.connect(server.url)
    before = await sizes(connection)
    await loads(folder, document, count)
    between = await sizes(connection)
    ridden = await rides(Stage(document, Console(quiet=True), Show.STORY), connection, count)
    after = await sizes(connection)
    tell("a load", count, between - before)
    tell("a ride", ridden, after - between)
    await connection.close()
    await asyncio.to_thread(server.close)


def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "city"
        command = ("-m", "tongka", "sandbox", "--dir", str(folder), "--port", "0")
        with rig.served(*command, ready=(folder / "sandbox.json").exists):
            asyncio.run(measure(folder, options.count))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    sys.exit(main(parser.parse_args()))
