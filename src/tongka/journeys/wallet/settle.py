"""Before anything else: what became of a command of this card that broke off, by the card's own word."""

from collections.abc import Iterable

from tongka.errors import Busy
from tongka.journeys import management
from tongka.journeys.call import Verdict
from tongka.journeys.wallet.program import Heard, LookAgain, Phase, Run, Said
from tongka.orders import OPEN, Kind, State
from tongka.store import orders
from tongka.store.orders import Order
from tongka.store.wallet import Standing

FOR_A_CLERK = "for_a_clerk"


def broken_off(standing: Iterable[Order]) -> Order | None:
    """The order whose command may be under way; a sale is the opening's own, and moves no value on the card."""
    return next((one for one in standing if one.state in OPEN and one.kind is not Kind.SALE), None)


async def ask(run: Run, order: Order, phase: str = "settle.told") -> Said:
    """Issue card management's script; `phase` reads what it brings."""
    if order.state is State.AUTHORISING:
        raise Busy(f"order {order.order_no} is being authorised")
    outcome = await run.ask(
        lambda call: management.request(call, order.card_no, order.order_no, order.amount_fen), order.institution
    )
    if outcome.verdict is Verdict.CREDITED:
        raise LookAgain
    run.program.order_no = order.order_no
    return run.send(phase, *outcome.commands)


async def told(run: Run, heard: Heard) -> Said:
    """Credited or not, the script goes on; what the card cannot tell is for people."""
    if await decide(run, heard) is Verdict.CLERK:
        return run.end(Standing.UNKNOWN, FOR_A_CLERK)
    raise LookAgain


async def decide(run: Run, heard: Heard) -> Verdict:
    """What card management comes to by the card's answers.

    Raises:
        LookAgain: the order is not open any more.
        TongkaError: whatever card management refuses them with.

    """
    order = await orders.by_number(run.system.database, run.program.order_no)
    if order is None or order.state not in {State.AUTHORISED, State.UNKNOWN, State.CONFIRMING, State.UNDECIDED}:
        raise LookAgain
    outcome = await run.ask(
        lambda call: management.confirm(call, order.card_no, order.order_no, order.amount_fen, lambda: heard.script),
        order.institution,
    )
    return outcome.verdict


PHASES: dict[str, Phase] = {"settle.told": told}
