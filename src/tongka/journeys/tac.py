"""What the card answered to the command that was released: the same questions for a load and for a return's debit.

Only a TAC that verifies says that the command has run. A status word is a hint for people, and a wrong TAC an alarm:
either leaves the order to card management (4).
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from tongka.card.apdu import Response
from tongka.card.commands import CommandKind
from tongka.card.script import Script
from tongka.errors import CardAnswersMissing, MacWrong
from tongka.journeys import looks
from tongka.journeys.call import Call
from tongka.journeys.looks import KnownCard
from tongka.journeys.refusals import CardReportedError, TacWrong, TooManyWrongMacs
from tongka.orders import RELEASED, Event
from tongka.store.orders import Order


def answer_to(script: Script, kind: CommandKind) -> Response:
    """What the card answered to the command.

    Raises:
        CardAnswersMissing: nothing.

    """
    answer = looks.answer_to(script, kind)
    if answer is None:
        raise CardAnswersMissing(f"the answer to {_name(kind)} is missing")
    return answer


async def reported_failed(call: Call, order: Order, kind: CommandKind, sw: int) -> bytes:
    """The answer to a status word instead of a TAC (000027): the result is unknown until the card itself vouches."""
    error = CardReportedError(f"{_name(kind)} answered {sw:04X}; run card management")
    if order.state in RELEASED:
        return await call.move(order, Event.REPORTED_FAILED, error, detail=f"{sw:04X}")
    raise error


async def refuse_wrong(
    call: Call, card: KnownCard, order: Order, verify: Callable[[], Awaitable[None]]
) -> bytes | None:
    """The answer to a TAC that does not verify (000043); None to one that does."""
    await looks.require_trusted(call, card)
    try:
        await verify()
    except MacWrong as error:
        wrong = TacWrong("the TAC does not verify; run card management")
        if order.state not in RELEASED:
            await looks.count_failure(call, card)
            raise wrong from error
        answer = await call.move(order, Event.TAC_WRONG, wrong, detail="ALARM: TAC wrong")
        with suppress(TooManyWrongMacs):  # counted once it has its answer: who lost a race to another looks again
            await looks.count_failure(call, card)
        return answer
    return None


def _name(kind: CommandKind) -> str:
    return kind.name.replace("_", " ")
