"""The twelve operations: each message is handed to its journey. What is known of Huzhou's fields ends here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from tongka.card import appendix_c, commands
from tongka.card.script import Script
from tongka.errors import Malformed
from tongka.journeys import card_info, looks, management, refund, return_card, sale, topup
from tongka.journeys.call import Call
from tongka.journeys.refusals import PaymentMethodUnknown
from tongka.partners.huzhou import messages as m
from tongka.partners.huzhou.codes import CASH, PAYMENT_METHODS, text_of
from tongka.partners.huzhou.fields import Customer, customer_of, responses_of
from tongka.store import order_pages

SELF_SERVICE = frozenset({"51", "52"})
"""Channels of machines, whose orders are of type 50; all others are 40 (appendices E and F)."""

TOPUP_TYPE, MACHINE_TYPE = "40", "50"
REAL_NAME = "Y"


def _method(code: str) -> str:
    if not text_of(PAYMENT_METHODS, code):
        raise PaymentMethodUnknown(f"paytype {code} is not one of {', '.join(row.code for row in PAYMENT_METHODS)}")
    return code


async def _card_info(call: Call, message: m.CardInfoQuery) -> bytes:
    return await card_info.query(call, message.script())


async def _create(call: Call, message: m.ChargeOrderCreate) -> bytes:
    ask = topup.TopUp(
        card_no=message.card_no,
        amount_fen=message.amount,
        payment_method=_method(message.payment_method),
        payment_order=message.payment_order or "",
        order_type=MACHINE_TYPE if call.channel in SELF_SERVICE else TOPUP_TYPE,
        cash=message.payment_method == CASH,
    )
    return await topup.create(call, ask)


async def _query(call: Call, message: m.ChargeOrderQuery) -> bytes:
    wanted = order_pages.Wanted(call.actor, message.card_no, message.order_no or "", message.order_state or "")
    size, number = message.page_size, message.page
    total, rows = await order_pages.page(
        call.system.database, wanted, ascending=message.ascending, size=size, number=number
    )
    return await call.answer(call.outcome(detail=(number, size, total, rows)), "order query")


async def _cancel(call: Call, message: m.ChargeOrderCancel) -> bytes:
    return await refund.cancel(call, message.card_no, message.order_no or "")


def _require_payment(call: Call, message: m.OrderCharge) -> None:
    """`paytype` is one of the list; `payorderno`, where it is told again, is the order's."""
    _method(message.payment_method)
    order = call.sight.order if call.sight else None
    if order and order.order_no == message.order_no:
        looks.require_payment(call, order, message.payment_order or "")


async def _charge(call: Call, message: m.CardChargeRequest) -> bytes:
    _require_payment(call, message)
    return await topup.authorise(call, message.card_no, message.order_no, message.amount, message.script)


async def _charge_confirm(call: Call, message: m.CardChargeConfirm) -> bytes:
    _require_payment(call, message)
    return await topup.confirm(call, message.card_no, message.order_no, message.amount, message.script)


async def _manage(call: Call, message: m.ChargeOrderManageRequest) -> bytes:
    _require_payment(call, message)
    return await management.request(call, message.card_no, message.order_no, message.amount)


async def _manage_confirm(call: Call, message: m.ChargeOrderManageConfirm) -> bytes:
    _require_payment(call, message)
    return await management.confirm(call, message.card_no, message.order_no, message.amount, message.script)


async def _sale(call: Call, message: m.CardSaleRequest) -> bytes:
    if message.real_name == REAL_NAME and message.customer is None:
        raise Malformed("custinfo", f"is required where realnameflag is {REAL_NAME}")
    ask = sale.Sale(
        card_no=message.card_no,
        payment_method=_method(message.payment_method),
        payment_order=message.payment_order or "",
        cash=message.payment_method == CASH,
        customer=await _sealed(call, message.card_no, customer_of(message.customer)),
    )
    return await sale.request(call, ask, lambda: message.script(sale.ANSWERED))


async def _sale_confirm(call: Call, message: m.CardSaleConfirm) -> bytes:
    script = None if message.card_result != "00" else message.script
    return await sale.confirm(call, message.card_no, message.order_no, message.reference, script)


async def _return(call: Call, message: m.CardReturnApply) -> bytes:
    balance = int(message.balance) if message.balance else None
    ask = return_card.Return(
        card_no=message.card_no,
        return_type=message.return_type,
        balance_fen=balance,
        customer=await _sealed(call, message.card_no, customer_of(message.customer)),
    )
    return await return_card.apply(call, ask, lambda: _return_script(message, call.terminal))


def _return_script(message: m.CardReturnApply, terminal: bytes) -> Script:
    """4.12: the answers to IDX_0002, IDX_0004 and IDX_2004, the last run with the whole balance, which it answers."""
    answers = responses_of(message.entries, "apdulist") if not message.answers else ()
    balance = int.from_bytes(answers[-1].data[:4], "big") if answers else 0
    init = commands.init_for_purchase(balance, terminal)
    return message.script((appendix_c.command("IDX_0002"), appendix_c.command("IDX_0004"), init))


async def _return_confirm(call: Call, message: m.CardReturnConfirm) -> bytes:
    return await return_card.confirm(call, message.card_no, message.order_no, message.reference, message.script)


async def _sealed(call: Call, card_no: str, customer: Customer | None) -> bytes | None:
    """Personal data is encrypted before it comes near the store."""
    if customer is None:
        return None
    return await call.system.hsm.seal(msgspec.json.encode(customer), f"customer of {card_no}".encode())


Run = Callable[[Call, Any], Awaitable[bytes]]

RUN: Mapping[str, Run] = {
    "cardInfoQuery": _card_info,
    "chargeOrderCreate": _create,
    "chargeOrderQuery": _query,
    "chargeOrderCancel": _cancel,
    "cardChargeRequest": _charge,
    "cardChargeConfirm": _charge_confirm,
    "chargeOrderManageRequest": _manage,
    "chargeOrderManageConfirm": _manage_confirm,
    "cardSaleRequest": _sale,
    "cardSaleConfirm": _sale_confirm,
    "cardReturnApply": _return,
    "cardReturnConfirm": _return_confirm,
}
