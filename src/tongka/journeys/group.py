"""Group cards (企服卡): a company allots money to its people's cards; who knows the password may draw it.

The password is shown first and unlocks the card for one domain and some minutes; supplies then draw on what is left.
"""

import hmac
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from tongka.journeys import passwords
from tongka.journeys.allotments import Line
from tongka.journeys.call import Call
from tongka.journeys.listing import Mistake
from tongka.journeys.refusals import AllotmentExceeded, NotUnlocked, PasswordTooWeak
from tongka.journeys.supply import Load, is_rewrite, load_card
from tongka.store import group_cards
from tongka.store.group_cards import Allotment, Batch, GroupCard
from tongka.store.guesses import GROUP, Scope, of_card, of_domain
from tongka.store.stamp import Stamp
from tongka.system import System

UNLOCKED_FOR = timedelta(minutes=10)


async def verify(call: Call, domain: str, card_no: str, password: str) -> bytes:
    """Unlock the card for this domain; answers what may be drawn."""
    card = await _known(call, domain, card_no, password)
    await group_cards.unlock(call.system.database, card_no, domain, call.at + UNLOCKED_FOR, call.stamp)
    return await call.seal(call.outcome(detail=card.balance_fen))


async def supply(call: Call, domain: str, load: Load) -> bytes:
    """Draw on an unlocked card; a rewrite draws nothing, and needs no password."""
    locked = NotUnlocked("verify the group card's password first; that counts for ten minutes")
    card = await group_cards.find(call.system.database, load.card_no)
    if card is None:
        raise locked
    load = replace(load, funding=replace(load.funding, account=card.account), short=AllotmentExceeded)
    until = await group_cards.unlocked_until(call.system.database, load.card_no, domain)
    if (until is None or until < call.at) and not await is_rewrite(call, load):
        raise locked
    return await load_card(call, load)


async def change_password(call: Call, domain: str, card_no: str, old: str, new: str) -> bytes:
    """Exchange the password; the card is locked again."""
    card = await _known(call, domain, card_no, old)
    passwords.require_strong(new, card_no)
    if new == old:
        raise PasswordTooWeak("the new password is the old one")
    if not await group_cards.change_password(
        call.system.database, card_no, card.digest, await digest(call.system, card_no, new), call.stamp
    ):
        raise passwords.wrong()
    return await call.seal(call.outcome())


# --- a company's list -------------------------------------------------------------------------------------------------


async def mistakes(system: System, company: str, lines: Sequence[Line]) -> list[Mistake]:
    """Cards that can't be allotted to: not on our books, or another company's."""
    numbers = [line.card_no for line in lines]
    missing = await group_cards.unknown(system.database, numbers)
    owners = await group_cards.companies_of(system.database, numbers)
    return [
        *(Mistake(0, f"card {number} is not on our books") for number in missing),
        *(Mistake(0, f"card {number} is {owner}'s") for number, owner in owners.items() if owner != company),
    ]


async def allot(
    system: System, company: str, batch: str, lines: Sequence[Line], *, paid_into: int, stamp: Stamp
) -> int:
    """Add a list's amounts, all or none; how many were new. A card that has a password keeps it."""
    hashed = await passwords.hasher(system)
    allotments = [Allotment(line.card_no, line.amount_fen, hashed(line.password, line.card_no)) for line in lines]
    whole = Batch(name=batch, company=company, allotments=allotments, paid_into=paid_into)
    return await group_cards.allot(system.database, whole, stamp)


async def digest(system: System, card_no: str, password: str) -> bytes:
    return await passwords.digest(system, password, card_no)


async def _known(call: Call, domain: str, card_no: str, password: str) -> GroupCard:
    city = call.system.settings.city
    scopes = (
        Scope(of_domain(GROUP, domain), city.domain_guesses_per_hour),
        Scope(of_card(GROUP, card_no), city.guesses_per_hour),
    )
    await passwords.require_allowed(call, scopes)
    card = await group_cards.find(call.system.database, card_no)
    given = await digest(call.system, card_no, password)
    if card is None or not hmac.compare_digest(card.digest, given):
        await passwords.refuse(call, scopes)
    return card
