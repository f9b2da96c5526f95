"""What a card's own word proves of a return that broke off before its debit."""

from dataclasses import replace

import pytest

from raw_front import Front
from tongka.card.apdu import send
from tongka.card.appendix_c import command
from tongka.card.commands import init_for_purchase
from tongka.partners.huzhou.client import BEFORE_RETURN
from tongka.partners.huzhou.serve import CardFrontServer
from tongka.settings import City, Settings


def script(card, sent) -> dict:
    answers = [card.transmit(bytes.fromhex(one)).hex for one in sent]
    return {"apdunum": str(len(sent)), "apdulist": ",".join(sent), "apduresp": ",".join(answers)}


@pytest.mark.parametrize(("shared", "result"), [(False, "000152"), (True, "000155")])
async def test_money_on_the_card_says_that_the_debit_has_not_run_unless_others_load_it_too(world, shared, result):
    """Another platform's load after the debit would look the same."""
    system = replace(world.system, settings=Settings(city=City(shared_load_keys=shared)))
    world.app = CardFrontServer(system)
    front, card = Front(world), await world.card()
    init = init_for_purchase(card.image.balance_fen, bytes.fromhex("000090000001")).without_le()
    entries = ",".join(send(card, each).hex for each in (*map(command, BEFORE_RETURN), init))
    asked = {"cardno": card.image.card_no, "returntype": "0", "cardbal": str(card.image.balance_fen),
             "apdunum": "3", "apdulist": entries}  # fmt: skip
    given = (await front.ask("cardReturnApply", asked))["data"]
    order = {"cardno": card.image.card_no, "orderno": given["orderno"], "chargetype": "01", "paytype": "01",
             "txnamt": str(card.image.balance_fen)}  # fmt: skip
    managed = await front.ask("chargeOrderManageRequest", order)
    ran = script(card, managed["data"]["apdulist"].split(","))
    assert (await front.ask("chargeOrderManageConfirm", order | ran))["result"] == result
    await world.books()
