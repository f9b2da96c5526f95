"""Paying out (划付): one person proposes what closed days left owed, another approves, the bank's reference ends it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from tongka.errors import Refused
from tongka.journeys.operators import NAME_MAX, REASON_MAX, require_text
from tongka.money import MAX_FEN
from tongka.reconcile import ROLES
from tongka.store import days, remittances
from tongka.store.db import Database
from tongka.store.remittances import Owed, Remittance, RemittanceState
from tongka.store.stamp import Stamp


class RemittanceRefused(Refused):
    """The remittance can't be made or moved so; the text says why."""

    code = "remittance_refused"


@dataclass(frozen=True, slots=True)
class Proposed:
    """What was proposed, and what could not be, with the reason."""

    made: list[Remittance]
    left: list[tuple[Owed, str]]


async def save_account(
    database: Database, role: str, party: str, pay_to: str, stamp: Stamp, *, fee_bp: int = 0
) -> None:  # fmt: skip
    """Where a partner's money goes, and our part of what is paid out, in hundredths of a per cent."""
    require_text("party", party, NAME_MAX)
    require_text("pay_to", pay_to, REASON_MAX)
    if not role or role not in ROLES:
        raise RemittanceRefused(f"role: {', '.join(filter(None, ROLES))}")
    await remittances.save_account(database, role, party, pay_to, stamp, fee_bp=fee_bp)


async def propose(
    database: Database, through: date, stamp: Stamp, *, party: str = "", most_fen: int = MAX_FEN
) -> Proposed:
    """Propose what the closed days up to `through` left, for each partner or one. Again proposes nothing anew.

    Raises:
        DayRefused: the day is not closed.
        RemittanceRefused: nothing is owed by or to that party.

    """
    await days.require_closed(database, through)
    found = [one for one in await remittances.owed(database, through) if party in {"", one.party}]
    if party and not found:
        raise RemittanceRefused(f"nothing is open with {party} up to {through}")
    made, left = [], []
    for one in found:
        why = _hindrance(one)
        remittance = None if why else await remittances.propose(database, one, through, most_fen, stamp)
        if remittance:
            made.append(remittance)
        else:
            left.append((one, why or "another remittance was proposed just now"))
    return Proposed(made, left)


def _hindrance(one: Owed) -> str:
    if one.under_way:
        return f"{one.under_way} is under way"
    if one.net_fen < 0 and not one.pay_to:
        return "its bank account is not on the books; `tongka remittance account` puts it there"
    return ""


async def approve(database: Database, number: str, stamp: Stamp) -> Remittance:
    """By another person than who has proposed it; again is harmless.

    Raises:
        RemittanceRefused: it is not proposed, or by this very person.

    """

    def is_done(one: Remittance) -> bool:
        return one.state in {RemittanceState.APPROVED, RemittanceState.PAID} and _same(one.approved_by, stamp.actor)

    one = await _found(database, number)
    if one.state is RemittanceState.PROPOSED and _same(one.proposed_by, stamp.actor):
        raise RemittanceRefused(f"{stamp.actor} has proposed it; another person approves")
    return await remittances.approve(database, number, stamp) or await _as_good(database, number, is_done)


async def paid(database: Database, number: str, bank_reference: str, stamp: Stamp) -> Remittance:
    """The bank has done it, under its reference; the same again is harmless.

    Raises:
        RemittanceRefused: it is not approved, was paid under another reference, or that is another one's.

    """

    def is_done(one: Remittance) -> bool:
        return one.bank_reference == bank_reference

    require_text("reference", bank_reference, NAME_MAX)
    done = await remittances.paid(database, number, bank_reference, stamp)
    return done or await _as_good(database, number, is_done)


async def withdraw(database: Database, number: str, stamp: Stamp) -> Remittance:
    """Take it back before the bank has it; again is harmless.

    Raises:
        RemittanceRefused: it is paid.

    """

    def is_done(one: Remittance) -> bool:
        return one.state is RemittanceState.WITHDRAWN

    return await remittances.withdraw(database, number, stamp) or await _as_good(database, number, is_done)


async def _as_good(database: Database, number: str, is_done: Callable[[Remittance], bool]) -> Remittance:
    """What was done before, or by somebody else just now, with the same effect; anything else is refused."""
    one = await _found(database, number)
    if is_done(one):
        return one
    by = f", approved by {one.approved_by}" if one.approved_by else ""
    raise RemittanceRefused(f"remittance {number} is {one.state}{by}; or the bank's reference is another one's")


async def _found(database: Database, number: str) -> Remittance:
    one = await remittances.find(database, number)
    if one is None:
        raise RemittanceRefused(f"there is no remittance {number}")
    return one


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()
