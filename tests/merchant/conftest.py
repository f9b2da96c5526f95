"""A merchant with gates, and a gateway that says what the test wants; a real database, and codes that verify."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tongka.days import ZONE
from tongka.fares import parse_fare_table
from tongka.journeys.gates import read_journals, token_digest
from tongka.journeys.trades import Result, Settled, send_due
from tongka.journeys.trips import make_trips
from tongka.keys.keyfile import KeyRing
from tongka.keys.software import SoftwareHsm
from tongka.merchant import serve
from tongka.payments.vouched import Vouched
from tongka.sandbox.gate import SimulatedGate
from tongka.sandbox.mint import Mint
from tongka.settings import Merchant, Settings
from tongka.store import gates, trades, trips
from tongka.store.gates import Gate
from tongka.store.parties import Parties
from tongka.store.trades import Trade
from tongka.system import System

MORNING = datetime(2026, 3, 2, 8, 0, 0, tzinfo=ZONE)
URL = "http://127.0.0.1/merchant/records"

FARES = """
version = "2026-01"
valid_from = 2026-01-01

[caps]
day_fen = 1500

[[service]]
id = "bus-192"
name = "192路"
kind = "flat"
fare_fen = 200

[[service]]
id = "metro"
name = "地铁"
kind = "distance"
vehicle = "METRO"
max_ride_s = 7200
legs = [["A", "B", 4000], ["B", "C", 4000]]
bands = [{ up_to_m = 5000, fare_fen = 300 }, { fare_fen = 500 }]

[[transfer]]
from = ["bus-192"]
to = ["metro"]
within_s = 3600
discount_fen = 100
"""

GATES = {
    "bus1": Gate("bus1", "bus-192", "", "single", "沪A-12345"),
    "bus2": Gate("bus2", "bus-192", "", "single"),
    "inA": Gate("inA", "metro", "A", "entry"),
    "inB": Gate("inB", "metro", "B", "entry"),
    "outB": Gate("outB", "metro", "B", "exit"),
    "outC": Gate("outC", "metro", "C", "exit"),
}


@dataclass
class Scripted:
    """A gateway whose answers the test chooses: by out_trade_no, or an error for the whole call."""

    answers: dict[str, Settled] = field(default_factory=dict)
    error: Exception | None = None
    usual: Settled = field(default_factory=lambda: Settled(Result.SUCCESS, trade_no="T1"))
    asked: list[Sequence[Trade]] = field(default_factory=list)

    async def settle(self, trades: Sequence[Trade]) -> Mapping[str, Settled]:
        self.asked.append(trades)
        if self.error:
            raise self.error
        return {one.out_trade_no: self.answers.get(one.out_trade_no, self.usual) for one in trades}


@dataclass
class City:
    """The merchant's side in process."""

    system: System
    http: httpx.AsyncClient
    mint: Mint
    gates: dict[str, SimulatedGate]
    gateway: Scripted
    now: list[datetime]

    def pass_time(self, **much: float) -> None:
        self.now[0] += timedelta(**much)

    def seconds(self) -> int:
        return int(self.now[0].timestamp())

    def code(self, user_id: str = "2088000000000001") -> bytes:
        return self.mint.code(self.mint.credential(user_id, self.seconds()), self.seconds())

    def show(self, gate: str, user_id: str = "2088000000000001") -> str:
        """A fresh code, shown at a gate; the record."""
        return self.gates[gate].show(self.code(user_id)).record

    async def upload(self, *names: str) -> None:
        for name in names or self.gates:
            await self.gates[name].upload(self.http, URL)

    async def work(self) -> None:
        """One turn of each job."""
        await read_journals(self.system)
        await make_trips(self.system)

    async def settle_up(self) -> int:
        @asynccontextmanager
        async def opened():
            yield self.gateway

        return await send_due(self.system, opened)

    async def told(self) -> list[tuple[str, str, int, str]]:
        """The trips by time: user, kind, fen, state."""
        rows = sorted(await trades.listed(self.system.database, limit=1000), key=lambda row: row.started_at)
        return [(row.user_id[-1], row.kind, row.amount_fen, row.state) for row in rows]


@pytest.fixture(scope="session")
def mint() -> Mint:
    return Mint(b"the merchant's tests".ljust(32, b"\0"))


@pytest.fixture
async def city(serving_database, mint):
    database = serving_database
    now = [MORNING]
    system = System(
        settings=Settings(merchant=Merchant(patience_s=3600)),
        database=database,
        hsm=SoftwareHsm(
            KeyRing.generate([], secrets.token_bytes, ["gates"]).completed(secrets.token_bytes, ["gates"], [])
        ),
        payments=Vouched(),
        parties=await Parties.load(database),
        clock=lambda: now[0],
        random=secrets.token_bytes,
    )
    tokens = {name: secrets.token_urlsafe(32) for name in GATES}
    await gates.save(database, [(gate, token_digest(tokens[name])) for name, gate in GATES.items()])
    await trips.save_fare_table(database, parse_fare_table(FARES), FARES, MORNING)
    simulated = {
        name: SimulatedGate(name, tokens[name], gate.service, mint.keys(), lambda: int(now[0].timestamp()))
        for name, gate in GATES.items()
    }
    app = Starlette(routes=[Mount("/merchant", routes=serve.routes(system))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        yield City(system, http, mint, simulated, Scripted(), now)
