"""What a journey came to, in Huzhou's words: result code, text and the operation's data."""

from collections.abc import Callable, Mapping
from typing import Any

from tongka.card.files import File05, File15, File17
from tongka.card.reading import CardReading
from tongka.days import ZONE
from tongka.errors import TongkaError
from tongka.journeys.call import Outcome, Verdict
from tongka.journeys.card_info import CardFacts
from tongka.partners.huzhou import messages as m
from tongka.partners.huzhou.codes import (
    CARD_STATES,
    CHANNELS,
    INIT_FLAGS,
    ORDER_STATES,
    ORDER_TYPES,
    PAYMENT_METHODS,
    RESULTS,
    Row,
    result_of,
    text_of,
)
from tongka.partners.huzhou.fields import hex_list
from tongka.store.orders import Order
from tongka.wire import Message

_CODES: Mapping[Verdict, str] = {
    Verdict.DONE: "000000",
    Verdict.CREDITED: "000154",
    Verdict.NOT_CREDITED: "000152",
    Verdict.CLERK: "000155",
}
VERDICTS: Mapping[Verdict, Row] = {verdict: Row(code, text_of(RESULTS, code)) for verdict, code in _CODES.items()}
"""How card management tells its outcome (4.8)."""

PAYMENT_STATES = (Row("1", "已支付"), Row("0", "未支付"))
"""4.3.2 prints no list; these are ours."""

HOLDER_TYPES = (
    Row("01", "普通卡"),
    Row("02", "学生卡"),
    Row("03", "老人卡"),
    Row("04", "测试卡"),
    Row("05", "军人卡"),
)
"""Card type of file 17 (ministry of transport)."""


def answer_of(operation: m.Operation, outcome: Outcome) -> tuple[str, str, Message | None]:
    """`result`, `resultdesc` and `data` of an answer."""
    verdict = VERDICTS[outcome.verdict]
    build = DATA.get(operation.name)
    return verdict.code, verdict.text, build(outcome) if build else None


def refusal_of(error: TongkaError) -> tuple[str, str, None]:
    """`result` and `resultdesc` of an answer that says no; it has no data."""
    code, text = result_of(error)
    return code, text, None


def _times(outcome: Outcome) -> dict[str, Any]:
    """The moment is the released command's where there is one: the card is given that date."""
    local = outcome.at.astimezone(ZONE)
    date, time = f"{local:%Y%m%d}", f"{local:%H%M%S}"
    if outcome.commands and outcome.order and outcome.order.moment and outcome.order.command:
        date, time = outcome.order.moment[:4].hex(), outcome.order.moment[4:].hex()
    return {"time": time, "date": date, "settlement_date": f"{outcome.settlement_date:%Y%m%d}"}


def _script(outcome: Outcome) -> dict[str, Any]:
    return {
        "order_no": _order(outcome).order_no,
        "count": str(len(outcome.commands)),
        "commands": hex_list(outcome.commands),
    }


def _order(outcome: Outcome) -> Order:
    if outcome.order is None:
        raise AssertionError("this operation's outcome has an order")
    return outcome.order


def _charge_commands(outcome: Outcome) -> Message:
    return m.ChargeCommands(**_times(outcome), **_script(outcome))


def _card_commands(outcome: Outcome) -> Message:
    return m.CardCommands(**_times(outcome), **_script(outcome), reference=_order(outcome).reference)


def _return_commands(outcome: Outcome) -> Message:
    order = _order(outcome)
    return m.ReturnCommands(
        **_times(outcome), **_script(outcome), reference=order.reference, amount=str(order.amount_fen)
    )


def _sold(outcome: Outcome) -> Message:
    order = _order(outcome)
    deposit = str(order.amount_fen)
    return m.CardSold(**_times(outcome), reference=order.reference, deposit=deposit, deposit_due=deposit)


def _returned(outcome: Outcome) -> Message:
    order = _order(outcome)
    return m.CardReturned(**_times(outcome), reference=order.reference, order_no=order.order_no)


def _page(outcome: Outcome) -> Message:
    number, size, total, orders = outcome.detail
    return m.OrderPage(
        page=number, page_size=size, total=total, pages=-(-total // size), orders=tuple(_row(order) for order in orders)
    )


def _row(order: Order) -> m.OrderRow:
    created, moved = order.created_at.astimezone(ZONE), order.moved_at.astimezone(ZONE)
    method = text_of(PAYMENT_METHODS, order.payment_method)
    paid = "1" if order.paid else "0"
    return m.OrderRow(
        order_no=order.order_no,
        card_no=order.card_no,
        state=order.state.value,
        state_text=text_of(ORDER_STATES, order.state.value),
        amount=str(order.amount_fen),
        created_date=f"{created:%Y%m%d}",
        created_time=f"{created:%H%M%S}",
        moved_date=f"{moved:%Y%m%d}",
        moved_time=f"{moved:%H%M%S}",
        order_type=order.order_type,
        order_type_text=text_of(ORDER_TYPES, order.order_type),
        channel=order.channel,
        channel_text=text_of(CHANNELS, order.channel),
        payment_method=order.payment_method,
        payment_method_text=method,
        payment_method_text_again=method,
        payment_state=paid,
        payment_state_text=text_of(PAYMENT_STATES, paid),
    )


def _card_info(outcome: Outcome) -> Message:
    facts: CardFacts = outcome.detail
    profile, file15, row = facts.card.profile, facts.reading.file15, facts.card.row
    kind = _holder_type(facts.reading)
    flag = f"{file15.enable_flag:02X}"
    sold = row.sold_on or file15.valid_from
    return m.CardInfo(
        card_no=facts.card.card_no,
        face_no=_face_number(facts.reading) or facts.card.card_no,
        status=facts.status,
        status_text=text_of(CARD_STATES, facts.status),
        card_type=kind,
        card_type_name=text_of(HOLDER_TYPES, kind) or profile.label,
        init_flag=flag,
        init_flag_text=text_of(INIT_FLAGS, flag),
        sale_date=f"{sold:%Y%m%d}" if sold else "",
        valid_date=_valid_date(file15),
        charge_base=str(profile.charge_base_fen),
        charge_min=str(profile.topup_min_fen),
        charge_max=str(profile.largest_topup_fen(facts.balance_fen)),
        balance_max=str(profile.wallet_max_fen),
        balance=str(facts.balance_fen),
    )


def _valid_date(file15: File15) -> str:
    return f"{file15.valid_to:%Y%m%d}" if file15.valid_to else ""


def _holder_type(reading: CardReading) -> str:
    file17: File17 | None = reading.file17
    return f"{file17.card_type:02X}" if file17 else "01"


def _face_number(reading: CardReading) -> str:
    file05: File05 | None = reading.file05
    return file05.face_number if file05 else ""


DATA: Mapping[str, Callable[[Outcome], Message]] = {
    "cardInfoQuery": _card_info,
    "chargeOrderCreate": _charge_commands,
    "chargeOrderQuery": _page,
    "cardChargeRequest": _charge_commands,
    "cardChargeConfirm": lambda outcome: m.Done(**_times(outcome)),
    "chargeOrderManageRequest": lambda outcome: m.ManageCommands(**_script(outcome)),
    "chargeOrderManageConfirm": lambda outcome: m.Managed(**_times(outcome), state=_order(outcome).state.value),
    "cardSaleRequest": _card_commands,
    "cardSaleConfirm": _sold,
    "cardReturnApply": _return_commands,
    "cardReturnConfirm": _returned,
}
"""How each operation's data is made; cancelling answers none."""
