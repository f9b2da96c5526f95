"""What a card says, beside what our books say of it."""

from dataclasses import dataclass

from tongka.card.apdu import describe
from tongka.card.commands import CommandKind
from tongka.card.reading import CardReading, understand
from tongka.card.script import Script
from tongka.errors import CardError
from tongka.journeys import looks
from tongka.journeys.call import Call
from tongka.journeys.looks import NORMAL, KnownCard
from tongka.journeys.refusals import CardReportedError

EXPIRED = "04"


@dataclass(frozen=True, slots=True)
class CardFacts:
    """The answer of a card query."""

    card: KnownCard
    reading: CardReading
    balance_fen: int
    status: str


async def query(call: Call, script: Script) -> bytes:
    """Understand the answers; file 15 and the balance are enough."""
    selected = looks.answer_to(script, CommandKind.SELECT)
    if selected and not selected.ok:
        raise CardReportedError(f"SELECT answered {describe(selected.sw)}")
    reading = understand(script)
    if reading.balance is None and reading.init is None:
        looks.require_all_ok(script)
        raise CardError("the balance is not among the card's answers; run GET BALANCE")
    card = await looks.known_card(call, reading.profile.card_no(reading.file15))
    balance = reading.balance if reading.balance is not None else reading.init.balance  # type: ignore[union-attr]
    expired = reading.file15.valid_to is not None and reading.file15.expired(call.day)
    status = EXPIRED if expired and card.row.status == NORMAL else card.row.status
    return await call.answer(call.outcome(detail=CardFacts(card, reading, balance, status)), "card query")
