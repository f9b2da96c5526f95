"""The methods of the gateway: biz_content in, the node's own members out. What is refused raises."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tongka.days import ZONE
from tongka.errors import Malformed, Refused
from tongka.journeys import ride, ride_keys, virtual_card
from tongka.partners.alipay import messages as m
from tongka.partners.alipay.codes import CARD_ERRORS, trade_error
from tongka.settlement import AGAIN, Refusal, Trade, Why
from tongka.store import riders, rides
from tongka.store.merchants import MerchantApp
from tongka.store.rides import Settled
from tongka.store.virtual_cards import VirtualCard
from tongka.system import System
from tongka.virtual_card import CardChange
from tongka.wire import read

SETTLED_TEXT: Final = "成功"
RESULT_SUCCESS, RESULT_FAIL, RESULT_UNKNOWN = "SUCCESS", "FAIL", "UNKNOWN"
ECHOED: Final = 64
"""Characters of an out_trade_no of another form that an answer repeats."""

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was opened: who asks, and where he wants to be told later (may be empty)."""

    system: System
    app: MerchantApp
    notify_url: str


class BusinessRefused(Refused):
    """40004 with members of the method's own."""

    code = "gateway_business_refused"

    def __init__(self, text: str, members: Node) -> None:
        super().__init__(text)
        self.members = members


async def key_query(call: Call, _content: Node) -> Node:
    """4.2.1: the 32 public master keys."""
    keys = await ride_keys.key_list(call.system, call.system.clock())
    return {"keys": keys.masters_list()}


async def record_verify(call: Call, content: Node) -> Node:
    """4.2.2; what was settled before is refused, and nothing is used up."""
    await ride.verify(call.system, call.app.app_id, read(m.RecordVerify, content).record)
    return {}


# --- 4.2.3 ------------------------------------------------------------------------------------------------------------


async def trade_settle(call: Call, content: Node) -> Node:
    """4.2.3: each trade has its own result."""
    asked = [_trade_or_refusal(value, call.app.seller) for value in read(m.TradeSettle, content).trade_list]
    trades = [one for one in asked if isinstance(one, Trade)]
    merchant = ride.Merchant(call.app.app_id, call.notify_url)
    settled = iter(await ride.settle(call.system, merchant, trades) if trades else [])
    return {
        "result_list": [_result(one.out_trade_no, next(settled)) if isinstance(one, Trade) else one for one in asked]
    }


def _trade_or_refusal(value: Any, seller: str) -> Trade | Node:
    try:
        return m.trade(value, seller)
    except Malformed as error:
        number = value.get("out_trade_no") if isinstance(value, dict) else ""
        told = number[:ECHOED] if isinstance(number, str) else ""
        return _result(told, Settled("", Refusal(Why.FORM, str(error))))


def _result(out_trade_no: str, settled: Settled) -> Node:
    """AlipayOfflineTradeResult, 4.2.3.7; `next_retry_time` is `next_try_time` in today's clients."""
    refusal = settled.refusal
    if refusal is None:
        return {
            "result": RESULT_SUCCESS,
            "message": SETTLED_TEXT,
            "need_retry": False,
            "out_trade_no": out_trade_no,
            "trade_no": settled.trade_no,
        }
    code, text = trade_error(refusal)
    result = {
        "result": RESULT_UNKNOWN if refusal.why is Why.NOT_KNOWN else RESULT_FAIL,
        "message": text,
        "error_code": code,
        "error_message": text,
        "need_retry": refusal.why in AGAIN,
        "out_trade_no": out_trade_no,
    }
    if settled.next_try_at:
        when = settled.next_try_at.astimezone(ZONE).strftime(m.TIME_FORMAT)
        result |= {"next_retry_time": when, "next_try_time": when}
    return result


# --- 4.2.4 ------------------------------------------------------------------------------------------------------------


async def virtualcard_send(call: Call, content: Node) -> Node:
    """4.2.4; a failure says why in both spellings, err_message and error_message."""
    told = m.card_change(content)
    try:
        await virtual_card.change(call.system, call.app.app_id, told)
    except Refused as error:
        if error.code not in CARD_ERRORS:
            raise
        sub_error_code, text = CARD_ERRORS[error.code]
        spelt = {"sub_error_code": sub_error_code, "err_message": text, "error_message": text}
        raise BusinessRefused(str(error), _card_named(told) | spelt) from error
    return _card_named(told)


def _card_named(told: CardChange) -> Node:
    return {"user_id": told.user_id, "card_type": told.card_type, "card_no": told.card_no}


async def virtualcard_batchquery(call: Call, content: Node) -> Node:
    """Of today's clients."""
    asked = read(m.CardQuery, content)
    found = await virtual_card.search(
        call.system,
        call.app.app_id,
        user_id=asked.user_id or asked.open_id or "",
        card_type=asked.card_type or "",
        card_no=asked.card_no or "",
        deleted=asked.wants_deleted,
    )
    return {"card_models": [_card_model(card) for card in found]}


def _card_model(card: VirtualCard) -> Node:
    return {
        "balance": card.balance,
        "card_data": card.card_data,
        "card_no": card.card_no,
        "card_status": "DELETED" if card.deleted else "DISABLED" if card.disabled else "NORMAL",
        "card_type": card.card_type,
        "ext_info": card.ext_info,
        "last_update_time": card.last_update_time.strftime(m.TIME_FORMAT),
        "status_code": card.disabled_code,
        "status_msg": card.disabled_tips,
        "user_id": card.user_id,
    }


# --- 4.2.5, and the blacklist -----------------------------------------------------------------------------------------


async def data_send(call: Call, content: Node) -> Node:
    """4.2.5: kept, and told to the rider."""
    said = read(m.DataSend, content)
    reports = [
        rides.Report(
            one.type, one.biz_no, one.subject, f"{one.city_name} {one.line_name}", json.dumps(raw, ensure_ascii=False)
        )
        for one, raw in m.ride_reports(said)
    ]
    await rides.report(call.system.database, call.app.app_id, said.target_id, reports, call.system.clock())
    return {}


async def userblacklist_query(call: Call, content: Node) -> Node:
    """Of today's clients: a page of the user ids that gates are to refuse."""
    index, size = read(m.BlacklistQuery, content).page()
    listed = (await riders.blacklist(call.system.database)).user_ids
    return {"black_list": _page(listed, index, size)}


def _page(listed: Sequence[str], index: int, size: int) -> list[str]:
    return list(listed[(index - 1) * size : index * size])


METHODS: Final[Mapping[str, Callable[[Call, Node], Awaitable[Node]]]] = {
    "alipay.commerce.transport.offlinepay.key.query": key_query,
    "alipay.commerce.transport.offlinepay.record.verify": record_verify,
    "alipay.commerce.transport.offlinepay.trade.settle": trade_settle,
    "alipay.commerce.transport.offlinepay.virtualcard.send": virtualcard_send,
    "alipay.commerce.transport.offlinepay.virtualcard.batchquery": virtualcard_batchquery,
    "alipay.commerce.transport.offlinepay.userblacklist.query": userblacklist_query,
    "alipay.commerce.data.send": data_send,
}
