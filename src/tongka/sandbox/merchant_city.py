"""The sandbox's merchant: fares, gates in a bus and in the metro, and their tokens; the same for the same seed."""

import hashlib
from importlib.resources import files
from typing import Any, Final

from tongka.fares import parse_fare_table
from tongka.journeys.gates import token_digest
from tongka.store import gates, trips
from tongka.store.gates import Gate
from tongka.system import System
from tongka.trips import GateRole

BUS, METRO = "192路", "地铁"
STATIONS: Final = ("太湖", "湖州站", "南浔", "织里")

GATES: Final = (
    Gate("BUS192-1", BUS, "", GateRole.SINGLE, "浙E·D0192"),
    Gate("BUS192-2", BUS, "", GateRole.SINGLE, "浙E·D0193"),
    *(Gate(f"METRO-{nth}-IN", METRO, station, GateRole.ENTRY) for nth, station in enumerate(STATIONS, 1)),
    *(Gate(f"METRO-{nth}-OUT", METRO, station, GateRole.EXIT) for nth, station in enumerate(STATIONS, 1)),
)

UPLOAD_PATH: Final = "/merchant/records"


def token(seed: bytes, gate: Gate) -> str:
    return hashlib.sha256(seed + b"gate " + gate.gate_id.encode()).hexdigest()


async def furnish(system: System, seed: bytes) -> None:
    """The rows that are not there yet: a city made before there were gates gets them now, others stay as they are."""
    database = system.database
    known = {gate.gate_id for gate in await gates.every(database)}
    new = [(gate, token_digest(token(seed, gate))) for gate in GATES if gate.gate_id not in known]
    await gates.save(database, new)
    if not await trips.fare_tables(database):
        text = files("tongka.sandbox").joinpath("fares.toml").read_text(encoding="utf-8")
        await trips.save_fare_table(database, parse_fare_table(text), text, system.clock())


def section(seed: bytes, base_url: str) -> dict[str, Any]:
    """`merchant` of sandbox.json."""
    return {
        "upload_url": f"{base_url}{UPLOAD_PATH}",
        "gates": [
            {
                "gate_id": gate.gate_id,
                "token": token(seed, gate),
                "service": gate.service,
                "station": gate.station,
                "role": gate.role,
            }
            for gate in GATES
        ],
    }
