"""What settling rides costs: all cores checking records, and our own time in a call of 100 trades.

    python bench/settle.py [--records 2000] [--runs 5]

**Cores.** The same records are checked in this process alone, spread over a process for each core, and by as many
processes that were each given their share beforehand and only told to begin: that is the limit on a machine that has
other work too, and what efficiency is measured against; the gain over one process is printed beside it. Interleaved.

**A settle call**, on one core: from the parameters as received to the signed answer, over a real database with fsync
on. Its limit is 1.5 times what cannot be avoided, measured in turn with it on as many fresh rides: the two signatures
of each record on the bare libraries, and the one statement that settles them. Medians.
"""

import argparse
import asyncio
import base64
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tongka.code.layout import AlipayCode, Format, parse_code
from tongka.code.record import build_record
from tongka.cores import Cores
from tongka.crypto import ecdsa
from tongka.days import ZONE, business_date
from tongka.journeys import ride, ride_code, ride_keys
from tongka.partners.alipay import messages
from tongka.partners.alipay.codec import signed_text
from tongka.partners.alipay.serve import GatewayServer
from tongka.sandbox.city import City, open_city
from tongka.sandbox.riding_city import APP_ID, SELLER
from tongka.settlement import Asked, Conditions, check_records
from tongka.shell import now
from tongka.store import rides
from tongka.store.rides import Settling
from tongka.system import System

TRADES = 100
EFFICIENCY_MIN, SETTLE_MAX = 0.9, 1.5
METHOD = "alipay.commerce.transport.offlinepay.trade.settle"


@dataclass(frozen=True)
class Ride:
    """A trade as a merchant sends it, and the code it rests on."""

    code: bytes
    trade: dict[str, object]


class Rides:
    """Makes fresh rides of the city's riders, each once."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._made = 0
        self._riders = [user for user, fen in city.riding.users.items() if fen >= 10_000]

    async def make(self, count: int) -> list[Ride]:
        return [await self._one() for _ in range(count)]

    async def _one(self) -> Ride:
        self._made += 1
        user = self._riders[self._made % len(self._riders)]
        code = await ride_code.issue(self._city.system, user, Format.ALIPAY)
        at = now()
        gate = {"pos_id": "bench", "type": "SINGLE", "subject": "bus192", "record_id": str(self._made)}
        record = build_record(
            code=code,
            user_id=user,
            pos_param=json.dumps(gate).encode(),
            at=int(at.timestamp()),
            sdk_version=b"bench",
        )
        return Ride(
            code,
            {
                "user_id": user,
                "out_trade_no": f"BENCH{self._made}",
                "actual_order_time": at.astimezone(ZONE).strftime(messages.TIME_FORMAT),
                "subject": "公交-192路",
                "amount": "0.01",
                "records": [record],
            },
        )


# --- cores ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """Seconds for all records, medians: one process, all cores through `Cores`, shares given beforehand."""

    alone: float
    ours: float
    limit: float


def share(conditions: Conditions, asked: Sequence[Asked], line: Connection) -> None:
    """A process that has its share, and checks it whenever it is told to."""
    check_records(conditions, asked)
    line.send(None)
    while line.recv():
        check_records(conditions, asked)
        line.send(None)


async def spread(system: System, made: Sequence[Ride], runs: int) -> Spread:
    conditions = await ride.conditions(system, now())
    check = partial(check_records, conditions)
    asked = [(str(one.trade["records"][0]), 1) for one in made]
    cores = Cores.all()
    lines = [told(conditions, asked[nth :: cores.processes]) for nth in range(cores.processes)]
    await cores.map(check, asked)  # the processes start, and read the keys
    taken: list[tuple[float, float, float]] = []
    for _ in range(runs):
        marks = [time.perf_counter()]
        check(asked)
        marks.append(time.perf_counter())
        await cores.map(check, asked)
        marks.append(time.perf_counter())
        for line in lines:
            line.send(True)
        for line in lines:
            line.recv()
        marks.append(time.perf_counter())
        taken.append((marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[2]))
    for line in lines:
        line.send(False)
    cores.close()
    return Spread(*(statistics.median(column) for column in zip(*taken, strict=True)))


def told(conditions: Conditions, asked: Sequence[Asked]) -> Connection:
    """A line to a process that has read its share."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    context.Process(target=share, args=(conditions, asked, there), daemon=True).start()
    here.recv()
    return here


# --- a settle call ----------------------------------------------------------------------------------------------------


def request(city: City, made: Sequence[Ride]) -> bytes:
    """The parameters of a call, signed, as received."""
    given = {
        "app_id": APP_ID,
        "method": METHOD,
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": now().strftime(messages.TIME_FORMAT),
        "version": "1.0",
        "biz_content": json.dumps({"trade_list": [one.trade for one in made]}, ensure_ascii=False),
    }
    key = load_pem_private_key(city.riding.app_key.encode(), None)
    signature = key.sign(signed_text(given).encode(), PKCS1v15(), SHA256())
    return urlencode(given | {"sign": base64.b64encode(signature).decode()}).encode()


async def ours(server: GatewayServer, body: bytes) -> float:
    start = time.perf_counter()
    answer = await server.answer(b"", body)
    taken = time.perf_counter() - start
    results = json.loads(answer)[METHOD.replace(".", "_") + "_response"]["result_list"]
    if [one["result"] for one in results] != ["SUCCESS"] * TRADES:
        sys.exit(f"not all were settled: {results[:3]}")
    return taken


async def signatures(system: System, made: Sequence[Ride]) -> float:
    """Both signatures of each code, on the libraries."""
    masters = (await ride_keys.key_list(system, now())).masters
    asked = []
    for one in made:
        code = parse_code(one.code)
        parts = code.parts
        assert isinstance(parts, AlipayCode)
        message = code.signed[: -1 - len(parts.user_signature)]
        asked.append((masters[parts.key_id].on_secp256k1, parts, code.user_key, message))
    start = time.perf_counter()
    for master, parts, user_key, message in asked:
        ecdsa.verify_secp256k1(master, parts.master_signature, parts.credential)
        ecdsa.verify_secp192k1(user_key, parts.user_signature, message)
    return time.perf_counter() - start


async def statement(system: System, made: Sequence[Ride]) -> float:
    """The one statement, with its commit."""
    trades = [messages.trade(one.trade, SELLER) for one in made]
    at = now()
    candidates = await ride.candidates(system, APP_ID, trades, at)
    call = Settling(APP_ID, at, business_date(at), at)
    arguments = rides.arguments(call, candidates)
    async with system.database.leases.pool.acquire() as connection:
        start = time.perf_counter()
        await connection.fetch(rides.SETTLE, *arguments)
        return time.perf_counter() - start


async def settle(city: City, maker: Rides, runs: int) -> tuple[float, float, float]:
    """Seconds of a call, of its signatures, of its statement; medians."""
    system = replace(city.system, cores=Cores(1))
    server = GatewayServer(system)
    figures = []
    for _ in range(runs + 1):
        called, bare = await maker.make(TRADES), await maker.make(TRADES)
        body = request(city, called)
        figures.append((await ours(server, body), await signatures(system, bare), await statement(system, bare)))
    whole, verified, stored = (statistics.median(column) for column in zip(*figures[1:], strict=True))
    return whole, verified, stored


async def main(records: int, runs: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        async with open_city(Path(folder) / "city", "127.0.0.1", 0, now) as city:
            maker = Rides(city)
            found = await spread(city.system, await maker.make(records), runs)
            whole, verified, stored = await settle(city, maker, runs)
    ratio = whole / (verified + stored)
    efficiency = found.limit / found.ours
    print(
        f"records checked on all cores: {records / found.ours:,.0f} a second, {found.alone / found.ours:.2f} times one"
        f" process, efficiency {efficiency:.2f}, limit {EFFICIENCY_MIN}"
    )
    print(
        f"a settle call of {TRADES} trades: {whole * 1e3:.1f} ms, its signatures {verified * 1e3:.1f} ms,"
        f" its statement {stored * 1e3:.1f} ms, ratio {ratio:.2f}, limit {SETTLE_MAX}"
    )
    return efficiency >= EFFICIENCY_MIN and ratio <= SETTLE_MAX


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    sys.exit(0 if asyncio.run(main(asked.records, asked.runs)) else 1)
