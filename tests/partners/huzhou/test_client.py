"""The client's stories, with a software card before a card front that signs, and with accidents on the line."""

import json

import pytest
from msgspec import structs

from tongka.card.commands import CommandKind
from tongka.errors import CardGone, Failed, Unknown
from tongka.partners.huzhou import calls, messages
from tongka.partners.huzhou.calls import CardFrontRefused
from tongka.partners.huzhou.client import CardFront, Outcome, TopUpInterrupted
from tongka.partners.huzhou.fields import Customer
from tongka.sandbox.card.power import AFTER, BEFORE

TIMES = {"time": "093000", "date": "20260101", "settlement_date": "20260101"}
TOP_UP = ["cardInfoQuery", "chargeOrderCreate", "cardChargeRequest", "cardChargeConfirm"]


async def test_a_card_is_read(front, double):
    info = await front.read_card(double.card)
    assert (info.card_no, info.balance) == (double.card.image.card_no, "1000")


async def test_a_card_is_topped_up_and_confirmed(front, double):
    order = await front.top_up(double.card, 500, "P1")
    assert (order.order_no, order.amount_fen, order.payment_order) == ("O1", 500, "P1")
    assert double.card.image.balance_fen == 1_500
    assert double.credited
    assert double.done == TOP_UP


async def test_the_path_and_the_envelope_are_the_documents(front, double):
    await front.read_card(double.card)
    request, body = double.requests[0]
    assert request.url == "http://front.test/cardfront/cardInfoQuery/V1"
    assert list(json.loads(body))[-2:] == ["data", "sign"]


async def test_serials_never_repeat(front, double):
    for _ in range(20):
        await front.read_card(double.card)
    assert len(double.answers) == 20


@pytest.mark.parametrize("accident", ["lost", "answer lost", "forged", "refused", 500, 503, "endless"])
@pytest.mark.parametrize("step", range(4))
async def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(front, double, step, accident):
    double.accidents = [None] * step + [accident, accident]
    await front.top_up(double.card, 500, "P1")
    assert double.card.image.balance_fen == 1_500
    assert double.done == TOP_UP, "each step was done once"
    repeats = [body for _, body in double.requests[step : step + 3]]
    assert len(set(repeats)) == 1


async def test_a_card_front_out_of_reach_is_a_failure_and_nothing_was_done(front, double):
    double.accidents = ["refused"] * 3
    with pytest.raises(Failed, match="cannot be reached"):
        await front.read_card(double.card)


async def test_an_answer_that_never_comes_is_unknown(front, double):
    double.accidents = ["refused", "answer lost", "refused"]
    with pytest.raises(Unknown, match="no answer that verifies"):
        await front.read_card(double.card)


async def test_an_answer_of_another_key_is_thrown_away(front, double):
    double.accidents = ["forged"] * 3
    with pytest.raises(Unknown, match="does not verify"):
        await front.read_card(double.card)


@pytest.mark.parametrize("status", [400, 404, 405, 413, 302])
async def test_what_is_no_card_front_is_not_asked_again(front, double, status):
    double.accidents = [status]
    with pytest.raises(Failed, match=f"HTTP {status}"):
        await front.read_card(double.card)
    assert len(double.requests) == 1


async def test_a_refusal_carries_its_code_and_is_not_asked_again(front, double):
    with pytest.raises(CardFrontRefused) as refusal:
        await front.top_up(double.card, 500, "UNPAID")
    assert refusal.value.result == "000040"
    assert double.done == TOP_UP[:2]


async def test_a_wrong_mac1_passes_as_the_refusal_that_it_is(front, double):
    with pytest.raises(CardFrontRefused) as refusal:
        await front.top_up(WrongMac(double.card), 500, "P1")
    assert refusal.value.result == "000031"


class WrongMac:
    """A card whose MAC1 arrives changed."""

    def __init__(self, card):
        self.card = card

    def transmit(self, apdu):
        answer = self.card.transmit(apdu)
        return answer._replace(data=answer.data[:-1] + b"\0") if apdu[1] == 0x50 else answer


@pytest.mark.parametrize(
    ("kind", "point", "outcome", "balance"),
    [
        (CommandKind.INIT_FOR_LOAD, AFTER, None, 1_000),
        (CommandKind.CREDIT_FOR_LOAD, BEFORE, Outcome.NOT_CREDITED, 1_000),
        (CommandKind.CREDIT_FOR_LOAD, AFTER, Outcome.CREDITED, 1_500),
    ],
)
async def test_a_card_torn_out_is_recovered_by_what_it_says_itself(front, double, kind, point, outcome, balance):
    double.card.switch.arm(point, kind=kind)
    with pytest.raises(TopUpInterrupted) as broken:
        await front.top_up(double.card, 500, "P1")
    assert isinstance(broken.value.__cause__, CardGone)
    double.card.power_on()
    assert double.card.image.balance_fen == balance
    if outcome is not None:
        assert await front.recover(double.card, broken.value.order) is outcome


async def test_a_lost_confirm_is_recovered_although_it_arrived(front, double):
    double.accidents = [None] * 3 + ["answer lost"] * 3
    with pytest.raises(TopUpInterrupted) as broken:
        await front.top_up(double.card, 500, "P1")
    assert await front.recover(double.card, broken.value.order) is Outcome.CREDITED


async def test_mac2_that_never_arrived_is_recovered_as_not_credited(front, double):
    double.accidents = [None] * 2 + ["answer lost"] * 3
    with pytest.raises(TopUpInterrupted) as broken:
        await front.top_up(double.card, 500, "P1")
    assert await front.recover(double.card, broken.value.order) is Outcome.NOT_CREDITED
    await front.top_up(double.card, 500, "P1")
    assert double.card.image.balance_fen == 1_500


async def test_a_card_that_refuses_the_credit_is_told_and_left_to_recovery(front, double):
    class Deaf(WrongMac):
        def transmit(self, apdu):
            return self.card.transmit(apdu if apdu[1] != 0x52 else apdu[:-1] + bytes((apdu[-1] ^ 1,)))

    with pytest.raises(TopUpInterrupted, match="000027") as broken:
        await front.top_up(Deaf(double.card), 500, "P1")
    assert await front.recover(double.card, broken.value.order) is Outcome.NOT_CREDITED


async def test_a_recovery_that_is_refused_says_so(front, double):
    order = structs.replace(await front.top_up(double.card, 500, "P1"), order_no="O2")
    with pytest.raises(CardFrontRefused, match="000039"):
        await front.recover(double.card, order)


async def test_an_answer_without_its_commands_is_left_to_recovery(front, double, monkeypatch):
    monkeypatch.setattr(double, "card_charge_request", lambda _: ("000000", messages.Done(**TIMES)))
    with pytest.raises(TopUpInterrupted, match="orderno: is missing"):
        await front.top_up(double.card, 500, "P1")


async def test_an_order_is_cancelled(front, double):
    await front.cancel(await front.top_up(double.card, 500, "P1"))
    assert double.done[-1] == "chargeOrderCancel"


async def test_orders_are_listed(front, double):
    query = messages.ChargeOrderQuery(card_no=double.card.image.card_no, page_size_text="50", page_text="1")
    page = await front.charge_order_query(query)
    assert (page.page, page.page_size, page.orders) == (1, 20, ())


@pytest.mark.parametrize("customer", [None, Customer(name="某人", certificate_no="000000")])
async def test_a_card_is_sold(front, double, customer):
    sold = await front.sell(double.card, customer=customer)
    assert sold.deposit == "1800"
    assert f"{double.card.image.file15.valid_from:%Y%m%d}" == "20260101"


async def test_a_sale_that_the_card_refuses_is_reported_as_failed(front, double):
    class Stubborn(WrongMac):
        def transmit(self, apdu):
            return self.card.transmit(apdu if apdu[0] != 0x04 else apdu[:-1] + bytes((apdu[-1] ^ 1,)))

    with pytest.raises(CardFrontRefused, match="000027"):
        await front.sell(Stubborn(double.card))


async def test_a_good_card_is_returned_empty(front, double):
    assert await front.return_card(double.card) == 1_000
    assert double.card.image.balance_fen == 0


async def test_a_bad_card_is_returned_without_it(front, double):
    applied = await front.apply_bad_return(double.card.image.card_no)
    assert applied.amount == "500"
    assert (await front.confirm_bad_return(double.card.image.card_no, applied)).order_no == "B1"


async def test_a_client_closes_its_line(front):
    async with front as same:
        assert isinstance(same, CardFront)
    with pytest.raises(RuntimeError, match="closed"):
        await front._http.get("http://front.test/")


def test_the_clock_is_the_citys():
    assert str(calls.now().tzinfo) == "Asia/Shanghai"
