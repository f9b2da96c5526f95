"""A card in a lost phone: blocked at once, paid out by the books when its rides are cleared, or in use again.

The block waits for nothing. The claim (a bad card's return) waits for whatever is undecided on the card, and pays what
the books have by then: a top-up that was out when the phone went is in it if it was credited, and refunded if not. The
card decides that if its phone is heard of again; if not, two people do in the end.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from tongka.journeys import looks, return_card
from tongka.journeys.call import Call
from tongka.journeys.debit import payout
from tongka.journeys.looks import NORMAL, KnownCard
from tongka.journeys.refusals import CardStateWrong
from tongka.journeys.return_card import BAD, LOST, Return
from tongka.orders import CHARGEABLE, Event, Kind
from tongka.store import cards, claims, ledger, orders
from tongka.store.orders import MovedMeanwhile, Order


async def report(call: Call, card_no: str, payment_method: str) -> Order:
    """Block the card; its claim, or the return whose debit is under way and which pays out by itself.

    Raises:
        CardStateWrong: blacklisted, expired, paid out already.

    """
    card = await looks.known_card(call, card_no)
    if card.row.status != LOST:
        looks.require_usable(card, call, sold=True)
    begun = await _claim_of(call, card_no)
    if begun and begun.return_type == BAD and begun.institution == call.actor:
        return begun
    if begun and begun.state not in CHARGEABLE:
        if card.row.status != LOST:
            await _turn(call, card, LOST)
        return begun
    if begun:  # as a good card's, and broken off before a command was released
        await call.move_on(begun, Event.CANCEL_UNPAID)
    claim = await return_card.new_claim(call, _ask(card_no, payment_method))
    await call.create(claim, call.outcome(order=claim), card_status=LOST)
    return claim


def _ask(card_no: str, payment_method: str) -> Return:
    return Return(card_no=card_no, return_type=BAD, balance_fen=None, customer=None, payment_method=payment_method)


async def take_back(call: Call, card_no: str) -> Order | None:
    """The card is there again: in use, and its claim closed. The claim, or the return under way; None without one.

    Raises:
        CardStateWrong: paid out, blacklisted, expired.

    """
    card = await looks.known_card(call, card_no)
    if card.row.status == NORMAL:  # taken back before
        return None
    if card.row.status != LOST:
        raise CardStateWrong(f"card {card_no} has status {card.row.status}; only a lost card can be found")
    begun = await _claim_of(call, card_no)
    if begun and begun.return_type == BAD:
        return await call.move_on(begun, Event.CANCEL_UNPAID, card={"status": NORMAL}, detail="found")
    await _turn(call, card, NORMAL)
    return begun


async def pay_out(call: Call, claim: Order) -> None:
    """End a claim whose waiting period is over: the balance of now, not that of the report, and the deposit."""
    card = await looks.known_card(call, claim.card_no)
    balance_fen = max(0, await ledger.card_balance(call.system.database, claim.card_no))
    claim = claim.changed(amount_fen=balance_fen)
    changes = {"closed_by": "books", "amount_fen": balance_fen}
    await call.move_on(claim, Event.WAITED, changes=changes, **payout(card.row.deposit_fen, claim))


async def due(call: Call, wait: timedelta, limit: int) -> list[Order]:
    """Claims to be paid out now: made long enough ago, and nothing of the card is undecided."""
    return await claims.due(call.system.database, call.actor, call.at - wait, limit)


async def hand_over(call: Call, wait: timedelta, limit: int) -> int:
    """What cards that stay lost leave undecided becomes the business of two people; how many orders.

    Decided that it did not run, a return is a claim like any other: it waits and pays by the books.
    """
    database = call.system.database
    given_up = await claims.unheard_of(database, call.at - wait, limit)
    for order in given_up:
        with suppress(MovedMeanwhile):  # heard of just now
            await call.move_on(order, Event.GIVEN_UP, changes={"challenge": None})
    for order in await claims.broken_off(database, call.actor, limit):
        with suppress(MovedMeanwhile):
            await report(call, order.card_no, order.payment_method)
    return len(given_up)


def due_at(claim: Order, reported_at: datetime, wait: timedelta) -> datetime:
    """When it is paid out at the earliest; a repeated report puts nothing off."""
    return (claim.created_at if claim.return_type == BAD else reported_at) + wait


async def _claim_of(call: Call, card_no: str) -> Order | None:
    return await orders.unfinished(call.system.database, card_no, Kind.RETURN)


async def _turn(call: Call, card: KnownCard, status: str) -> None:
    """Where no order moves with it.

    Raises:
        CardStateWrong: the card's status has changed meanwhile.

    """
    if not await cards.turn_status(call.system.database, card.card_no, (card.row.status, status), call.stamp):
        raise CardStateWrong(f"the status of card {card.card_no} has changed; look again")
