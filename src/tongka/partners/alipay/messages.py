"""What merchants say inside biz_content, as the gateway reads it (Alipay 4.2; two methods of today's clients).

Strict where it matters: a field that the document calls 不可空 is refused when missing or empty, by its name. Fields
that were renamed since are read in either spelling; fields that we do not know are ignored.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from tongka.code.layout import CARD_DATA_MAX
from tongka.days import ZONE
from tongka.errors import Malformed
from tongka.money import parse_yuan
from tongka.partners.alipay.codec import MAX_BODY_BYTES
from tongka.settlement import Trade
from tongka.virtual_card import CardAction, CardChange
from tongka.wire import Count, Message, ObjectReader, as_count, read

TRADES_MAX: Final = 2000
REPORTS_MAX: Final = 100
PAGE_MAX: Final = 1000
CONTEXT_MAX: Final = 2048
EXT_INFO_MAX: Final = 4096
DEPTH_MAX: Final = 16
"""The document's deepest sample has 4."""

TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S"

_reader = ObjectReader(max_bytes=MAX_BODY_BYTES, max_depth=DEPTH_MAX, fractions_as_text=True)

Text16 = Annotated[str, Meta(min_length=1, max_length=16, description="1 to 16 characters")]
Text32 = Annotated[str, Meta(min_length=1, max_length=32, description="1 to 32 characters")]
Text64 = Annotated[str, Meta(min_length=1, max_length=64, description="1 to 64 characters")]
Text100 = Annotated[str, Meta(min_length=1, max_length=100, description="1 to 100 characters")]
Text128 = Annotated[str, Meta(min_length=1, max_length=128, description="1 to 128 characters")]
SomeText = Annotated[str, Meta(min_length=1, max_length=512, description="1 to 512 characters")]
Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\Z", description="a time as YYYY-MM-DD HH:MM:SS")]
CardNo = Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{1,16}\Z", description="1 to 16 digits and letters")]
CardType = Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{1,32}\Z", description="1 to 32 digits and letters")]
UserId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{1,64}\Z", description="a user id of digits and letters")]
Balance = Annotated[
    str, Meta(pattern=r"^([0-9]{1,29}(\.[0-9]{1,2})?)?\Z", description="yuan with at most two decimals")
]
Yuan = Annotated[str, Meta(pattern=r"^([0-9]{1,12}(\.[0-9]{1,2})?)?\Z", description="yuan with at most two decimals")]
VehicleType = Annotated[
    Literal["BUS", "BRT", "LRT", "METRO", "FERRY"], Meta(description="BUS, BRT, LRT, METRO or FERRY")
]
Number = Annotated[int, Meta(ge=0, lt=10**12)]


def biz_content(text: str) -> dict[str, Any]:
    """The business parameters; none at all is an empty object.

    Raises:
        Malformed: not a JSON object, or beyond the limits.

    """
    return _reader.read_text(text, "biz_content") if text else {}


def moment(text: str, field: str) -> datetime:
    """A time of Asia/Shanghai.

    Raises:
        Malformed: no such day or time; names `field`.

    """
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=ZONE)
    except ValueError as error:
        raise Malformed(field, "is a time as YYYY-MM-DD HH:MM:SS") from error


class RecordVerify(Message):
    """4.2.2.5"""

    record: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{2,8190}\Z", description="a record, in hex")]


# --- 4.2.3 ------------------------------------------------------------------------------------------------------------


class TradeSettle(Message):
    """4.2.3.5; each trade is read by itself, so that one of another form does not hide the others."""

    trade_list: Annotated[
        tuple[Any, ...], Meta(min_length=1, max_length=TRADES_MAX, description=f"a list of 1 to {TRADES_MAX} trades")
    ]


class OfflineTrade(Message):
    """AlipayOfflineTrade, 4.2.3.5; `open_id` is today's clients' name for the user."""

    out_trade_no: Text64
    user_id: Text64 | None = None
    open_id: Text64 | None = None
    actual_order_time: Moment
    subject: Text128
    amount: Annotated[str, Meta(max_length=64, description="yuan")] | Number
    order_biz_context: (
        Annotated[str, Meta(max_length=CONTEXT_MAX, description=f"JSON text of at most {CONTEXT_MAX} characters")]
        | dict[str, Any]
        | None
    ) = None
    records: tuple[Annotated[str, Meta(min_length=1, description="a record, in hex")], ...]
    seller_login_name: Annotated[str, Meta(max_length=64, description="at most 64 characters")] | None = None


def trade(value: Any, seller: str) -> Trade:
    """A trade of the list; `seller` is paid where it names nobody.

    Raises:
        Malformed: names the field.

    """
    if not isinstance(value, dict):
        raise Malformed("trade_list", "a list of objects is expected")
    said = read(OfflineTrade, value)
    user_id = said.user_id or said.open_id
    if user_id is None:
        raise Malformed("user_id", "is missing; the field is required")
    return Trade(
        user_id=user_id,
        out_trade_no=said.out_trade_no,
        ordered_at=moment(said.actual_order_time, "actual_order_time"),
        subject=said.subject,
        amount_fen=parse_yuan(str(said.amount), "amount"),
        records=said.records,
        context=_as_text(said.order_biz_context, "order_biz_context", CONTEXT_MAX) or "",
        seller=said.seller_login_name or seller,
    )


# --- 4.2.4 ------------------------------------------------------------------------------------------------------------


class VirtualCardSend(Message):
    """4.2.4.5"""

    action: Annotated[Literal["ISSUE", "UPDATE", "REVOKE"], Meta(description="ISSUE, UPDATE or REVOKE")]
    user_id: UserId | None = None
    open_id: UserId | None = None
    last_update_time: Moment
    card_type: CardType
    card_no: CardNo
    card_data: (
        Annotated[
            str,
            Meta(
                pattern=rf"^([0-9A-Fa-f]{{2}}){{0,{CARD_DATA_MAX}}}\Z",
                description=f"at most {CARD_DATA_MAX} bytes, in hex",
            ),
        ]
        | None
    ) = None
    balance: Balance | Number | None = None
    disabled: bool | Annotated[Literal["true", "false"], Meta(description="true or false")] | None = None
    disabled_code: (
        Annotated[Literal["", "CARD_OVERDUE", "CARD_REVOKING"], Meta(description="CARD_OVERDUE or CARD_REVOKING")]
        | None
    ) = None
    disabled_tips: Annotated[str, Meta(max_length=256, description="at most 256 characters")] | None = None
    ext_info: (
        Annotated[str, Meta(max_length=EXT_INFO_MAX, description=f"JSON text of at most {EXT_INFO_MAX} characters")]
        | dict[str, Any]
        | None
    ) = None


def card_change(value: dict[str, Any]) -> CardChange:
    """What an issuer says of a card.

    Raises:
        Malformed: names the field; a disabled card must say why (disabled_tips).

    """
    said = read(VirtualCardSend, value)
    user_id = said.user_id or said.open_id
    if user_id is None:
        raise Malformed("user_id", "is missing; the field is required")
    disabled = said.disabled == "true" if isinstance(said.disabled, str) else said.disabled
    if disabled and not said.disabled_tips:
        raise Malformed("disabled_tips", "is missing; a disabled card says why")
    return CardChange(
        action=CardAction(said.action),
        user_id=user_id,
        card_type=said.card_type,
        card_no=said.card_no,
        last_update_time=moment(said.last_update_time, "last_update_time").replace(tzinfo=None),
        card_data=said.card_data,
        balance=None if said.balance is None else str(said.balance),
        disabled=disabled,
        disabled_code="" if disabled is False else said.disabled_code,
        disabled_tips="" if disabled is False else said.disabled_tips,
        ext_info=_as_text(said.ext_info, "ext_info", EXT_INFO_MAX),
    )


class CardQuery(Message):
    """virtualcard.batchquery of today's clients."""

    user_id: Text64 | None = None
    open_id: Text64 | None = None
    card_type: CardType | None = None
    card_no: CardNo | None = None
    include_deleted: bool | Annotated[Literal["true", "false"], Meta(description="true or false")] = False

    @property
    def wants_deleted(self) -> bool:
        return self.include_deleted in {True, "true"}


class BlacklistQuery(Message):
    """userblacklist.query of today's clients."""

    page_index: Count = 1
    page_size: Count = PAGE_MAX

    def page(self) -> tuple[int, int]:
        """Index from 1, and size.

        Raises:
            Malformed: outside the limits.

        """
        index, size = as_count(self.page_index), as_count(self.page_size)
        if index < 1:
            raise Malformed("page_index", "counts from 1")
        if not 1 <= size <= PAGE_MAX:
            raise Malformed("page_size", f"is from 1 to {PAGE_MAX}")
        return index, size


# --- 4.2.5 ------------------------------------------------------------------------------------------------------------


class DataSend(Message):
    """4.2.5.5; op_data is an object, or a JSON string holding one."""

    scene_code: Text100
    op_code: Text64
    channel: Text32
    target_id: Text32
    version: Text32
    op_data: Annotated[str, Meta(min_length=2, description="an object, or a JSON string holding one")] | dict[str, Any]


class RideReport(Message):
    """One of op_data.info, 4.2.5.5: the fields that are 不可空, and the amount; the others are kept as they are.

    Of `vehicle_id` and `plate_number` the document wants one; a station's gate knows neither, and a rider is told all
    the same: so neither is asked for.
    """

    type: Annotated[Literal["order", "event"], Meta(description="order or event")]
    biz_no: Text64
    subject: SomeText
    biz_time: SomeText
    asset_name: SomeText
    city_name: SomeText
    line_name: SomeText
    start_station_name: SomeText
    vehicle_type: VehicleType
    partner_name: SomeText
    partner_id: SomeText
    amount: Yuan | Number | None = None


def ride_reports(said: DataSend) -> Sequence[tuple[RideReport, dict[str, Any]]]:
    """The reports inside, each as read and as it came.

    Raises:
        Malformed: names the field.

    """
    data = _reader.read_text(said.op_data, "op_data") if isinstance(said.op_data, str) else said.op_data
    found = data.get("info")
    info = [found] if isinstance(found, dict) else found
    if not isinstance(info, list) or not 1 <= len(info) <= REPORTS_MAX:
        raise Malformed("op_data.info", f"a list of 1 to {REPORTS_MAX} objects is expected")
    if not all(isinstance(one, dict) for one in info):
        raise Malformed("op_data.info", "a list of objects is expected")
    return [(read(RideReport, one), one) for one in info]


def _as_text(value: str | dict[str, Any] | None, field: str, maximum: int) -> str | None:
    """A JSON string, which some clients send as the object itself."""
    if not isinstance(value, dict):
        return value
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if len(text) > maximum:
        raise Malformed(field, f"has at most {maximum} characters")
    return text
