"""A rider is given a ride code: of plain bus payment, or of one of his virtual cards, in any of the three formats.

The platform signs as issuer, and with the rider's key where it shows his code itself (the code page, the sandbox). What
a code is made of stays the same for days (`journeys.credentials`): only generation time and user's signature change.
"""

from datetime import datetime

from tongka.code.layout import OPERATOR_PREFIXES, PLAIN_CARD_TYPE, Format
from tongka.errors import Refused
from tongka.journeys import credentials
from tongka.journeys.credentials import Stated
from tongka.store import riders, virtual_cards
from tongka.store.ride_credentials import Holder
from tongka.store.riders import RiderUnknown
from tongka.store.virtual_cards import VirtualCard, VirtualCardMissing
from tongka.system import System

__all__ = ["RiderBlacklisted", "RiderUnknown", "VirtualCardDisabled", "VirtualCardMissing", "issue"]


class RiderBlacklisted(Refused):
    """The operator has put the rider on the blacklist."""

    code = "rider_blacklisted"


class VirtualCardDisabled(Refused):
    """The card's issuer has disabled it; the text is his tips for the rider."""

    code = "virtual_card_disabled"


async def issue(system: System, user_id: str, kind: Format, card_no: str = "", *, at: datetime | None = None) -> bytes:
    """A fresh code of a rider, as shown.

    Args:
        system: keys and riders.
        user_id: the rider's, 16 characters.
        kind: the format.
        card_no: of one of his virtual cards; empty: plain bus payment (`ANT00001`).
        at: its generation time; now if not given.

    Raises:
        RiderUnknown: no such rider.
        RiderBlacklisted: by the operator. Riders who owe still get codes: gates refuse them by their list.
        VirtualCardMissing: no such card of this rider.
        VirtualCardDisabled: its issuer disabled it.
        Unsupported: a ministry code of a card whose number is not digits.

    """
    rider = await riders.find(system.database, user_id)
    if rider is None:
        raise RiderUnknown
    if rider.blacklisted == "operator":
        raise RiderBlacklisted("user_id: the rider is on the blacklist")
    stated = await _stated(system, user_id, kind, card_no)
    prefix = OPERATOR_PREFIXES[0] if kind is Format.OPERATOR else b""
    return prefix + await credentials.generate(system, stated, at or system.clock())


async def _stated(system: System, user_id: str, kind: Format, card_no: str) -> Stated:
    if not card_no:
        return Stated(Holder(user_id, PLAIN_CARD_TYPE, "", kind))
    card = await virtual_cards.of_rider(system.database, user_id, card_no)
    if card is None:
        raise VirtualCardMissing("card_no: the rider has no such card")
    _require_enabled(card)
    return Stated(Holder(user_id, card.card_type, card.card_no, kind), bytes.fromhex(card.card_data))


def _require_enabled(card: VirtualCard) -> None:
    if card.disabled:
        raise VirtualCardDisabled(f"card_no: the card is disabled: {card.disabled_tips}")
