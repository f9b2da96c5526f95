"""A mint of throw-away keys, the same for the whole run, and the vectors."""

import json
from pathlib import Path
from typing import Any

import pytest

from tongka.sandbox.mint import UPPER_HALF, Mint

VECTORS = Path(__file__).parents[1] / "vectors" / "ridecode.json"


@pytest.fixture(scope="session")
def mint() -> Mint:
    return Mint(b"tests of ride codes".ljust(32, b"\0"), UPPER_HALF)


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    return json.loads(VECTORS.read_text(encoding="utf-8"))
