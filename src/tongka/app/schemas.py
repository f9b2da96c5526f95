"""What the app's API says and hears. Money is fen as numbers, moments are ISO 8601 in the city's zone, +08:00."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
CardNo = Annotated[str, Field(pattern=r"^[0-9]{16,20}$")]
Fen = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Error(_Model):
    """Why not: a stable code, and a sentence for people."""

    error: str
    message: str


class Token(_Model):
    """RFC 6749, 5.1."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - its type
    expires_in: int = Field(description="seconds")


class ProductView(_Model):
    """A card that can be opened, and what it costs."""

    issuer_id: str
    name: str
    price_fen: int = Field(description="paid once, not paid back")
    deposit_fen: int = Field(description="paid back when the card is deleted")
    topups_fen: list[int] = Field(description="amounts to offer")


class AppBusiness(StrEnum):
    """What can be ordered."""

    OPEN = "OPEN"
    TOPUP = "TOPUP"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    LOCK = "LOCK"
    UNLOCK = "UNLOCK"
    MIGRATE = "MIGRATE"


class NewOrder(_Model):
    """An order. `issuer_id` and `device_id` belong to opening; everything else names the card."""

    business: AppBusiness
    issuer_id: Name | None = None
    device_id: Name | None = None
    card_no: CardNo | None = None
    amount_fen: Fen = Field(0, description="of a top-up; of an opening, of its first one")
    to_device_id: Name | None = Field(None, description="of a migration")
    card_type: Annotated[str, Field(pattern="^0[1-5]$")] | None = Field(None, description="of an update: 01 to 05")


class Part(_Model):
    """One order at the SP TSM: its number there, its business, how far it is."""

    server_order_id: str
    business: str
    state: str = Field(description="accepted, running, unknown, done, failed, cancelled")
    reason: str
    session_id: str


class Payout(_Model):
    """How the money of a deleted card goes back, through the institutions that it was paid at."""

    state: Literal["sending", "owed", "done"] = Field(
        description="sending: refunds are under way; owed: the rest cannot be refunded, and the operator pays it"
    )
    done_fen: int = Field(description="the rider has it back")
    owed_fen: int = Field(description="the rider has not, as yet")


class OrderView(_Model):
    """An order as it stands."""

    order_no: str
    business: AppBusiness
    state: str = Field(
        description="created, paying, paid, submitted, running, unknown, done, cancelled, refunding, refunded, failed"
    )
    reason: str
    server_order_id: str = Field(description="for the wallet's addTransitCard and its like; empty until submitted")
    session_id: str
    issuer_id: str
    device_id: str
    to_device_id: str
    card_no: str
    amount_fen: int
    deposit_fen: int
    price_fen: int
    total_fen: int
    paid_back_fen: int = Field(description="of a deletion that is done: the balance and the deposit")
    payout: Payout | None = Field(description="how they go back; of a migration, what was not loaded elsewhere")
    result_code: str
    created_at: datetime = Field(description="with its offset, +08:00")
    parts: list[Part]


class Pay(_Model):
    """Which institution the rider pays at."""

    acquirer: Name


class PayView(_Model):
    """What the institution's app needs; empty where it is not known whether the payment began: ask again."""

    order_no: str
    state: str
    kind: str
    data: str


class Result(_Model):
    """The wallet's code, 1010210xxx or 1010200xxx, as the app got it; 0 is success."""

    code: Annotated[str, Field(pattern=r"^(0|1010[0-9]{6})$")]


class CardView(_Model):
    """A rider's card in a phone."""

    card_no: str
    issuer_id: str
    device_id: str
    place: str = Field(description="opening, live, locked, gone")
    status: str = Field(description="00 normal, 01 blacklisted, 02 returned, 03 lost, 04 expired")
    deposit_fen: int
    payout: Payout | None = Field(description="of a card that is deleted, or was lost and is paid out")


class Lost(_Model):
    """When a lost card is paid out: its rides are cleared by then."""

    card_no: str
    paid_out_from: datetime
