"""Rides are settled: records checked again in full, riders charged once for each code, debts booked.

A trade that was answered before is answered the same again; one whose rider was short is tried anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from tongka.days import ZONE
from tongka.errors import Failed, Unknown
from tongka.journeys import ride_keys
from tongka.settlement import (
    Asked,
    CheckedRecord,
    Conditions,
    Refusal,
    Trade,
    Why,
    check_records,
    refuse_checked,
    refuse_unasked,
    require_good,
)
from tongka.store import merchants, riders, rides
from tongka.store.rides import Candidate, Settled, Settling
from tongka.system import System

TRADE_NO_DIGITS: Final = 28


@dataclass(frozen=True, slots=True)
class Merchant:
    """Who settles, and where he is told of it (may be empty)."""

    app_id: str
    notify_url: str = ""


async def settle(system: System, merchant: Merchant, trades: Sequence[Trade]) -> list[Settled]:
    """Settle a list of trades; the results in its order. Never raises for one trade's sake."""
    now = system.clock()
    retry_at = now + timedelta(seconds=system.settings.rides.retry_after_s)
    day = system.day(now)
    call = Settling(merchant.app_id, now, day, retry_at, merchant.notify_url)
    try:
        return await rides.settle(system.database, call, await candidates(system, merchant.app_id, trades, now))
    except (Failed, Unknown) as error:
        lost = Refusal(Why.NOT_KNOWN, str(error))
        return [Settled("", lost, retry_at) for _ in trades]


async def candidates(system: System, app_id: str, trades: Sequence[Trade], now: datetime) -> list[Candidate]:
    """Trades with what their records say, ready for the books."""
    sellers = await merchants.sellers(system.database, app_id)
    early = [refuse_unasked(trade, now, _longest(system), sellers) for trade in trades]
    asked = [
        (record, trade.amount_fen)
        for trade, refusal in zip(trades, early, strict=True)
        if refusal is None
        for record in trade.records
    ]
    found = await _checked(system, asked, now)
    return [
        Candidate(trade, _trade_no(system, now), refusal=refusal) if refusal else _candidate(system, trade, found, now)
        for trade, refusal in zip(trades, early, strict=True)
    ]


async def _checked(system: System, asked: Sequence[Asked], now: datetime) -> Mapping[Asked, CheckedRecord | Refusal]:
    """Each record looked at once, on all cores."""
    distinct = list(dict.fromkeys(asked))
    against = await conditions(system, now)
    found = await system.cores.map(partial(check_records, against), distinct)
    return dict(zip(distinct, found, strict=True))


def _candidate(
    system: System, trade: Trade, found: Mapping[Asked, CheckedRecord | Refusal], now: datetime
) -> Candidate:
    said = [found[record, trade.amount_fen] for record in trade.records]
    records = [one for one in said if isinstance(one, CheckedRecord)]
    return Candidate(trade, _trade_no(system, now), records, refuse_checked(trade, said, now, _longest(system)))


def _longest(system: System) -> timedelta:
    return timedelta(days=system.settings.rides.settle_within_days)


async def conditions(system: System, now: datetime) -> Conditions:
    """What records are held against at a moment."""
    keys = await ride_keys.key_list(system, now)
    known = await riders.card_types(system.database)
    return Conditions(keys.to_json(), frozenset(known), int(now.timestamp()))


def _trade_no(system: System, now: datetime) -> str:
    """28 digits, as the document's example has: the day, and 20 random ones."""
    drawn = int.from_bytes(system.random(10), "big") % 10 ** (TRADE_NO_DIGITS - 8)
    return f"{now.astimezone(ZONE):%Y%m%d}{drawn:0{TRADE_NO_DIGITS - 8}}"


async def verify(system: System, app_id: str, record: str) -> None:
    """Check a record; nothing is settled or used up.

    Raises:
        Refused: what is wrong with it, or that its code or itself was settled before.

    """
    checked = require_good(record, await conditions(system, system.clock()))
    await rides.require_unsettled(system.database, app_id, checked)
