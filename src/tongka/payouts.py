"""Which payments of a card are refunded to pay out what was on it. Pure; `journeys.app.payout` carries it out.

A payment institution pays back only what it took, to whom it took it from. So the balance and the deposit of a deleted
card go back as refunds of the payments that were made for it, or for a card that was migrated to it: the latest first,
each up to what is left of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Refundable:
    """A payment of the card, or of one that was migrated to it.

    Attributes:
        left_fen: what was not refunded of it, and cannot come to be refunded otherwise.
        tried: so many payouts have drawn on it.

    """

    payment_no: str
    acquirer: str
    left_fen: int
    made_at: datetime
    tried: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """One refund, the nth of its payment."""

    payment_no: str
    acquirer: str
    amount_fen: int
    nth: int = 1


def plan(
    owed_fen: int, payments: Iterable[Refundable], windows: Mapping[str, timedelta], now: datetime
) -> tuple[Planned, ...]:
    """Refunds that come to `owed_fen`, or to less where the payments do not reach.

    `windows`: how long each institution refunds a payment; one that is not named refunds none.
    """
    planned = []
    for one in sorted(payments, key=lambda payment: (payment.made_at, payment.payment_no), reverse=True):
        window = windows.get(one.acquirer)
        amount_fen = min(owed_fen, one.left_fen)
        if window is None or now - one.made_at >= window or amount_fen <= 0:
            continue
        planned.append(Planned(one.payment_no, one.acquirer, amount_fen, one.tried + 1))
        owed_fen -= amount_fen
    return tuple(planned)
