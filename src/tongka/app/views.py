"""Orders as riders see them: the order's own state until it is submitted, the card's side from there on."""

from collections.abc import Mapping
from typing import Literal

from tongka.app.schemas import AppBusiness, CardView, OrderView, Part, Payout
from tongka.days import ZONE
from tongka.journeys.app.ordering import Standing
from tongka.payments import CARRIED_OUT
from tongka.store import payouts
from tongka.store.app import AppCard, AppState
from tongka.store.payouts import PayoutState
from tongka.store.wallet import Standing as CardSide

REFUNDED, ON_THE_CARD = "B", frozenset({"5", "8"})
"""How a withdrawn order's money may be at its end (Huzhou appendix G)."""
PAYOUT_STATES: Mapping[PayoutState, Literal["owed", "done"]] = {
    PayoutState.OWED: "owed",
    PayoutState.DONE: "done",
}
"""Those that end; every other is on its way."""


def state_of(standing: Standing) -> str:
    """One word for the rider."""
    order = standing.order
    if order.state is AppState.REFUNDING:
        return _withdrawn(standing)
    if order.state is not AppState.SUBMITTED or not standing.at_tsm:
        return order.state.value
    last = standing.at_tsm[-1]
    half_way = order.business == AppBusiness.MIGRATE and last.server_order_id.endswith(CARRIED_OUT)
    if last.state is CardSide.ACCEPTED:
        return AppState.SUBMITTED.value
    return CardSide.RUNNING.value if half_way and last.state is CardSide.DONE else last.state.value


def _withdrawn(standing: Standing) -> str:
    """What cost nothing is cancelled; of an opening whose card is in use, only the first top-up goes back: it is done.

    What comes back of a migration is on its way until its payout tells it.
    """
    money = set(standing.money)
    if not money:
        return AppState.CANCELLED.value
    untold = standing.order.business == AppBusiness.MIGRATE and standing.payout is None
    if untold or not money <= ON_THE_CARD | {REFUNDED}:
        return AppState.REFUNDING.value
    return AppState.REFUNDED.value if money == {REFUNDED} else CardSide.DONE.value


def order_view(standing: Standing) -> OrderView:
    order = standing.order
    last = standing.at_tsm[-1] if standing.at_tsm else None
    return OrderView(
        order_no=order.order_no,
        business=AppBusiness(order.business),
        state=state_of(standing),
        reason=order.reason or (last.reason if last else ""),
        server_order_id=last.server_order_id if last else "",
        session_id=last.session_id if last else "",
        issuer_id=order.issuer_id,
        device_id=order.device_id,
        to_device_id=order.to_device,
        card_no=order.card_no,
        amount_fen=order.amount_fen,
        deposit_fen=order.deposit_fen,
        price_fen=order.fee_fen,
        total_fen=order.total_fen,
        paid_back_fen=standing.paid_back_fen,
        payout=payout_view(standing.payout),
        result_code=order.result_code,
        created_at=order.created_at.astimezone(ZONE),
        parts=[
            Part(
                server_order_id=one.server_order_id,
                business=one.business.value,
                state=one.state.value,
                reason=one.reason,
                session_id=one.session_id,
            )
            for one in standing.at_tsm
        ],
    )


def payout_view(payout: payouts.Payout | None) -> Payout | None:
    """Nothing while a migration has it."""
    if payout is None or not payout.total_fen:
        return None
    state: Literal["sending", "owed", "done"] = PAYOUT_STATES.get(payout.state, "sending")
    return Payout(state=state, done_fen=payout.done_fen, owed_fen=payout.left_fen)


def card_view(card: AppCard, payout: payouts.Payout | None) -> CardView:
    """Of a payout that has not begun, nobody knows here whether a migration takes it."""
    begun = payout if payout and payout.state is not PayoutState.WAITING else None
    return CardView(
        card_no=card.card_no,
        issuer_id=card.issuer_id,
        device_id=card.device_id,
        place=card.place,
        status=card.status,
        deposit_fen=card.deposit_fen,
        payout=payout_view(begun),
    )
