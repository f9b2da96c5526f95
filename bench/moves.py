"""A state move through the store beside pgbench with the very same statement, at eight clients.

    python bench/moves.py [--moves 4000] [--runs 3]

The move is 6 → 2: it compares and sets, reserves in the ledger, writes the audit row and stores the reply. Both sides
move orders that are there for that alone, each order once, against the embedded PostgreSQL with fsync on.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop

import rig
import statements
from tongka import settings
from tongka.orders import Event, Kind, State
from tongka.store import orders
from tongka.store.db import Database, open_database
from tongka.store.migrate import upgrade
from tongka.store.orders import Move, Order, Reply

CLIENTS = 8
LIMIT = 0.95
AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
PREFIX = statements.PREFIX

TEMPLATE = Order(
    card_no=f"{PREFIX}00000000000",
    order_no="bench0",
    kind=Kind.TOPUP,
    state=State.AUTHORISING,
    institution="90000001",
    payment_order="",
    payment_method="02",
    order_type="40",
    channel="10",
    amount_fen=1_000,
    paid=True,
    created_at=AT,
    moved_at=AT,
    settlement_date=AT.date(),
    pin_atc=1,
)

FILL = f"""
INSERT INTO orders (card_no, order_no, kind, state, institution, payment_order, payment_method, order_type, channel,
                    amount_fen, paid, created_at, moved_at, settlement_date, pin_atc)
SELECT '{PREFIX}' || lpad(g::text, 11, '0'), 'bench' || g, 'topup', '6', '90000001', '', '02', '40', '10', 1000, true,
       $1, $1, $2, 1 FROM generate_series($3::int, $4::int) AS g
"""  # noqa: S608 - our own numbers


def move_of(number: int) -> Move:
    order = TEMPLATE.changed(card_no=f"{PREFIX}{number:011}", order_no=f"bench{number}")
    return Move(
        order=order,
        event=Event.KEYS_ANSWERED,
        at=AT,
        settlement_date=AT.date(),
        actor="90000001",
        changes={"command": bytes(16), "moment": bytes(7)},
        reply=Reply(f"huzhou|90000001|20260302|{number}", bytes(32), bytes(600)),
    )


async def ours(database: Database, first: int, each: int) -> float:
    """Moves a second; they were decided on before, as pgbench's are."""
    decided = [[move_of(first + number * each + place) for place in range(each)] for number in range(CLIENTS)]

    async def client(mine: list[Move]) -> None:
        for move in mine:
            await orders.move(database, move)

    start = time.perf_counter()
    await asyncio.gather(*map(client, decided))
    return CLIENTS * each / (time.perf_counter() - start)


async def script_of(database: Database, folder: Path) -> Path:
    """The statement of one move as pgbench's script; order `:k`."""
    with statements.recording() as seen:
        await orders.move(database, move_of(0))
    lines = statements.as_pgbench(seen, TEMPLATE.card_no, TEMPLATE.order_no, "no payment")
    script = folder / "move.sql"
    counted = "\\set i :i + 1\n\\set k :first + :client_id * :each + :i - 1\n\\set c :k\n"
    script.write_text(counted + "".join(lines).replace("pending_id = :k", "pending_id = nextval('transfer_id_seq')"))
    return script


async def compare(folder: Path, options: argparse.Namespace) -> list[rig.Figure]:
    wanted = settings.Database(data_dir=str(folder), pool_min=CLIENTS, pool_max=CLIENTS)
    database = await open_database(wanted)
    try:
        await upgrade(database)
        await database.execute(FILL, AT, AT.date(), 0, 0)
        script = await script_of(database, folder)
        share = CLIENTS * options.moves
        ratios, reached = [], []
        for run in range(options.runs):
            first = 1 + 2 * run * share
            await database.execute(FILL, AT, AT.date(), first, first + 2 * share - 1)
            await database.execute("VACUUM ANALYZE orders")
            mine = await ours(database, first, options.moves)
            peer = await asyncio.to_thread(
                rig.pgbench_count, database.server, script, CLIENTS, options.moves, first=first + share
            )
            ratios.append(mine / peer)
            reached.append(mine)
    finally:
        await database.close()
    return [
        rig.Figure("a move through the store over pgbench with the same statement", statistics.median(ratios), LIMIT,
                   at_most=False),
        rig.Figure("moves through the store", statistics.median(reached), unit="/s"),
    ]  # fmt: skip


def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return rig.report(runner.run(compare(Path(folder), options)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=4_000, help="of each client")
    parser.add_argument("--runs", type=int, default=3)
    sys.exit(main(parser.parse_args()))
