"""An institution's key is changed without an outage: the next one verifies beside the present one, and then alone."""

from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tongka.crypto import sm2
from tongka.errors import UnknownParty
from tongka.partners.huzhou import serve
from tongka.partners.huzhou.calls import CardFrontRefused, Identity
from tongka.partners.huzhou.client import CardFront
from tongka.store import parties

BAD_SIGNATURE = "000020"
IDENTITY = {
    "institution": "90000001", "partner": "90000001", "merchant": "900000010000001", "network": "0001",
    "terminal": "90000001", "operator": "op01", "batch": "000001", "channel": "10", "area": "00",
}  # fmt: skip


async def signing(world, key):
    """A client of the same institution that signs with another key."""
    app = Starlette(routes=[Mount("/cardfront", routes=serve.routes(world.system))])
    return CardFront(
        "http://127.0.0.1/cardfront",
        Identity(**IDENTITY),
        key,
        sm2.PublicKey(await world.system.hsm.public_key(serve.ENDPOINT)),
        clock=world.system.clock,
        http=httpx.AsyncClient(transport=httpx.ASGITransport(app)),
    )


async def refused(client, card):
    with pytest.raises(CardFrontRefused) as told:
        await client.read_card(card)
    return told.value.result


async def test_both_keys_verify_while_the_institution_changes_over_and_then_the_new_one_alone(world):
    card = await world.card()
    following = sm2.generate()
    old, new = await signing(world, world.partner_key), await signing(world, following)
    assert await refused(new, card) == BAD_SIGNATURE
    known = world.system.parties.find("institution", IDENTITY["institution"])
    await parties.save(
        world.database, replace(known, next_public_key=sm2.public_key(following).compressed.hex().upper())
    )
    await world.system.parties.refresh()
    assert (await old.read_card(card)).card_no == (await new.read_card(card)).card_no
    assert await refused(await signing(world, sm2.generate()), card) == BAD_SIGNATURE
    await parties.promote(world.database, known.id)
    await world.system.parties.refresh()
    assert await refused(old, card) == BAD_SIGNATURE
    assert (await new.read_card(card)).card_no
    with pytest.raises(UnknownParty):
        await parties.promote(world.database, known.id)
    await world.books()
