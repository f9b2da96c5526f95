"""What gates are given, signed and versioned: the blacklist of riders, and what they verify codes with."""

import hashlib
import json
from dataclasses import dataclass

from tongka.code.blacklist import Blacklist
from tongka.code.gate_keys import GateKeys
from tongka.code.signed_list import with_sign
from tongka.journeys import ride_keys
from tongka.store import gates, riders
from tongka.system import System

ENDPOINT = "gates"
"""The name of the signing key whose public half gates carry."""


@dataclass(frozen=True, slots=True)
class Document:
    """A signed list, and its version."""

    version: int
    contents: bytes


async def blacklist(system: System) -> Document:
    """The riders who are not let through, as of now (`tongka.code.blacklist`)."""
    listed = await riders.blacklist(system.database)
    text = Blacklist(listed.version, int(listed.at.timestamp()), listed.user_ids).to_sign()
    return await _signed(system, listed.version, text)


async def keys(system: System) -> Document:
    """Keys and card types as of now (`tongka.code.gate_keys`)."""
    now = system.clock()
    listed = GateKeys(0, 0, await ride_keys.key_list(system, now), list(await riders.card_types(system.database)))
    digest = hashlib.sha256(json.dumps(listed.contents, ensure_ascii=False).encode()).digest()
    version, since = await gates.keys_version(system.database, digest, now)
    text = GateKeys(version, int(since.timestamp()), listed.keys, listed.card_types).to_sign()
    return await _signed(system, version, text)


async def _signed(system: System, version: int, text: bytes) -> Document:
    return Document(version, with_sign(text, await system.hsm.sign(ENDPOINT, text)))
