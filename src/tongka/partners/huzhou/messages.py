"""What the Huzhou card front and its clients say: the envelope and the twelve operations, every field as printed.

Source: Huzhou card front V1.1.1, clause 2.4 (envelope) and chapter 4; the clause stands in each docstring.
"""

from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from tongka.card.apdu import Command
from tongka.card.script import Script
from tongka.errors import Malformed
from tongka.money import Fen, parse_fen
from tongka.partners.huzhou.fields import (
    Amount,
    Balance,
    CardNo,
    ChargeType,
    Code,
    CustInfo,
    Date,
    HexList,
    Name,
    Remark,
    Time,
    paired,
    responses_of,
    script_of,
)
from tongka.wire import Count, Message, as_count, spelt

PAGE_SIZE_MAX = 20


class Request(Message):
    """2.4: what every request carries. `data` is read apart; `sign` is the codec's business."""

    institution: Name = spelt("joininstid")
    serial: Name = spelt("joininstssn")
    area: Code = spelt("areaflag")
    date: Date = spelt("reqdate")
    time: Time = spelt("reqtime")
    partner: Name = spelt("instid")
    merchant: Name = spelt("mchntid")
    network: Name = spelt("netid")
    terminal: Name = spelt("termid")
    terminal_serial: Name = spelt("termseq")
    operator: Name = spelt("oprid")
    batch: Name = spelt("batchno")
    channel: Code = spelt("chnlid")


class Answer(Message):
    """2.5: what every answer carries."""

    result: Annotated[str, Meta(min_length=6, max_length=6, description="a result code, 6 characters")] = spelt(
        "result"
    )
    text: str = spelt("resultdesc")


# --- parts that several operations share ------------------------------------------------------------------------------


class _Answers(Message):
    """4.10 to 4.13: `apdulist` holds the card's answers; if `apduresp` is present, it holds the commands.

    `custinfo` is personal data and may be a text: these messages never print more than the card's number.
    """

    card_no: CardNo = spelt("cardno")
    customer: CustInfo | None = spelt("custinfo", None)
    count: Count | None = spelt("apdunum", None)
    entries: HexList | None = spelt("apdulist", None)
    answers: HexList | None = spelt("apduresp", None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(card_no={self.card_no!r}, …)"

    @property
    def has_answers(self) -> bool:
        return bool(self.entries)

    def script(self, expected: tuple[Command, ...]) -> Script:
        """The answers beside the commands, which are those `expected` unless the message brings them.

        Raises:
            Malformed: an entry is no hex, no command or no answer.
            CardAnswersMissing: a part is missing, or the numbers do not match (000026).

        """
        if self.answers:
            return script_of(self.count, self.entries, self.answers)
        return paired(self.count, expected, responses_of(self.entries, "apdulist"))


class _Charge(Message):
    """The fields that 4.2 and 4.5 to 4.8 have in common."""

    card_no: CardNo = spelt("cardno")
    charge_type: ChargeType = spelt("chargetype")
    payment_method: Code = spelt("paytype")
    payment_order: Remark | None = spelt("payorderno", None)
    amount_text: Amount = spelt("txnamt")

    @property
    def amount(self) -> Fen:
        """`txnamt` in fen.

        Raises:
            Malformed: zero, or more than four bytes can hold.

        """
        return parse_fen(self.amount_text, "txnamt")


class OrderCharge(_Charge):
    """The fields of 4.7, and of 4.5, 4.6 and 4.8 without their script."""

    order_no: Name = spelt("orderno")


class RunCharge(OrderCharge):
    """An order, and the commands that its card ran."""

    count: Count | None = spelt("apdunum", None)
    commands: HexList | None = spelt("apdulist", None)
    answers: HexList | None = spelt("apduresp", None)

    def script(self) -> Script:
        """The commands with their answers; see `script_of` for the errors."""
        return script_of(self.count, self.commands, self.answers)


class _Times(Message):
    """When the order last moved, and the day on which it is settled."""

    time: str = spelt("txntime")
    date: str = spelt("txndate")
    settlement_date: str = spelt("settdate")


class _TimedCommands(_Times):
    """Commands for the card to run next. We write both fields as text; from others every form is read."""

    order_no: str = spelt("orderno")
    count: Count = spelt("apdunum")
    commands: HexList = spelt("apdulist")


# --- the operations ---------------------------------------------------------------------------------------------------


class CardInfoQuery(Message):
    """4.1.1, printed again as 4.9.1."""

    count: Count = spelt("apdunum")
    commands: HexList = spelt("apdulist")
    answers: HexList = spelt("apduresp")

    def script(self) -> Script:
        """The commands with their answers; see `script_of` for the errors."""
        return script_of(self.count, self.commands, self.answers)


class CardInfo(Message):
    """4.1.2, printed again as 4.9.2; amounts in fen."""

    card_no: str = spelt("cardno")
    face_no: str = spelt("cardfaceno")
    status: str = spelt("cardstatus")
    status_text: str = spelt("cardstatusdesc")
    card_type: str = spelt("cardtype")
    card_type_name: str = spelt("cardtypename")
    init_flag: str = spelt("initflag")
    init_flag_text: str = spelt("initflagdesc")
    sale_date: str = spelt("cardsaledate")
    valid_date: str = spelt("cardvaldate")
    charge_base: str = spelt("chargebase")
    charge_min: str = spelt("minsvamt")
    charge_max: str = spelt("maxsvamt")
    balance_max: str = spelt("walletmaxbal")
    balance: str = spelt("cardbal")


class ChargeOrderCreate(_Charge):
    """4.2.1."""


class ChargeCommands(_TimedCommands):
    """4.2.2 and 4.5.2."""


class ChargeOrderQuery(Message):
    """4.3.1."""

    card_no: CardNo = spelt("cardno")
    order_no: Remark | None = spelt("orderno", None)
    order_state: Annotated[str, Meta(max_length=1, description="an order state, 1 character")] | None = spelt(
        "orderstate", None
    )
    page_size_text: Count = spelt("recnumperpage")
    page_text: Count = spelt("currpage")
    order_by: Annotated[Literal["0", "1", ""], Meta(description="0 (descending) or 1 (ascending)")] | None = spelt(
        "orderby", None
    )

    @property
    def page_size(self) -> int:
        """At least 1; more than the document's 20 is taken as 20."""
        return min(_positive(self.page_size_text, "recnumperpage"), PAGE_SIZE_MAX)

    @property
    def page(self) -> int:
        return _positive(self.page_text, "currpage")

    @property
    def ascending(self) -> bool:
        return self.order_by == "1"


def _positive(value: int | str, field: str) -> int:
    if (count := as_count(value)) < 1:
        raise Malformed(field, "counts from 1")
    return count


class OrderRow(Message):
    """4.3.2, one entry of `orderlist`. `paytypedessc` is printed so; the likely spelling goes out beside it."""

    order_no: str = spelt("orderno")
    card_no: str = spelt("cardno")
    state: str = spelt("orderstate")
    state_text: str = spelt("orderstatedesc")
    amount: str = spelt("orderamt")
    created_date: str = spelt("orderdate")
    created_time: str = spelt("ordertime")
    moved_date: str | None = spelt("txndate", None)
    moved_time: str | None = spelt("txntime", None)
    order_type: str = spelt("ordertype")
    order_type_text: str = spelt("ordertypedesc")
    channel: str = spelt("chnlid")
    channel_text: str = spelt("chnliddesc")
    payment_method: str = spelt("paytype")
    payment_method_text: str = spelt("paytypedessc")
    payment_method_text_again: str = spelt("paytypedesc")
    payment_state: str = spelt("paystate")
    payment_state_text: str = spelt("paystatedesc")


class OrderPage(Message):
    """4.3.2; the counts are numbers."""

    page: int = spelt("currpage")
    page_size: int = spelt("recnumperpage")
    total: int = spelt("totalnum")
    pages: int = spelt("totalpage")
    orders: tuple[OrderRow, ...] = spelt("orderlist")


class ChargeOrderCancel(Message):
    """4.4.1; the answer has no data."""

    card_no: CardNo = spelt("cardno")
    order_no: Remark | None = spelt("orderno", None)


class CardChargeRequest(RunCharge):
    """4.5.1, with the answers to the commands of 4.2.2, for MAC1 must travel."""


class CardChargeConfirm(RunCharge):
    """4.6.1."""


class Done(_Times):
    """4.6.2."""


class ChargeOrderManageRequest(OrderCharge):
    """4.7.1."""


class ManageCommands(Message):
    """4.7.2."""

    order_no: str = spelt("orderno")
    count: Count = spelt("apdunum")
    commands: HexList = spelt("apdulist")


class ChargeOrderManageConfirm(RunCharge):
    """4.8.1."""


class Managed(_Times):
    """4.8.2, with the order's state; the outcome itself is the result code (000152, 000154, 000155)."""

    state: str | None = spelt("orderstate", None)


class CardSaleRequest(_Answers):
    """4.10.1: the answers to IDX_0002, IDX_0004 and IDX_1001."""

    real_name: Annotated[Literal["Y", "N"], Meta(description="Y or N")] = spelt("realnameflag")
    payment_method: Code = spelt("paytype")
    payment_order: Remark | None = spelt("payorderno", None)


class CardCommands(_TimedCommands):
    """4.10.2."""

    reference: str = spelt("refnum")


class CardSaleConfirm(_Answers):
    """4.11.1."""

    card_result: Annotated[Literal["00", "01"], Meta(description="00 (done) or 01 (failed)")] = spelt("cardresult")
    real_name: Annotated[Literal["Y", "N"], Meta(description="Y or N")] = spelt("realnameflag")
    payment_method: Code = spelt("paytype")
    payment_order: Remark | None = spelt("payorderno", None)
    order_no: Name = spelt("orderno")
    reference: Name = spelt("refnum")


class CardSold(_Times):
    """4.11.2."""

    reference: str = spelt("refnum")
    deposit: str = spelt("cardpdpt")
    deposit_due: str = spelt("orgicardpdpt")


class CardReturnApply(_Answers):
    """4.12.1: the answers to IDX_0002, IDX_0004 and IDX_2004; none for a bad card."""

    return_type: Annotated[Literal["0", "1"], Meta(description="0 (good card) or 1 (bad card)")] = spelt("returntype")
    balance: Balance | None = spelt("cardbal", None)


class ReturnCommands(CardCommands):
    """4.12.1.1."""

    amount: str = spelt("returnamt")


class CardReturnConfirm(_Answers):
    """4.13.1."""

    reference: Name = spelt("refnum")
    order_no: Name = spelt("orderno")


class CardReturned(_Times):
    """4.13.2."""

    reference: str = spelt("refnum")
    order_no: str = spelt("orderno")


class Operation(NamedTuple):
    """One of the twelve: where it is posted, what is asked and what is answered."""

    name: str
    clause: str
    title: str
    request: type[Message]
    answer: type[Message] | None

    @property
    def path(self) -> str:
        return f"/{self.name}/V1"


OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("cardInfoQuery", "4.1", "卡信息查询", CardInfoQuery, CardInfo),
        Operation("chargeOrderCreate", "4.2", "订单创建", ChargeOrderCreate, ChargeCommands),
        Operation("chargeOrderQuery", "4.3", "订单查询", ChargeOrderQuery, OrderPage),
        Operation("chargeOrderCancel", "4.4", "订单取消", ChargeOrderCancel, None),
        Operation("cardChargeRequest", "4.5", "卡充值请求", CardChargeRequest, ChargeCommands),
        Operation("cardChargeConfirm", "4.6", "卡充值确认", CardChargeConfirm, Done),
        Operation("chargeOrderManageRequest", "4.7", "订单管理请求", ChargeOrderManageRequest, ManageCommands),
        Operation("chargeOrderManageConfirm", "4.8", "订单管理确认", ChargeOrderManageConfirm, Managed),
        Operation("cardSaleRequest", "4.10", "激活请求", CardSaleRequest, CardCommands),
        Operation("cardSaleConfirm", "4.11", "激活确认", CardSaleConfirm, CardSold),
        Operation("cardReturnApply", "4.12", "退卡请求", CardReturnApply, ReturnCommands),
        Operation("cardReturnConfirm", "4.13", "退资确认", CardReturnConfirm, CardReturned),
    )
}


def operation_for(name: str, data: dict[str, Any]) -> Operation | None:
    """The operation asked for under a path's name; None for an unknown name.

    4.3 and 4.4 are printed under the path of 4.2 by mistake. Whoever follows the print is understood by what is sent:
    `recnumperpage` makes it a query, no `txnamt` a cancellation.
    """
    if name == "chargeOrderCreate" and "recnumperpage" in data:
        name = "chargeOrderQuery"
    elif name == "chargeOrderCreate" and "txnamt" not in data:
        name = "chargeOrderCancel"
    return OPERATIONS.get(name)
