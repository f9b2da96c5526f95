"""Trades go out through a durable job: a trip stands in its table as due until the gateway has said yes or no.

A trade is sent again under the same number with the same contents for as long as its result is not known, never before
the time that the gateway named. So a worker may die anywhere: what was claimed is sent again when the lease is over,
and the gateway knows the number.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from tongka.errors import Failed, Refused, Unknown
from tongka.store import trades
from tongka.store.trades import Trade, Verdict
from tongka.system import System
from tongka.trips import TradeEvent

SEND_AT_ONCE = 100
"""Some 150 KiB, records and all."""
LEASE_S = 120
"""Longer than a call to the gateway may take, with its repeats."""

FIRST_PAUSE_S = 5
LONGEST_PAUSE_S = 3600


class Result(StrEnum):
    """What the gateway says of one trade (Alipay 4.2.3.7)."""

    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Settled:
    """One row of the gateway's answer."""

    result: Result
    need_retry: bool = False
    next_retry_time: datetime | None = None
    trade_no: str = ""
    error_code: str = ""
    message: str = ""


class Settlement(Protocol):
    """Where trades are settled. Raises Refused (all of them are refused as they stand), Failed (none was sent) or
    Unknown (some may have been).
    """

    async def settle(self, trades: Sequence[Trade]) -> Mapping[str, Settled]: ...


OpenSettlement = Callable[[], AbstractAsyncContextManager[Settlement]]


async def send_due(system: System, open_settlement: OpenSettlement) -> int:
    """Send what is due now; answers how many were settled."""
    settled = 0
    while due := await trades.claim(system.database, system.clock(), LEASE_S, SEND_AT_ONCE):
        async with open_settlement() as settlement:
            verdicts = await _send(system, settlement, due)
        await trades.decide(system.database, verdicts, system.clock())
        settled += sum(one.event is TradeEvent.SUCCESS for one in verdicts)
        if len(due) < SEND_AT_ONCE:
            break
    return settled


async def _send(system: System, settlement: Settlement, due: Sequence[Trade]) -> list[Verdict]:
    """Ask, and say of each trade what became of it; a call that failed as a whole says the same of all."""
    try:
        answers = await settlement.settle(due)
    except (Refused, Failed) as error:
        # The gateway refuses the call, not the trades (a wrong key, no right): nothing was sent as far as they go.
        return [_not_done(system, one, TradeEvent.NOT_SENT, error) for one in due]
    except Unknown as error:
        return [_not_done(system, one, TradeEvent.LOST, error) for one in due]
    return [verdict(system, one, answers.get(one.out_trade_no)) for one in due]


def _not_done(system: System, trade: Trade, event: TradeEvent, error: Refused | Failed | Unknown) -> Verdict:
    again = system.clock() + pause(trade.attempts)
    return Verdict(trade, event, next_try_at=again, error_code=error.code, message=str(error)[:256])


def verdict(system: System, trade: Trade, answer: Settled | None) -> Verdict:
    """What an answer means: a FAIL is final unless the gateway asks for a retry; UNKNOWN is always asked again."""
    if answer is None:
        return Verdict(trade, TradeEvent.LOST, next_try_at=system.clock() + pause(trade.attempts), message="no result")
    if answer.result is Result.SUCCESS:
        return Verdict(trade, TradeEvent.SUCCESS, trade_no=answer.trade_no, message=answer.message)
    if answer.result is Result.FAIL and not answer.need_retry:
        return Verdict(trade, TradeEvent.REFUSED, error_code=answer.error_code, message=answer.message)
    again = answer.next_retry_time or system.clock() + pause(trade.attempts)
    event = TradeEvent.LOST if answer.result is Result.UNKNOWN else TradeEvent.REFUSED_FOR_NOW
    return Verdict(trade, event, next_try_at=again, error_code=answer.error_code, message=answer.message)


def pause(attempts: int) -> timedelta:
    """How long to wait where the gateway names no time: doubled with each attempt, an hour at most."""
    return timedelta(seconds=min(FIRST_PAUSE_S << min(attempts - 1, 16), LONGEST_PAUSE_S))
