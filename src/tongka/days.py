"""The city's days: business dates are Asia/Shanghai, whatever the machine's zone is."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
MIDNIGHT = time(0, 0)


def business_date(when: datetime, day_cut: time = MIDNIGHT) -> date:
    """The settlement date of a moment (with its zone): from the day cut (日切) on, a moment belongs to the next day."""
    local = when.astimezone(ZONE)
    late = day_cut != MIDNIGHT and local.time() >= day_cut
    return local.date() + timedelta(days=late)
