"""Recharge cards (充值卡): a printed password pays for one top-up, whole."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from tongka.errors import Malformed
from tongka.journeys import passwords
from tongka.journeys.call import Call
from tongka.journeys.refusals import PasswordWrong, UsedWhole
from tongka.journeys.supply import Load, load_card
from tongka.store import orders, recharge_cards
from tongka.store.guesses import RECHARGE, Scope, of_card, of_domain, of_terminal
from tongka.store.recharge_cards import NewCard, RechargeCard
from tongka.store.stamp import Stamp
from tongka.system import System

PASSWORD_DIGITS = 16
SERIAL_DIGITS = 6
BATCH_MAX = 10**SERIAL_DIGITS


@dataclass(frozen=True, slots=True)
class Printed:
    """What is printed on a card. The password exists nowhere else."""

    serial: str
    password: str = field(repr=False)


def draw(system: System, batch: str, number: int) -> list[Printed]:
    """Serials and random passwords for a batch.

    Raises:
        Malformed: a batch has 1 to 16 capital letters and digits, and at most a million cards.

    """
    if not re.fullmatch(r"[A-Z0-9]{1,16}", batch):
        raise Malformed("batch", "a batch is named with 1 to 16 capital letters and digits")
    if not 1 <= number <= BATCH_MAX:
        raise Malformed("count", f"a batch has 1 to {BATCH_MAX} cards")
    return [Printed(f"{batch}{n:0{SERIAL_DIGITS}}", _password(system)) for n in range(number)]


def require_future(expires_on: date, today: date) -> None:
    """Refuse cards whose last day is over before they are printed.

    Raises:
        Malformed: it is.

    """
    if expires_on < today:
        raise Malformed("expires", f"{expires_on} is over; a card's last day is {today} or later")


def _password(system: System) -> str:
    """16 digits, each number as likely as any other but for one part in 2⁷⁴."""
    return f"{int.from_bytes(system.random(16), 'big') % 10**PASSWORD_DIGITS:0{PASSWORD_DIGITS}}"


async def issue(
    system: System, batch: str, printed: Sequence[Printed], amount_fen: int, *, expires_on: date, stamp: Stamp
) -> None:
    """Put a batch on the books; its passwords are kept as keyed hashes."""
    hashed = await passwords.hasher(system)
    cards = [NewCard(one.serial, hashed(one.password, ""), amount_fen) for one in printed]
    await recharge_cards.issue(system.database, batch, cards, expires_on, stamp)


async def check(call: Call, domain: str, password: str) -> bytes:
    """What the card is worth."""
    return await call.seal(call.outcome(detail=(await _usable(call, _scopes(call, domain), password)).amount_fen))


async def supply(call: Call, domain: str, password: str, load: Load) -> bytes:
    """Pay for a top-up with the card; the same top-up again costs nothing."""
    most = call.system.settings.city.guesses_per_hour
    scopes = (
        *_scopes(call, domain),
        Scope(of_terminal(RECHARGE, domain, load.init.terminal.hex()), most),
        Scope(of_card(RECHARGE, load.card_no), most),
    )
    card = await _usable(call, scopes, password, load.card_no)
    if load.funding.amount_fen != card.amount_fen:
        raise UsedWhole(f"the recharge card is used whole, with {card.amount_fen} fen")
    paid = replace(load.funding, account=card.account or 0)
    return await load_card(call, replace(load, funding=paid, short=PasswordWrong))


def _scopes(call: Call, domain: str) -> tuple[Scope, ...]:
    return (Scope(of_domain(RECHARGE, domain), call.system.settings.city.domain_guesses_per_hour),)


async def _usable(call: Call, scopes: tuple[Scope, ...], password: str, for_card: str = "") -> RechargeCard:
    """The card of a password, if it can pay; or paid already for a top-up of `for_card` that is not at its end."""
    await passwords.require_allowed(call, scopes)
    card = await recharge_cards.by_digest(call.system.database, await passwords.digest(call.system, password))
    if card and (card.usable(call.day) or (for_card and await _pays_for(call, card, for_card))):
        return card
    if card and card.used:
        raise passwords.wrong()  # the same answer, but no guess: a card shown twice is not to lock everybody out
    return await passwords.refuse(call, scopes)


async def _pays_for(call: Call, card: RechargeCard, card_no: str) -> bool:
    standing = await orders.standing(call.system.database, card_no, call.actor)
    return card.account is not None and any(order.funded_from == card.account for order in standing)


async def expire(system: System) -> int:
    """Take the money off cards whose last day is over."""
    now = system.clock()
    return await recharge_cards.expire(system.database, Stamp(now, system.day(now), "expiry"))
