"""Gates' journals: records stored a second, from the request's bytes to the commit, beside a bare COPY of the rows.

    python bench/uploads.py [--records 100000] [--part 1000] [--rounds 5]

Starts an embedded PostgreSQL with fsync on. Ours: an upload's JSON is decoded, the gate's row locked, the records
copied and committed, part by part. Bare: the same rows, ready made, copied into the same table in parts of the same
size, each committed. In turn, medians. Ends with 1 if ours is below the limit.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import msgspec

from tongka import settings
from tongka.code.gate import let_through
from tongka.code.verify import Terms
from tongka.days import ZONE
from tongka.journeys.gates import token_digest
from tongka.merchant.serve import read_upload
from tongka.sandbox.mint import Mint
from tongka.store import gates
from tongka.store.db import Database, open_database
from tongka.store.gates import Gate
from tongka.store.migrate import upgrade

RATIO_MIN = 0.7
NOW = datetime.now(ZONE)
GATE = Gate("bench", "bus", "", "single")
COLUMNS = ("gate_id", "serial", "record", "received_at")
DIFFERENT = 200
"""Codes made; records repeat them, which storing does not look at."""


def records(count: int) -> list[str]:
    mint = Mint(b"bench of uploads".ljust(32, b"\0"))
    at = int(NOW.timestamp())
    made = []
    for number in range(DIFFERENT):
        code = mint.code(mint.credential(f"2088{number:012}", at), at)
        says = b'{"pos_id":"bench","type":"SINGLE","subject":"bus","record_id":"%08d"}' % number
        made.append(let_through(code, says, Terms(mint.keys(), at), set()).record)
    return [made[number % DIFFERENT] for number in range(count)]


async def ours(database: Database, parts: list[bytes]) -> float:
    began = time.perf_counter()
    for body in parts:
        await gates.append(database, GATE.gate_id, read_upload(body), NOW)
    return time.perf_counter() - began


async def bare(database: Database, parts: list[list[tuple[object, ...]]]) -> float:
    began = time.perf_counter()
    for rows in parts:
        async with database.transaction() as connection:
            await connection.copy_records_to_table("gate_record", records=rows, columns=COLUMNS)
    return time.perf_counter() - began


async def measure(database: Database, count: int, part: int, rounds: int) -> tuple[float, float]:
    """Records a second: ours, bare."""
    all_records = records(count)
    cut = [(at + 1, all_records[at : at + part]) for at in range(0, count, part)]
    bodies = [msgspec.json.encode({"first": first, "records": some}) for first, some in cut]
    rows: list[list[tuple[object, ...]]] = [
        [(GATE.gate_id, first + nth, bytes.fromhex(record), NOW) for nth, record in enumerate(some)]
        for first, some in cut
    ]
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(rounds):
        for name, run in (("ours", lambda: ours(database, bodies)), ("bare", lambda: bare(database, rows))):
            await database.execute("TRUNCATE gate_record")
            await database.execute("UPDATE gate SET next_serial = 1")
            await database.execute("CHECKPOINT")
            times[name].append(await run())
    return count / statistics.median(times["ours"]), count / statistics.median(times["bare"])


async def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", type=int, default=100_000)
    options.add_argument("--part", type=int, default=1_000)
    options.add_argument("--rounds", type=int, default=5)
    wanted = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = await open_database(settings.Database(data_dir=str(Path(folder) / "postgres")))
        try:
            await upgrade(database)
            await gates.save(database, [(GATE, token_digest("bench"))])
            stored, copied = await measure(database, wanted.records, wanted.part, wanted.rounds)
        finally:
            await database.close()
    ratio = stored / copied
    verdict = "ok" if ratio >= RATIO_MIN else "BELOW"
    print(f"records a second, in parts of {wanted.part}: stored {stored:,.0f}, bare COPY {copied:,.0f}")
    print(f"ratio {ratio:.3f}  limit {RATIO_MIN}  {verdict}")
    return int(ratio < RATIO_MIN)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
