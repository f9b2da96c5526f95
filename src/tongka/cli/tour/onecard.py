"""The chapter of the OneCard interface: the same cards, orders and books, over another partner's messages."""

import secrets

from tongka.card.commands import CommandKind
from tongka.cli.tour.stage import Stage, TourFailed
from tongka.partners.linkage.client import LoadInterrupted, OneCard, Payment
from tongka.sandbox.card.power import BEFORE


def desk(stage: Stage) -> OneCard:
    """The client of section `linkage`."""
    return OneCard.of_section(stage.document["linkage"], http=stage.http())


async def onecard(stage: Stage) -> None:
    """A OneCard partner tops cards up too; a load that breaks is rewritten."""
    stage.chapter("Another partner tops up over an interface of its own, OneCard")
    card = stage.card(enabled=True, least_fen=1, most_fen=30_000)
    before = card.balance_fen
    async with desk(stage) as office:
        await office.from_prepaid(card, 500)
        stage.expect(card.balance_fen == before + 500, f"5 yuan from the merchant's prepaid account: {card.yuan}")
        scratched = stage.scratch_card()
        await office.redeem(card, scratched["Tac"])
        held = before + 500 + scratched["amount_fen"]
        stage.expect(card.balance_fen == held, f"a scratch card is redeemed, once and whole: {card.yuan}")
        card.card.switch.arm(BEFORE, kind=CommandKind.CREDIT_FOR_LOAD)
        payment = Payment(payment_id=secrets.token_hex(8).upper(), payer="tour")
        try:
            await office.top_up(card, 1_000, payment)
        except LoadInterrupted as broken:
            stage.say("A load paid by phone breaks off. There is no confirm here: the same trade is written again.")
            card.card.power_on()
            await office.resume(card, broken)
        else:
            raise TourFailed("the card was to be torn out, and was not")
        stage.expect(card.balance_fen == held + 1_000, f"rewritten, once on the card: {card.yuan}")
