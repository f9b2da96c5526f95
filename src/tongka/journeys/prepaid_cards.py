"""Prepaid virtual cards of ours as a merchant (Alipay 3.1.1, 3.2.1.2): issued, supplied, ridden with, given back.

A ride is charged to the card in our books and not to the rider's account at the gateway, once the gateway has verified
its records (record.verify). Each change of balance or state is told to the gateway (virtualcard.send), whose code page
shows it. A card without money, or with rides that wait for it, is CARD_OVERDUE and makes no codes until money comes.
One that is given back is CARD_REVOKING for as long as rides may come in; then it is REVOKEd, and what it holds is to be
paid out.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Final, Protocol

from tongka.errors import Failed, Refused, Unknown
from tongka.journeys.trades import pause
from tongka.store import prepaid_cards, riders, trades
from tongka.store.prepaid_cards import CardNews
from tongka.store.riders import RiderUnknown
from tongka.store.stamp import Stamp
from tongka.store.trades import Trade, Verdict
from tongka.system import System
from tongka.trips import TradeEvent

AT_ONCE: Final = 50
LEASE_S: Final = 120
SHORT_PAUSE: Final = timedelta(hours=1)
"""A supply tries the rides that wait for it at once; this is for what slipped through."""


class NotPrepaid(Refused):
    """The card type is not registered as prepaid."""

    code = "not_prepaid"


class CardGateway(Protocol):
    """The gateway as the issuer of cards needs it. Raises Refused, Failed (nothing was done) or Unknown."""

    async def verify(self, record: bytes) -> None: ...

    async def tell(self, news: CardNews) -> None: ...


OpenCardGateway = Callable[[], AbstractAsyncContextManager[CardGateway]]


async def issue(system: System, card_type: str, card_no: str, user_id: str, stamp: Stamp) -> None:
    """A card for a rider; the gateway hears of it by the worker.

    Raises:
        NotPrepaid: not a registered prepaid type.
        RiderUnknown: no such rider.
        PrepaidCardTaken: as `store.prepaid_cards.issue`.

    """
    kind = (await riders.card_types(system.database)).get(card_type)
    if kind is None or not kind.prepaid:
        raise NotPrepaid(f"card_type: {card_type} is not a registered prepaid type")
    if await riders.find(system.database, user_id) is None:
        raise RiderUnknown
    await prepaid_cards.issue(system.database, card_type, card_no, user_id, stamp)


async def give_back(system: System, card_type: str, card_no: str, stamp: Stamp) -> None:
    """No codes from now on; it ends when rides can no longer be settled.

    Raises:
        PrepaidCardUnknown: there is none, or it was given back.

    """
    ends_at = stamp.at + timedelta(days=system.settings.rides.settle_within_days)
    await prepaid_cards.revoke(system.database, card_type, card_no, ends_at, stamp)


# --- jobs of the worker -----------------------------------------------------------------------------------------------


async def charge_due(system: System, open_gateway: OpenCardGateway) -> int:
    """Charge the trips of prepaid cards that are due; how many were."""
    due = await trades.claim(system.database, system.clock(), LEASE_S, AT_ONCE, prepaid=True)
    if not due:
        return 0
    async with open_gateway() as gateway:
        return sum([await _charge(system, gateway, trade) for trade in due])


async def _charge(system: System, gateway: CardGateway, trade: Trade) -> bool:
    try:
        await _verify(gateway, trade.records)
    except Refused as error:
        verdict = Verdict(trade, TradeEvent.REFUSED, error_code=error.code, message=str(error)[:256])
    except (Failed, Unknown) as error:  # asking uses nothing up, so nothing is in doubt
        again = system.clock() + pause(trade.attempts)
        verdict = Verdict(trade, TradeEvent.NOT_SENT, again, error_code=error.code, message=str(error)[:256])
    else:
        return await _take_from_card(system, trade)
    await trades.decide(system.database, [verdict], system.clock())
    return False


async def _verify(gateway: CardGateway, records: Iterable[bytes]) -> None:
    for record in records:
        await gateway.verify(record)


async def _take_from_card(system: System, trade: Trade) -> bool:
    now = system.clock()
    day = system.day(now)
    outcome = await prepaid_cards.charge(
        system.database, trade.user_id, trade.out_trade_no, at=now, day=day, again_at=now + SHORT_PAUSE
    )
    return outcome == "settled"


async def tell_due(system: System, open_gateway: OpenCardGateway) -> int:
    """Tell the gateway what changed; how many cards it took."""
    news = await prepaid_cards.claim_news(system.database, system.clock(), LEASE_S, AT_ONCE)
    if not news:
        return 0
    async with open_gateway() as gateway:
        return sum([await _tell(system, gateway, one) for one in news])


async def _tell(system: System, gateway: CardGateway, news: CardNews) -> bool:
    try:
        await gateway.tell(news)
    except (Refused, Failed, Unknown) as error:
        again = system.clock() + pause(news.attempts)
        await prepaid_cards.not_told(system.database, news, again, str(error))
        return False
    await prepaid_cards.told(system.database, news, system.clock())
    return True


async def end_due(system: System) -> int:
    """End the cards that were given back long enough ago."""
    now = system.clock()
    return await prepaid_cards.end_due(system.database, now, system.day(now), AT_ONCE)
