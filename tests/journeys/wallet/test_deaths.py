"""Every business, dead at every step: the card's balance, the order and the books agree to the fen.

The steps are: before and after each APDU in the element, before a report leaves, after an order came. The suite takes
every eleventh; all of them with TONGKA_TEST_ALL=1.
"""

import itertools
import os
import secrets

import pytest

from phone_stories import CASES, EarlyReader, dies, submitted

STRIDE = 1 if os.environ.get("TONGKA_TEST_ALL") else 11
STEPS_MAX = 200


@pytest.mark.parametrize("business", CASES)
async def test_dead_at_any_step_it_goes_on(world, phones, business):
    contents, before, check = CASES[business]
    phone = await phones.new()
    for nth in itertools.count(1, STRIDE):
        number = f"{business}-{nth}"
        if before:
            await before(phone, f"{number}-before")
        session = await submitted(phone, business, number, **contents)
        died = await dies(phone, session, nth)
        await phone.run(session)
        await check(phone, number)
        if not died:
            break
        assert nth < STEPS_MAX
    await world.books()


async def test_a_personalisation_that_broke_off_and_already_shows_its_files_is_begun_anew(world, phones):
    phone = await phones.new()
    phone.element = EarlyReader(phone.element.image, secrets.token_bytes)
    contents, _, check = CASES["OPEN"]
    for nth in itertools.count(1, 1 if STRIDE == 1 else 3):
        session = await submitted(phone, "OPEN", f"OPEN-{nth}", **contents)
        died = await dies(phone, session, nth)
        await phone.run(session)
        await check(phone, f"OPEN-{nth}")
        if not died:
            break
    await world.books()
