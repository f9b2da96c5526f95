"""Settled trips that their riders are still to be told of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tongka.store.db import Database

NEWS_FOR = timedelta(days=7)
"""What nobody could tell for longer than this, a channel not being named yet, is told no more."""


@dataclass(frozen=True, slots=True)
class TripReport:
    """A settled trip; `prepaid` if a card of ours paid it. `attempts` counts this one too."""

    user_id: str
    out_trade_no: str
    attempts: int
    card_type: str
    card_no: str
    prepaid: bool
    amount_fen: int
    subject: str
    started_at: datetime
    service: str
    fare_version: str
    vehicle: str
    first_gate: str
    first_station: str
    last_gate: str
    last_station: str
    ended_at: datetime | None


_CLAIM = """
WITH claimed AS (
    UPDATE trip_report SET report_at = $2, attempts = attempts + 1
    WHERE (user_id, out_trade_no) IN (
        SELECT user_id, out_trade_no FROM trip_report WHERE report_at <= $1 AND report_at > $1 - $4::interval
        ORDER BY report_at LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING user_id, out_trade_no, attempts
)
SELECT c.user_id, c.out_trade_no, c.attempts, t.card_type, t.card_no,
       EXISTS (SELECT FROM prepaid_card p WHERE p.user_id = t.user_id AND p.card_no = t.card_no
               AND t.card_type IN (p.card_type, '')) AS prepaid,
       t.amount_fen, t.subject, t.started_at, t.service, t.fare_version, f.vehicle,
       t.first_gate, f.station AS first_station,
       t.last_gate, coalesce(l.station, '') AS last_station, l.at AS ended_at
FROM claimed c JOIN trip t USING (user_id, out_trade_no)
JOIN tap f ON f.user_id = t.user_id AND f.gate_id = t.first_gate AND f.record_id = t.first_record
LEFT JOIN tap l ON l.user_id = t.user_id AND l.gate_id = t.last_gate AND l.record_id = t.last_record
ORDER BY c.user_id, t.started_at
"""

_MOVE = """
UPDATE trip_report SET report_at = $3, told_at = $4, error = $5
WHERE (user_id, out_trade_no) IN (SELECT $1, unnest($2::text[])) AND told_at IS NULL
"""


async def claim(database: Database, now: datetime, lease_s: int, limit: int) -> list[TripReport]:
    """Trips that are to be told of, by rider and time; nobody else gets them for `lease_s`."""
    rows = await database.fetch(_CLAIM, now, now + timedelta(seconds=lease_s), limit, NEWS_FOR)
    return [TripReport(**row) for row in rows]


async def told(database: Database, trips: Sequence[TripReport], at: datetime) -> None:
    """The gateway has taken these trips of one rider."""
    await _move(database, trips, None, at, "")


async def not_told(database: Database, trips: Sequence[TripReport], again_at: datetime | None, error: str) -> None:
    """It has not; tell it again then, or (None) never."""
    await _move(database, trips, again_at, None, error)


async def _move(
    database: Database, trips: Sequence[TripReport], again_at: datetime | None, told_at: datetime | None, error: str
) -> None:
    numbers = [trip.out_trade_no for trip in trips]
    await database.execute(_MOVE, trips[0].user_id, numbers, again_at, told_at, error[:256])
