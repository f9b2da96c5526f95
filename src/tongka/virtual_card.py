"""Virtual cards: what an issuer may say of one. Pure; the issuer's clock orders his messages."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CardAction(StrEnum):
    """What an issuer tells of a card."""

    ISSUE = "ISSUE"
    UPDATE = "UPDATE"
    REVOKE = "REVOKE"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardChange:
    """A message of an issuer; None leaves what the card has, and is empty for a new card. `card_data` is hex."""

    action: CardAction
    user_id: str
    card_type: str
    card_no: str
    last_update_time: datetime
    card_data: str | None = None
    balance: str | None = None
    disabled: bool | None = None
    disabled_code: str | None = None
    disabled_tips: str | None = None
    ext_info: str | None = None
