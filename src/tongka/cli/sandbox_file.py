"""What commands read in a sandbox.json."""

import json
from pathlib import Path
from typing import Any

from tongka.errors import Malformed

SECTIONS = ("alipay", "ride")


def load_sandbox(path: Path) -> dict[str, Any]:
    """A sandbox.json that has what rides need.

    Raises:
        Malformed: the file is another one, or of a city without rides.

    """
    try:
        city: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Malformed(str(path), f"is not a sandbox.json: {error}") from error
    for section in SECTIONS:
        if not isinstance(city, dict) or section not in city:
            raise Malformed(str(path), f"has no section {section!r}; it is there while `tongka sandbox` runs")
    return city
