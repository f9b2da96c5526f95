"""The keys of ride codes as everybody needs them: the key list for verifying, names of keys for signing."""

from datetime import datetime
from typing import Final
from weakref import WeakKeyDictionary

from tongka.code import rotation
from tongka.code.keys import MasterKey, MasterKeys
from tongka.days import ZONE
from tongka.keys import Hsm, RideKey, RideKeyKind
from tongka.system import System

CA_INDEX: Final = 1
AUTHORITY: Final = RideKey(RideKeyKind.AUTHORITY)
ISSUER: Final = RideKey(RideKeyKind.ISSUER)

_lists: WeakKeyDictionary[Hsm, tuple[int, MasterKeys]] = WeakKeyDictionary()
"""The last list of each key store: its points are parsed once a month."""


async def key_list(system: System, at: datetime) -> MasterKeys:
    """What gates and settlement verify with at a moment: 32 master keys and the ministry's CA."""
    period = _period(at)
    held = _lists.get(system.hsm)
    if held is None or held[0] != period:
        held = _lists[system.hsm] = period, await _read(system.hsm, period)
    return held[1]


async def _read(hsm: Hsm, period: int) -> MasterKeys:
    masters = {
        key_id: MasterKey(await hsm.ride_public_key(master(key_id, generation)))
        for key_id, generation in rotation.distributed(period)
    }
    return MasterKeys(masters, {CA_INDEX: MasterKey(await hsm.ride_public_key(AUTHORITY))})


def signing_key(at: datetime) -> tuple[int, RideKey]:
    """The master key that signs new credentials at a moment, with its id."""
    period = _period(at)
    key_id = rotation.signing_key_id(period)
    return key_id, master(key_id, rotation.generation(key_id, period))


def master(key_id: int, generation: int) -> RideKey:
    return RideKey(RideKeyKind.MASTER, str(key_id), generation)


def _period(at: datetime) -> int:
    return rotation.period_of(at.astimezone(ZONE).date())
