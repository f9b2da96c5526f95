"""The eleven operations of the Linkage OneCard API 1.0.1: a class for each message, each field in its own spelling.

The spellings are the document's, each operation's its own: `CarNo` and `CardNo`, `ASN` and `Asn`, `TradeID` and
`TradeId`, `Balunitno`, `BalunitNo` and `balunitno`, `TradeMoneuy`. Fields that it marks ``*`` are required; all are.
"""

from dataclasses import dataclass
from datetime import datetime

from tongka.card.purse import LoadInit, Moment, TransactionType
from tongka.errors import Malformed
from tongka.money import parse_fen
from tongka.partners.linkage import fields as f
from tongka.wire import Message, StrictMessage, spelt

UNLOAD = "03"


class Request(StrictMessage):
    """What every operation begins with."""

    domain: f.Domain = spelt("OrigionDomain")
    token: f.Token = spelt("Token")

    def channel_named(self) -> str:
        """The channel that the message names; empty where it names none."""
        return ""

    def terminal_named(self) -> str:
        return ""

    def parties_named(self) -> tuple[tuple[str, str], ...]:
        """Role and number of everybody that the message names besides."""
        return ()

    def card_named(self) -> str:
        """The card whose load is asked for."""
        return ""

    def trade_named(self) -> str:
        """The TradeID of a load."""
        return ""

    def memory(self) -> str:
        """Names what a card's one answer was used for, so that a replay is known; empty where nothing is moved."""
        return ""


class Exchange(Request):
    """What a card answered to INIT, and the moment that goes into MAC2: in every operation that answers one."""

    terminal: f.Hex12 = spelt("TermNo")
    card_no: f.CardNo = spelt("CardNo")
    card_type: f.Hex2 = spelt("CardType")
    random: f.Hex8 = spelt("RndNumber2")
    online_atc: f.Hex4 = spelt("CardTradeNo")
    balance: f.Fen = spelt("CardOldBal")
    amount: f.Fen = spelt("TradeMoney")
    trade_type: f.TradeType = spelt("TradeType")
    key_version: f.Hex2 = spelt("KeyVersion")
    algorithm: f.Hex2 = spelt("ArithIndex")
    mac1: f.Hex8 = spelt("Mac1")
    date: f.Date = spelt("HostDate")
    time: f.Time = spelt("HostTime")

    def terminal_named(self) -> str:
        return self.terminal.upper()

    def parties_named(self) -> tuple[tuple[str, str], ...]:
        return (("terminal", self.terminal_named()),)

    def card_named(self) -> str:
        return self.card_no

    def init(self) -> LoadInit:
        """The INIT and its answer.

        Raises:
            Malformed: an amount is more than four bytes can hold, or nothing.

        """
        return LoadInit(
            amount=parse_fen(self.amount, "TradeMoney"),
            terminal=bytes.fromhex(self.terminal),
            balance=parse_fen(self.balance, "CardOldBal", minimum=0),
            online_atc=int(self.online_atc, 16),
            key_version=int(self.key_version, 16),
            algorithm=int(self.algorithm, 16),
            random=bytes.fromhex(self.random),
            mac1=bytes.fromhex(self.mac1),
            kind=TransactionType.UNLOAD if self.trade_type == UNLOAD else TransactionType.EP_LOAD,
        )

    def moment(self) -> Moment:
        """The terminal's date and time; they go into MAC2 and the card's log, and nowhere else.

        Raises:
            Malformed: there is no such moment.

        """
        try:
            return Moment.of(datetime.strptime(self.date + self.time, "%Y%m%d%H%M%S"))  # noqa: DTZ007 - as it is
        except ValueError:
            raise Malformed("HostDate", "with HostTime must be a moment, YYYYMMDD and HHMMSS") from None

    def note(self) -> str:
        """Who asked for it and how, for the audit; nobody's personal data."""
        return f"TermNo={self.terminal} TradeType={self.trade_type}"

    def _at_card(self, name: str) -> str:
        return f"{name}|{self.random.upper()}|{self.online_atc.upper()}"


class Verify(Request):
    """/tuxedo/alverify 卡片有效性检验."""

    card_no: f.CardNo = spelt("CarNo")
    balance: f.Fen = spelt("CardOldBal")
    online_atc: f.Hex4 = spelt("CardTradeNo")

    def card_named(self) -> str:
        return self.card_no


class Authorise(Exchange):
    """/tuxedo/mac1authal 充值认证."""

    trade_id: f.Name = spelt("TradeID")
    channel: f.Name = spelt("ChannelNo")
    card_no: f.CardNo = spelt("CarNo")
    asn: f.Asn = spelt("ASN")
    payment_type: f.PaymentType = spelt("PaymentType")
    payer: f.Long = spelt("AccountNo")
    payment_id: f.Name = spelt("PaymentTradeID")
    mode: f.OperateMode = spelt("OperateMode")
    phone_model: f.Long = spelt("PhoneModel")
    address: f.Long = spelt("LinkAddr")

    def channel_named(self) -> str:
        return self.channel

    def trade_named(self) -> str:
        return self.trade_id

    def memory(self) -> str:
        return self._at_card(self.trade_id)

    def note(self) -> str:
        return f"{super().note()} OperateMode={self.mode} PhoneModel={self.phone_model} LinkAddr={self.address}"


class Now(Request):
    """/tuxedo/now 时间获取."""

    channel: f.Name = spelt("ChannelNo")

    def channel_named(self) -> str:
        return self.channel


class PrepaySupply(Request):
    """/prepay/supply 商户预付款账户充值."""

    trade_id: f.Name = spelt("TradeID")
    amount: f.Fen = spelt("TradeMoney")
    merchant: f.Name = spelt("Balunitno")


class AccountTransfer(Exchange):
    """/prepay/accttranssupply 预付款账户给卡面充值."""

    trade_id: f.Name = spelt("TradeId")
    merchant: f.Name = spelt("BalunitNo")
    device: f.Name = spelt("DeviceNo")
    asn: f.Asn = spelt("Asn")

    def trade_named(self) -> str:
        return self.trade_id

    def memory(self) -> str:
        return self._at_card(self.trade_id)

    def parties_named(self) -> tuple[tuple[str, str], ...]:
        return (*super().parties_named(), ("device", self.device))

    def note(self) -> str:
        return f"{super().note()} BalunitNo={self.merchant} DeviceNo={self.device}"


class PasswordCheck(Request):
    """/recharcard/pwcheck 充值卡验证."""

    password: f.Tac = spelt("Tac")


class AtCounter(Exchange):
    """What the operations at counters have besides."""

    network: f.Name = spelt("DeptNo")
    operator: f.Name = spelt("OperNo")

    def memory(self) -> str:
        return self._at_card(self.card_no)

    def parties_named(self) -> tuple[tuple[str, str], ...]:
        return (("department", self.network), *super().parties_named(), ("operator", self.operator))

    def note(self) -> str:
        return f"{super().note()} DeptNo={self.network} OperNo={self.operator}"


class RechargeSupply(AtCounter):
    """/recharcard/supply 充值卡交易认证与提交."""

    asn: f.Asn = spelt("Asn")
    password: f.Tac = spelt("Tac")


class CardSupply(AtCounter):
    """/card/supply 现金及银行转账充值."""

    asn: f.Asn = spelt("ASN")


class GroupSupply(AtCounter):
    """/group/supply 企服卡交易认证及提交."""

    asn: f.Asn = spelt("ASN")


class GroupPasswordChange(Request):
    """/group/pwmodify 企服卡口令修改. The document forgets the new password; `NewPass` is ours."""

    card_no: f.CardNo = spelt("CardNo")
    old: f.Password = spelt("OldPass")
    new: f.Password = spelt("NewPass")


class GroupVerify(Request):
    """/group/verify 验证以及可冲金额获取. `ASN` holds the card's number."""

    card_no: f.CardNo = spelt("ASN")
    password: f.Password = spelt("PassWord")


# --- answers ----------------------------------------------------------------------------------------------------------


class Answer(Message):
    """What every answer begins with; a refusal has nothing else."""

    code: str = spelt("ErrorCode")
    text: str = spelt("ErrorMsg")


class Trade(Answer):
    """`amount` is 0 for a new trade, which gets its amount with MAC1."""

    trade_id: str = spelt("TradeID")
    amount: str = spelt("TradeMoney")


class Mac2(Answer):
    """For the CREDIT FOR LOAD (or DEBIT FOR UNLOAD) with the date and time that the request named."""

    mac2: str = spelt("Mac2")


class HostTime(Answer):
    """Asia/Shanghai."""

    date: str = spelt("HostDate")
    time: str = spelt("HostTime")


class PrepaidBalance(Answer):
    """The spelling is the document's."""

    merchant: str = spelt("balunitno")
    balance: str = spelt("balance")


class Amount(Answer):
    """What a recharge card is worth."""

    amount: str = spelt("TradeMoney")


class GroupAmount(Answer):
    """What is left for a group card, in the document's spelling and in the right one."""

    amount_as_printed: str = spelt("TradeMoneuy")
    amount: str = spelt("TradeMoney")


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the eleven: where it is posted, what it is sent and what it answers."""

    path: str
    title: str
    request: type[Request]
    answer: type[Answer]


OPERATIONS: dict[str, Operation] = {
    row.path: row
    for row in (
        Operation("/tuxedo/alverify", "卡片有效性检验", Verify, Trade),
        Operation("/tuxedo/mac1authal", "充值认证", Authorise, Mac2),
        Operation("/tuxedo/now", "时间获取", Now, HostTime),
        Operation("/prepay/supply", "商户预付款账户充值", PrepaySupply, PrepaidBalance),
        Operation("/prepay/accttranssupply", "预付款账户给卡面充值认证与提交", AccountTransfer, Mac2),
        Operation("/recharcard/pwcheck", "充值卡验证", PasswordCheck, Amount),
        Operation("/recharcard/supply", "充值卡交易认证与提交", RechargeSupply, Mac2),
        Operation("/card/supply", "现金及银行转账充值认证交易提交", CardSupply, Mac2),
        Operation("/group/supply", "企服卡交易认证及提交", GroupSupply, Mac2),
        Operation("/group/pwmodify", "企服卡口令修改", GroupPasswordChange, Answer),
        Operation("/group/verify", "验证以及可充金额获取", GroupVerify, GroupAmount),
    )
}
"""By path, in the document's order."""
