"""Which payments of a card are refunded to pay out what was on it. Pure; `journeys.app.payout` carries it out.

A payment institution pays back only what it took, to whom it took it from. So the balance and the deposit of a deleted
card go back as refunds of the payments that were made for it: the latest first, each up to what is left of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Refundable:
    """A payment of the card.

    Attributes:
        left_fen: what was not refunded of it, and cannot come to be refunded otherwise.

    """

    payment_no: str
    acquirer: str
    left_fen: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """One refund."""

    payment_no: str
    acquirer: str
    amount_fen: int


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
        planned.append(Planned(one.payment_no, one.acquirer, amount_fen))
        owed_fen -= amount_fen
    return tuple(planned)
