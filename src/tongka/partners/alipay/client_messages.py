"""What a merchant says to the gateway and hears from it, field by field (Alipay 4.2). The gateway's own reading of the
same messages is stricter and stands with its server.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta

from tongka.wire import Message, spelt

Text64 = Annotated[str, Meta(min_length=1, max_length=64)]


class Answer(Message):
    """What every answer has; `sub_error_code` is virtualcard.send's."""

    code: str
    msg: str = ""
    sub_code: str = ""
    sub_msg: str = ""
    sub_error_code: str = ""


class MasterKey(Message):
    """4.2.1.7"""

    key_id: int
    public_key: str


class Keys(Answer):
    """4.2.1.7"""

    keys: tuple[MasterKey, ...] = ()


class OfflineTrade(Message):
    """AlipayOfflineTrade, 4.2.3.5."""

    user_id: Text64
    out_trade_no: Text64
    actual_order_time: str
    subject: Annotated[str, Meta(min_length=1, max_length=128)]
    amount: str
    records: tuple[str, ...]
    order_biz_context: Annotated[str, Meta(max_length=2048)] | None = None
    seller_login_name: Text64 | None = None


class TradeResult(Message):
    """AlipayOfflineTradeResult, 4.2.3.7; the document's next_retry_time is today's next_try_time."""

    out_trade_no: str
    result: Literal["SUCCESS", "FAIL", "UNKNOWN"]
    message: str = ""
    error_code: str = ""
    error_message: str = ""
    need_retry: bool = False
    next_retry_time: str = ""
    next_try_time: str = ""
    trade_no: str = ""

    @property
    def retry_at(self) -> str:
        return self.next_retry_time or self.next_try_time


class Results(Answer):
    """4.2.3.7"""

    results: tuple[TradeResult, ...] = spelt("result_list", ())


class VirtualCard(Message):
    """4.2.4.5; `ext_info` is a JSON object as text."""

    action: Literal["ISSUE", "UPDATE", "REVOKE"]
    user_id: Text64
    last_update_time: str
    card_type: Annotated[str, Meta(min_length=1, max_length=32)]
    card_no: Annotated[str, Meta(min_length=1, max_length=16, pattern=r"^[0-9A-Za-z]+\Z")]
    card_data: Annotated[str, Meta(max_length=128)] | None = None
    balance: str | None = None
    disabled: bool | None = None
    disabled_code: str | None = None
    disabled_tips: str | None = None
    ext_info: str | None = None


class CardSent(Answer):
    """4.2.4.7; err_message is today's error_message."""

    user_id: str = ""
    card_type: str = ""
    card_no: str = ""
    err_message: str = ""
    error_message: str = ""


class Report(Message):
    """4.2.5.5; `op_data` holds `info`, a list of rides and events."""

    scene_code: str
    op_code: str
    channel: str
    target_id: Text64
    version: str
    op_data: dict[str, list[dict[str, str]]]


class Cards(Answer):
    """Of virtualcard.batchquery."""

    cards: list[dict[str, Any]] = spelt("card_models", [])


class Blacklist(Answer):
    """Of userblacklist.query."""

    users: list[str] = spelt("black_list", [])
