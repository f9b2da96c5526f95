"""A ring of keys for the vectors that go through an `Hsm`."""

import json
import os
from pathlib import Path

from tongka.crypto.pboc import Algorithm
from tongka.keys import Purpose
from tongka.keys.keyring import ENDPOINTS, GATEWAYS, KeyRing, MasterKey

VECTORS = Path(__file__).parents[1] / "vectors"
HSM = json.loads((VECTORS / "hsm.json").read_bytes())
PURSE = json.loads((VECTORS / "purse.json").read_bytes())
PBOC = json.loads((VECTORS / "pboc.json").read_bytes())
LABELS = {algorithm.label: algorithm for algorithm in Algorithm}

MASTERS = {purpose: bytes.fromhex(HSM["masters"][purpose.value]) for purpose in Purpose}


def _masters(profile, keys, algorithms=Algorithm, version=1):
    return {
        (f"{profile}-{algorithm.label}", purpose, version): MasterKey(algorithm, key)
        for purpose, key in keys.items()
        for algorithm in algorithms
    }


def make_ring() -> KeyRing:
    """Card types of the vector files: `hsm` diversified, `purse`, `published` and `sale` with the card's own keys."""
    empty = KeyRing.generate([], os.urandom).completed(os.urandom, ENDPOINTS, GATEWAYS)
    own = {Purpose(name): bytes.fromhex(key) for name, key in PURSE["keys"].items()}
    published = {Purpose.LOAD: bytes.fromhex(PURSE["published_load"]["load_key"])}
    sale = {Purpose.MAINTAIN: bytes.fromhex(PBOC["secure_mac"][0]["key"])}
    diversified = {
        (f"diversified-{case['algorithm']}", Purpose.LOAD, n): MasterKey(
            LABELS[case["algorithm"]], bytes.fromhex(case["master"])
        )
        for n, case in enumerate(PBOC["diversify"], 1)
    }
    return empty.with_masters(
        _masters("hsm", MASTERS)
        | _masters("hsm", {purpose: key[::-1] for purpose, key in MASTERS.items()}, version=2)
        | _masters("purse", own)
        | _masters("published", published, [Algorithm.TDES])
        | _masters("sale", sale)
        | diversified
    )
