"""Topping up a card in a phone: exactly the plastic card's commands and journey."""

from collections.abc import Mapping

from tongka.card import appendix_c
from tongka.card.apdu import StatusWord
from tongka.errors import CardError
from tongka.journeys import topup
from tongka.journeys.refusals import AlreadyCharged
from tongka.journeys.wallet.calls import TERMINAL
from tongka.journeys.wallet.program import Heard, LookAgain, Phase, Run, Said
from tongka.orders import DONE, WITHDRAWN
from tongka.store.orders import Order
from tongka.store.wallet import Standing

READ_15 = appendix_c.command("IDX_0004")


async def start(run: Run, standing: Mapping[str, Order]) -> Said:
    """SELECT, file 15, INIT FOR LOAD, unless the order is at its end."""
    order = standing[run.order.load_no]
    if order.state in DONE:
        return run.end(Standing.DONE)
    if order.state in WITHDRAWN:
        return run.end(Standing.CANCELLED)
    select, init = topup.init_commands(run.card, order.amount_fen, TERMINAL)
    return run.send("load.init", select, READ_15, init)


async def init(run: Run, heard: Heard) -> Said:
    """MAC1 is verified, and MAC2 committed before it leaves."""
    if heard.status(0) == StatusWord.FILE_NOT_FOUND:
        return await run.end_without_card()
    outcome = await run.ask(lambda call: topup.authorise(call, *_order(run), lambda: heard.script))
    return run.send("load.credit", *outcome.commands)


async def credit(run: Run, heard: Heard) -> Said:
    """The TAC decides; without one, card management does."""
    try:
        await run.ask(lambda call: topup.confirm(call, *_order(run), lambda: heard.script))
    except AlreadyCharged:
        pass
    except CardError as error:
        raise LookAgain from error
    return run.end(Standing.DONE)


def _order(run: Run) -> tuple[str, str, int]:
    """Card, number and amount, as journeys name an order."""
    return run.order.card_no, run.order.load_no, run.order.amount_fen


PHASES: dict[str, Phase] = {"load.init": init, "load.credit": credit}
