"""Opening, locking and deleting a card in a phone, and what death anywhere leaves."""

import pytest

AID = bytes.fromhex("A000000632010105")
SCP03, SCP02 = 0, 1


def purse(phone):
    instance = phone.element.image.instances.get(AID)
    return instance.purse if instance else None


@pytest.mark.parametrize("number", [SCP03, SCP02])
async def test_a_card_is_opened_topped_up_updated_and_deleted(world, phones, number):
    phone = await phones.new(number)
    assert await phone.do("OPEN", "O1", amount=1_000) == "done"
    told = await phone.state("O1")
    assert (told["state"], purse(phone).balance_fen, purse(phone).card_no) == ("DONE", 1_000, told["cardNumber"])
    assert await phone.do("TOPUP", "T1", amount=500, logicalCardNumber=told["logicalCardNumber"]) == "done"
    assert await phone.do("UPDATE", "U1", cardType="03") == "done"
    assert (purse(phone).balance_fen, purse(phone).files["0017"][10]) == (1_500, 3)
    assert await phone.do("DELETE", "D1") == "done"
    assert purse(phone) is None
    await world.books()
