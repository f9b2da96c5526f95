"""The client of the house, card at hand: every way of loading, and going on after a break."""

import httpx
import pytest

from raw_onecard import KEY, PASSWORD
from tongka.card.commands import CommandKind
from tongka.errors import Failed, Unknown
from tongka.partners.linkage.client import Identity, Line, LoadInterrupted, OneCard, OneCardRefused, Payment
from tongka.sandbox.card.power import AFTER, BEFORE

PROFILES = ["huzhou-ministry-3des", "huzhou-ministry-sm4", "huzhou-city-3des"]


def payment(number: int = 1) -> Payment:
    return Payment(payment_id=f"client-{number}", payer="someone")


@pytest.mark.parametrize("profile", PROFILES)
async def test_every_way_of_loading(onecard, profile):
    client = onecard.client
    card = await onecard.group_card(2_000, profile=profile)
    tac = await onecard.recharge_card(1_000)
    plastic = card.plastic
    await client.top_up(plastic, 1_000, payment())
    await client.from_prepaid(plastic, 1_000)
    await client.cash(plastic, 1_000)
    await client.redeem(plastic, tac)
    await client.from_group(plastic, 1_000, PASSWORD)
    await client.unload(plastic, 400, payment(2))
    assert card.balance == 5_000 + 5_000 - 400
    assert await client.supply_prepaid("c1", 1) == 9_001
    await client.change_group_password(card.number, PASSWORD, "another1")
    with pytest.raises(OneCardRefused) as refused:
        await client.verify_group_card(card.number, PASSWORD)
    assert refused.value.result == "5001"
    await onecard.world.books()


@pytest.mark.parametrize(("point", "before"), [(BEFORE, 5_000), (AFTER, 6_000)])
async def test_a_broken_load_is_resumed_and_credits_once(onecard, point, before):
    card = await onecard.card()
    card.plastic.switch.arm(point, kind=CommandKind.CREDIT_FOR_LOAD)
    with pytest.raises(LoadInterrupted) as broken:
        await onecard.client.top_up(card.plastic, 1_000, payment())
    assert card.balance == before
    card.plastic.power_on()
    await onecard.client.resume(card.plastic, broken.value)
    assert card.balance == 6_000
    await onecard.client.cash(card.plastic, 100)
    await onecard.world.books()


async def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(onecard):
    bodies = []

    class Lossy(httpx.AsyncBaseTransport):
        def __init__(self, inner):
            self._inner = inner

        async def handle_async_request(self, request):
            answer = await self._inner.handle_async_request(request)
            bodies.append(request.content)
            if bodies.count(request.content) == 1:
                raise httpx.ReadTimeout("lost")
            return answer

    inner = onecard.client._http._transport
    client = OneCard(
        "http://127.0.0.1",
        onecard.client.identity,
        KEY,
        line=Line(pause_s=0),
        http=httpx.AsyncClient(transport=Lossy(inner)),
    )
    card = await onecard.card()
    await client.from_prepaid(card.plastic, 1_000)
    assert (card.balance, await onecard.prepaid_fen()) == (6_000, 9_000)
    assert len(bodies) == 2 * len(set(bodies)) == 6
    await onecard.world.books()


def broken_line(handler) -> OneCard:
    identity = Identity(domain="01", channel="02", terminal="0" * 12)
    return OneCard("http://127.0.0.1", identity, KEY, line=Line(pause_s=0), http=httpx.AsyncClient(transport=handler))


async def test_a_platform_that_cannot_be_reached_did_nothing():
    def refuse(_):
        raise httpx.ConnectError("refused")

    with pytest.raises(Failed):
        await broken_line(httpx.MockTransport(refuse)).now()


@pytest.mark.parametrize("answer", [httpx.Response(502), httpx.Response(200, content=b"not JSON")])
async def test_an_answer_that_cannot_be_read_is_unknown(answer):
    with pytest.raises(Unknown):
        await broken_line(httpx.MockTransport(lambda _: answer)).now()


async def test_what_is_not_a_platform_is_told():
    with pytest.raises(Failed, match="404"):
        await broken_line(httpx.MockTransport(lambda _: httpx.Response(404))).now()


async def test_http_speaks_only_post_at_the_printed_paths_up_to_64_kib(onecard):
    http = onecard.client._http
    assert (await http.get("http://127.0.0.1/tuxedo/now")).status_code == 405
    assert (await http.put("http://127.0.0.1/card/supply", content=b"")).status_code == 405
    assert (await http.post("http://127.0.0.1/tuxedo/later", content=b"")).status_code == 404
    assert (await http.post("http://127.0.0.1/tuxedo/now", content=b" " * 65_537)).status_code == 413
    assert (await http.post("http://127.0.0.1/tuxedo/now", content=b" " * 65_536)).status_code == 200
