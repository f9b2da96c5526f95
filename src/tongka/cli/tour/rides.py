"""The chapter of codes: a rider takes the bus and the metro, the gates upload, and the gateway settles it."""

import asyncio
from datetime import datetime, timedelta
from time import monotonic, time
from typing import Any

import httpx

from tongka.cli.tour.stage import Stage, TourFailed
from tongka.code.keys import MasterKeys, master_keys
from tongka.code.reasons import CodeRefused
from tongka.days import ZONE
from tongka.money import format_yuan
from tongka.sandbox.gate import SimulatedGate

BUS, COPYING_BUS, METRO_IN, METRO_OUT = "BUS192-1", "BUS192-2", "METRO-1-IN", "METRO-3-OUT"
WAIT_S = 60
POLL_S = 0.3


async def ride(stage: Stage) -> None:
    """A bus, the metro, and somebody with a screenshot of the rider's code."""
    stage.chapter("A rider takes the bus and the metro with the code on his phone")
    user = stage.document["alipay"]["users"][0]
    async with stage.http() as http:
        since, gates = datetime.now(ZONE), _gates(stage)
        for gate in gates.values():
            await gate.join(http, stage.document["merchant"]["upload_url"])
        code = await _code(stage, http, user["user_id"])
        gates[BUS].show(code)
        stage.say(f"Bus 192: a code of {len(code)} bytes, verified without a network; the door opens.")
        _refuse_again(stage, gates[BUS], code)
        gates[COPYING_BUS].show(code)
        stage.say("A screenshot of the same code opens another bus: gates do not know of each other.")
        for name, what in ((METRO_IN, "into the metro at"), (METRO_OUT, "out of it at")):
            gates[name].show(await _code(stage, http, user["user_id"]))
            stage.say(f"A fresh code leads {what} {gates[name].subject.rpartition(' ')[2]}.")
            await asyncio.sleep(1)  # a later second than at the gate before
        for gate in gates.values():
            await gate.upload(http, stage.document["merchant"]["upload_url"])
        stage.say("In the evening all gates have uploaded their journals.")
        trips = await _settled(stage, http, user["user_id"], since)
    _tell(stage, trips)


def _gates(stage: Stage) -> dict[str, SimulatedGate]:
    """All gates of the city: trips are made when each has told its part."""
    keys: MasterKeys = master_keys(stage.document["ride"]["keys"])
    return {
        one["gate_id"]: SimulatedGate(
            gate_id=one["gate_id"],
            token=one["token"],
            subject=f"{one['service']} {one['station']}".strip(),
            keys=keys,
            clock=lambda: int(time()),
            journal=[],
        )
        for one in stage.document["merchant"]["gates"]
    }


async def _code(stage: Stage, http: httpx.AsyncClient, user_id: str) -> bytes:
    answer = await http.post(stage.document["ride"]["issue_url"], json={"user_id": user_id, "format": "alipay"})
    if answer.is_error:
        raise TourFailed(f"no code for {user_id}: {answer.text}")
    return bytes.fromhex(answer.json()["code"])


def _refuse_again(stage: Stage, gate: SimulatedGate, code: bytes) -> None:
    try:
        gate.show(code)
    except CodeRefused as refused:
        stage.expect(True, f"shown there again it stays shut: {refused.reason.name} ({refused.reason.value})")
    else:
        raise TourFailed("the same gate took one code twice")


async def _settled(stage: Stage, http: httpx.AsyncClient, user_id: str, since: datetime) -> list[dict[str, Any]]:
    """The rider's trips of this tour once each is decided, in the order in which they began."""
    until = monotonic() + WAIT_S
    while True:
        answer = await http.get(f"{stage.document['base_url']}/sandbox/trips", params={"user_id": user_id})
        trips = [one for one in answer.json()["trips"] if _began(one) >= since - timedelta(seconds=1)]
        if trips and all(one["state"] not in ("due", "unknown") for one in trips):
            return sorted(trips, key=_began)
        if monotonic() > until:
            raise TourFailed(f"the trips are not settled after {WAIT_S} s: {trips}")
        await asyncio.sleep(POLL_S)


def _began(trip: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(trip["started_at"])


def _tell(stage: Stage, trips: list[dict[str, Any]]) -> None:
    for one in trips:
        stage.say(
            f"{one['service']}, {one['kind']}: ¥{format_yuan(one['amount_fen'])}, {one['state']}, {one['trade_no']}"
        )
    stage.expect(
        all(one["state"] == "settled" for one in trips) and len({one["out_trade_no"] for one in trips}) == len(trips),
        "every trip is settled over the open gateway, the metro with the discount for changing",
    )
    buses = [one for one in trips if one["kind"] == "single"]
    stage.expect(len(buses) == 1, "the code that was shown on two buses is charged once")
