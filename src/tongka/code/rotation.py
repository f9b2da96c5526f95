"""Which of the master keys signs, and which generation of each key is distributed. Pure, from the date alone.

One key of the set signs for a month, then the next, so that each comes round after two and a half years. A credential
is good for 30 days and its last record is settled a week later; after that its key is replaced by the next generation,
long before it signs again. Gates fetch the list every six months at most (Alipay 4.2.1.1), so whatever they meet is in
their list.
"""

from collections.abc import Iterator
from datetime import date
from typing import Final

from tongka.code.keys import MASTER_KEYS

PERIOD_DAYS: Final = 30
PERIODS_KEPT: Final = 2
"""How long after its period a key still verifies: one for the credentials, one for late settlement."""


def period_of(day: date) -> int:
    return day.toordinal() // PERIOD_DAYS


def generation(key_id: int, period: int) -> int:
    """The generation of a key that is distributed in a period."""
    return max(0, -((key_id + PERIODS_KEPT - period) // MASTER_KEYS))


def signing_key_id(period: int) -> int:
    """The key that signs new credentials in a period."""
    return period % MASTER_KEYS


def distributed(period: int) -> Iterator[tuple[int, int]]:
    """All keys of a period: id and generation."""
    return ((key_id, generation(key_id, period)) for key_id in range(MASTER_KEYS))
