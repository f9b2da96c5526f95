"""Card management (订单管理): what became of a command that broke off, by the card's own word.

The script asks for three things: a fresh INIT whose terminal number is our challenge (its MAC1 vouches for the counter,
and kills every MAC2 under way), the proof of the transaction, and the log records for the clerk.
"""

from collections.abc import Callable
from contextlib import suppress

from tongka.card import appendix_c, commands
from tongka.card.apdu import Command
from tongka.card.commands import CommandKind, classify
from tongka.card.purse import TERMINAL_LEN, LoadInit, TransactionType
from tongka.card.reading import LOG_READS
from tongka.card.script import Script
from tongka.errors import Busy, CardAnswersMissing, MacWrong
from tongka.journeys import counter, looks, topup
from tongka.journeys.call import Call, Verdict
from tongka.journeys.debit import payout, verify_debit
from tongka.journeys.looks import KnownCard
from tongka.journeys.refusals import CardReportedError, OrderWithdrawn, StaleScript, TooManyWrongMacs
from tongka.orders import DONE, MANAGEABLE, WITHDRAWN, Event, Kind, MoveForbidden, State
from tongka.store.orders import Order
from tongka.system import System

PROOF_LEN = 8
CONCLUDED = {State.FAILED: Verdict.NOT_CREDITED, **dict.fromkeys(DONE, Verdict.CREDITED)}
"""What is known already is told again."""
PROOFS = {
    Kind.RETURN: TransactionType.EP_PURCHASE,
    Kind.TOPUP: TransactionType.EP_LOAD,
    Kind.UNLOAD: TransactionType.UNLOAD,  # cards keep none; the counter decides
}


async def request(call: Call, card_no: str, order_no: str, amount_fen: int) -> bytes:
    """Issue a fresh challenge and its script; an earlier script becomes stale."""
    order = await _manageable(call, card_no, order_no, amount_fen)
    if order.state in CONCLUDED:
        return await call.answer(call.outcome(order=order, verdict=CONCLUDED[order.state]), "manage")
    card = await looks.known_card(call, card_no)
    challenge = call.system.random(TERMINAL_LEN)
    changed = call.outcome(order=order, commands=script(card, order, challenge))
    return await call.move(order, Event.MANAGE, changed, changes={"challenge": challenge})


def script(card: KnownCard, order: Order, challenge: bytes) -> tuple[Command, ...]:
    """SELECT, file 15, INIT FOR LOAD of nothing, the proof, the log."""
    return (
        commands.select_purse(card.profile.aid).without_le(),
        appendix_c.command("IDX_0004"),
        commands.init_for_load(0, challenge).without_le(),
        commands.get_transaction_prove(PROOFS[order.kind], (order.pin_atc or 0) + 1),
        *(appendix_c.command(index) for index in LOG_READS),
    )


async def confirm(call: Call, card_no: str, order_no: str, amount_fen: int, ran: Callable[[], Script]) -> bytes:
    """Decide by the card's answers: credited, not credited, or for a clerk."""
    order = await _manageable(call, card_no, order_no, amount_fen)
    if order.state in CONCLUDED:
        return await call.answer(call.outcome(order=order, verdict=CONCLUDED[order.state]), "manage again")
    card = await looks.known_card(call, card_no)
    answers = ran()
    reading = looks.read_same_card(answers, card)
    if reading.init is None:  # a counter at its end, say; the proof of the last transaction is as good without
        if await _is_proved(call, card, order, answers):
            return await _proved(call, card, order)
        raise _no_init(answers)
    if order.challenge is None or reading.init.terminal != order.challenge:
        raise StaleScript("the answers belong to another script; run the latest one")
    await looks.require_trusted(call, card)
    await _verify_challenge(call, card, reading.init)
    return await _decide(call, card, order, answers, reading.init)


async def _manageable(call: Call, card_no: str, order_no: str, amount_fen: int) -> Order:
    order = await looks.order_at_hand(call, order_no, card_no, Kind.TOPUP, Kind.RETURN, Kind.UNLOAD)
    looks.require_amount(order, amount_fen)
    if order.state in WITHDRAWN:
        raise OrderWithdrawn(f"order {order_no} was cancelled")
    if order.state is State.AUTHORISING:
        raise Busy(f"order {order_no} is being authorised; ask again")
    if order.state not in (*MANAGEABLE, *CONCLUDED):
        raise MoveForbidden(f"order {order_no} has no command under way; there is nothing to manage")
    return order


def _no_init(answers: Script) -> Exception:
    answer = looks.answer_to(answers, CommandKind.INIT_FOR_LOAD)
    if answer is None:
        return CardAnswersMissing("the answer to INIT FOR LOAD is missing; run the whole script")
    return CardReportedError(f"INIT FOR LOAD answered {answer.sw:04X}; without it nothing can be decided")


async def _verify_challenge(call: Call, card: KnownCard, init: LoadInit) -> None:
    try:
        await call.system.hsm.verify_load(card.keys(init.key_version), init)
    except MacWrong:
        await looks.count_failure(call, card)
        raise


async def _decide(call: Call, card: KnownCard, order: Order, answers: Script, fresh: LoadInit) -> bytes:
    untouched = _is_untouched(call.system, order, fresh)
    if not (untouched and order.kind is Kind.RETURN) and await _is_proved(call, card, order, answers):
        return await _proved(call, card, order)
    if untouched:
        return await _conclude(call, order, Event.MANAGED_NOT_CREDITED, Verdict.NOT_CREDITED, pin_atc=None)
    if counter.overtaken(order, fresh) and not await counter.proves_nothing(call.system, order):
        changes = {"challenge": None, "closed_by": counter.CLOSED_BY}
        outcome = call.outcome(order=order, verdict=Verdict.CREDITED)
        return await call.move(order, Event.MANAGED_CREDITED, outcome, changes=changes, **counter.payout(order))
    return await _conclude(call, order, Event.MANAGED_UNDECIDED, Verdict.CLERK, evidence=_log(answers))


async def _proved(call: Call, card: KnownCard, order: Order) -> bytes:
    """E+."""
    parts = payout(card.row.deposit_fen, order) if order.kind is Kind.RETURN else {}
    changes = {"challenge": None, "closed_by": "tac"}
    outcome = call.outcome(order=order, verdict=Verdict.CREDITED)
    return await call.move(order, Event.MANAGED_CREDITED, outcome, changes=changes, **parts)


def _log(answers: Script) -> bytes:
    """The log records for the clerk, newest first."""
    return b"".join(
        answer.data for command, answer in answers if classify(command) is CommandKind.READ_RECORD and answer.ok
    )


async def _conclude(call: Call, order: Order, event: Event, verdict: Verdict, **changes: object) -> bytes:
    """The challenge is used up with its decision."""
    outcome = call.outcome(order=order, verdict=verdict)
    return await call.move(order, event, outcome, changes={"challenge": None, **changes})


def _is_untouched(system: System, order: Order, fresh: LoadInit) -> bool:
    """E−. A load: the counter stands at the pin. A return: the balance is still there, which no one but us could load.

    A return empties the purse, and while its order is open the card gets no load; so money on the card, vouched for by
    a fresh MAC1, says that the debit has not run, and this INIT has killed its MAC1. Less than was to be debited is
    what rides have left of it; then GET TRANSACTION PROVE answers for the ride, and is not looked at. Where another
    platform loads with the same keys, the money may be its own, and says nothing.
    """
    if order.kind is Kind.RETURN:
        return 0 < fresh.balance <= order.amount_fen and not system.settings.city.shared_load_keys
    return fresh.online_atc == order.pin_atc


async def _is_proved(call: Call, card: KnownCard, order: Order, answers: Script) -> bool:
    """E+ from GET TRANSACTION PROVE, which answers MAC2‖TAC."""
    proof = looks.answer_to(answers, CommandKind.GET_TRANSACTION_PROVE)
    if order.kind is Kind.UNLOAD or proof is None or not proof.ok or len(proof.data) != PROOF_LEN:
        return False
    tac = proof.data[-topup.TAC_LEN :]
    try:
        if order.kind is Kind.RETURN:
            await verify_debit(call, card, order, tac)
        else:
            await topup.verify_tac(call.system, card, order, tac)
    except MacWrong:
        with suppress(TooManyWrongMacs):  # it goes on: the fresh MAC1 has verified
            await looks.count_failure(call, card)
        return False
    return True
