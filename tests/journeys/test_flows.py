"""The flows of chapter 3 that are more than one top-up at one place, message by message; others: `test_topup`."""

import pytest

from raw_front import CONFIRM, CREATE, REQUEST, Front, an_order
from tongka.store import parties
from tongka.store.parties import Party, Role

QUERY = "chargeOrderQuery"


@pytest.fixture
def front(world) -> Front:
    return Front(world)


def run(card, commands: str) -> dict[str, str]:
    """Run a script on the card: `apdunum`, `apdulist` and `apduresp` of the next message."""
    sent = commands.split(",")
    answers = [card.transmit(bytes.fromhex(one)).hex for one in sent]
    return {"apdunum": str(len(sent)), "apdulist": commands, "apduresp": ",".join(answers)}


async def asked(front, name, data, **envelope):
    answer = await front.ask(name, data, **envelope)
    assert answer["result"] == "000000", answer
    return answer.get("data")


async def query(front, card, **envelope):
    wanted = {"cardno": card.image.card_no, "recnumperpage": "20", "currpage": "1", "orderby": "0"}
    return (await asked(front, QUERY, wanted, **envelope))["orderlist"]


async def test_a_rider_orders_at_home_and_loads_when_he_comes_to_a_reader(front, world):
    """3.2: ordered and paid in the app; days later the app lists the order and writes it on the card."""
    card = await world.card()
    created = await asked(front, CREATE, an_order(card, "2500"))
    [listed] = await query(front, card)
    assert (listed["orderno"], listed["orderstate"], listed["orderamt"]) == (created["orderno"], "1", "2500")
    assert (listed["paystate"], listed["ordertype"], listed["paytype"]) == ("1", "40", "02")

    world.pass_time(days=2)
    later = {"reqdate": "20260304"}
    again = await asked(front, CREATE, an_order(card, "2500"), **later)  # the same payment: fresh commands
    assert again["orderno"] == listed["orderno"]
    order = an_order(card, "2500") | {"orderno": listed["orderno"]}
    charge = await asked(front, REQUEST, order | run(card, again["apdulist"]), **later)
    done = await asked(front, CONFIRM, order | run(card, charge["apdulist"]), **later)
    assert (done["txndate"], done["settdate"]) == ("20260304", "20260302")  # settled as it was paid
    assert card.image.balance_fen == 7_500
    assert [row["orderstate"] for row in await query(front, card, **later)] == ["5"]
    await world.books()


async def test_a_top_up_machine_takes_cash(front, world):
    """3.3: a machine reads the card, takes a bank note, and loads; its order is of the machines' type."""
    await parties.save(world.database, Party(Role.CHANNEL, "52", "metro TVM"))
    await world.system.parties.refresh()
    card = await world.card()
    script = "00A4040008A000000632010105,00B0950000,805C000204"
    seen = await asked(front, "cardInfoQuery", run(card, script), chnlid="52")
    assert (seen["cardno"], seen["cardbal"], seen["initflag"]) == (card.image.card_no, "5000", "01")

    cash = {"cardno": seen["cardno"], "chargetype": "01", "paytype": "01", "txnamt": "5000"}
    created = await asked(front, CREATE, cash, chnlid="52")
    order = cash | {"orderno": created["orderno"]}
    charge = await asked(front, REQUEST, order | run(card, created["apdulist"]), chnlid="52")
    await asked(front, CONFIRM, order | run(card, charge["apdulist"]), chnlid="52")
    assert card.image.balance_fen == 10_000
    [listed] = await query(front, card)
    assert (listed["ordertype"], listed["chnlid"], listed["paytype"]) == ("50", "52", "01")
    await world.books()
