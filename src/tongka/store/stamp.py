"""What every change of stored value is marked with."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Stamp:
    """When, on which business day, and by whom, for the audit."""

    at: datetime
    day: date
    actor: str
