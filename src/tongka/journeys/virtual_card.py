"""Virtual cards: issued, updated and revoked by their issuers, who also hold the money of prepaid ones."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from tongka.days import ZONE
from tongka.errors import Malformed, Refused
from tongka.store import riders, virtual_cards
from tongka.store.riders import CardType, RiderUnknown
from tongka.store.virtual_cards import VirtualCard
from tongka.system import System
from tongka.virtual_card import CardAction, CardChange

CARDS_MAX: Final = 1000
"""Of one query."""
AHEAD: Final = timedelta(days=1)
"""How far an issuer's clock may be before ours; a time beyond it would make every honest update stale for as long."""


class CardTypeUnknown(Refused):
    """The type is not registered, or is another application's."""

    code = "card_type_unknown"


async def change(system: System, app_id: str, told: CardChange) -> None:
    """Take what an issuer says of a card.

    Raises:
        Malformed: it is of a time to come.
        CardTypeUnknown: not one of this application's types.
        RiderUnknown: issued to nobody we know.
        VirtualCardMissing, VirtualCardTaken, StaleUpdate: as `store.virtual_cards.change`.

    """
    if told.last_update_time > system.clock().astimezone(ZONE).replace(tzinfo=None) + AHEAD:
        raise Malformed("last_update_time", "a time no more than a day ahead of now is expected")
    if told.card_type not in await _types(system, app_id):
        raise CardTypeUnknown(f"card_type: {told.card_type} is not registered for this application")
    if told.action is CardAction.ISSUE and await riders.find(system.database, told.user_id) is None:
        raise RiderUnknown
    await virtual_cards.change(system.database, told, actor=app_id, at=system.clock())


async def search(
    system: System, app_id: str, *, user_id: str = "", card_type: str = "", card_no: str = "", deleted: bool = False
) -> Sequence[VirtualCard]:
    """An issuer's cards that fit; empty texts ask for everything, `deleted` for the revoked ones too."""
    return await virtual_cards.search(
        system.database,
        of_types=list(await _types(system, app_id)),
        user_id=user_id,
        card_type=card_type,
        card_no=card_no,
        deleted=deleted,
        limit=CARDS_MAX,
    )


async def _types(system: System, app_id: str) -> dict[str, CardType]:
    known = await riders.card_types(system.database)
    return {name: kind for name, kind in known.items() if kind.app_id == app_id}
