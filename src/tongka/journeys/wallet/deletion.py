"""Deleting a card in a phone: the balance is purchased away as a good card's return, then the instance goes.

Deleting is what cannot be undone, so it comes last: only when the books say that the card is returned, by the TAC of
the debit or by the card's own proof that it is empty.
"""

from collections.abc import Mapping

from tongka.card import appendix_c, commands
from tongka.card import global_platform as gp
from tongka.card.apdu import StatusWord
from tongka.card.purse import TERMINAL_LEN
from tongka.errors import CardAnswersMissing, CardError
from tongka.journeys import looks, return_card, topup
from tongka.journeys.call import Call
from tongka.journeys.debit import RETURNED, payout
from tongka.journeys.looks import KnownCard
from tongka.journeys.refusals import AlreadyCharged
from tongka.journeys.wallet import channel
from tongka.journeys.wallet.calls import TERMINAL
from tongka.journeys.wallet.channel import Presence
from tongka.journeys.wallet.program import Heard, LookAgain, Phase, Run, Said
from tongka.orders import Event, Kind
from tongka.store import orders, wallet
from tongka.store.orders import Order
from tongka.store.wallet import CardPlace, Standing

READ_15 = appendix_c.command("IDX_0004")
PAID_BACK_BY = "06"
"""Huzhou appendix E, other: whoever took the money for this card pays back what was on it."""


async def start(run: Run, _: Mapping[str, Order]) -> Said:
    """A returned card is only removed; another is asked what it holds."""
    card = run.card
    if card.row.status == RETURNED:
        return await channel.begin(run, "delete.remove")
    run.program.challenge = run.system.random(TERMINAL_LEN)
    return run.send(
        "delete.look",
        commands.select_purse(card.profile.aid),
        READ_15,
        commands.init_for_load(0, run.program.challenge),
        *channel.who(run),
    )


async def look(run: Run, heard: Heard) -> Said:
    """The balance that the card vouches for decides whether there is something to debit."""
    heard = channel.meet(run, heard)
    card = run.card
    if heard.status(0) == StatusWord.FILE_NOT_FOUND:
        return await run.end_without_card()
    reading = looks.read_same_card(heard.script, card)
    init = reading.init
    if init is None or init.terminal != run.program.challenge:
        raise CardAnswersMissing("the answer to INIT FOR LOAD is missing")
    await topup.verify_mac1(run.call, card, init)
    if init.balance == 0:
        await run.ask(lambda call: _return_empty(call, card))
        return await channel.begin(run, "delete.remove")
    purchase = commands.init_for_purchase(init.balance, TERMINAL)
    return run.send("delete.debit", commands.select_purse(card.profile.aid), READ_15, purchase)


async def _return_empty(call: Call, card: KnownCard) -> bytes:
    """A card that has proved to be empty is returned by the books alone: there is no debit to wait for."""
    order = topup.new_order(call, Kind.RETURN, card.card_no, 0, PAID_BACK_BY)
    order = order.changed(reference=order.order_no, return_type=return_card.GOOD)
    await orders.create(call.system.database, order, call.actor)
    parts = payout(card.row.deposit_fen, order) | {"changes": {"closed_by": "mac1"}}
    return await call.move(order, Event.WAITED, call.outcome(order=order), **parts)


async def debit(run: Run, heard: Heard) -> Said:
    wanted = return_card.Return(
        card_no=run.order.card_no,
        return_type=return_card.GOOD,
        balance_fen=None,
        customer=None,
        payment_method=PAID_BACK_BY,
    )
    outcome = await run.ask(lambda call: return_card.apply(call, wanted, lambda: heard.script))
    run.program.order_no = outcome.order.order_no if outcome.order else ""
    return run.send("delete.debited", *outcome.commands)


async def debited(run: Run, heard: Heard) -> Said:
    """The TAC of the debit; without one, card management decides."""
    number = run.program.order_no
    try:
        await run.ask(lambda call: return_card.confirm(call, run.order.card_no, number, number, lambda _: heard.script))
    except AlreadyCharged:
        pass
    except CardError as error:
        raise LookAgain from error
    return await channel.begin(run, "delete.remove")


async def remove(run: Run, heard: Heard) -> Said:
    """DELETE the instance, where it still is; one that another card was opened as is that card's."""
    card = run.card
    if channel.presence(run, heard) is Presence.ABSENT or await run.displaced():
        return await _gone(run)
    return channel.send(run, "delete.removed", gp.delete(card.profile.aid))


async def removed(run: Run, heard: Heard) -> Said:
    if not heard.all_ok and heard.status(0) not in channel.ABSENT:
        raise LookAgain
    return await _gone(run)


async def _gone(run: Run) -> Said:
    await wallet.place_card(run.system.database, run.order.card_no, CardPlace.GONE, run.element.se_id)
    return run.end(Standing.DONE)


PHASES: dict[str, Phase] = {
    "delete.look": look,
    "delete.debit": debit,
    "delete.debited": debited,
    "delete.remove": remove,
    "delete.removed": removed,
}
