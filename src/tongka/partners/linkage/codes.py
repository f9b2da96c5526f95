"""The answers' codes. The document prints none; these are ours, and `0000` is success.

The first digit says whom an error concerns: 1 the message, 2 the card, 3 the trade, 4 prepaid accounts, 5 recharge
cards and passwords, 6 group cards, 9 this platform.
"""

from typing import NamedTuple

from tongka.errors import Refused, TongkaError, UnknownParty


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        errors: the `TongkaError.code` of what is told so; for parties followed by their role.
        tells: whether the error's own sentence follows the text, since it names the field and the remedy.

    """

    code: str
    text: str
    errors: tuple[str, ...]
    tells: bool = True


SUCCESS = Row("0000", "成功", (), tells=False)

ERRORS: tuple[Row, ...] = (
    Row("1001", "认证失败", ("bad_signature", "unknown_party"), tells=False),
    Row("1002", "报文格式错误", ("malformed",)),
    Row("1003", "请求过于频繁", ("too_many_requests",), tells=False),
    Row("1004", "同一交易的重复报文内容不一致", ("repeated_with_other_contents",)),
    Row("1005", "网点不存在", ("unknown_party.department",)),
    Row("1006", "终端不存在", ("unknown_party.terminal",)),
    Row("1007", "操作员不存在", ("unknown_party.operator",)),
    Row("1008", "设备不存在", ("unknown_party.device",)),
    Row("2001", "卡不存在", ("card_not_found",)),
    Row("2002", "黑名单卡", ("card_blacklisted",)),
    Row("2003", "卡状态不允许该交易", ("card_state_wrong",)),
    Row("2004", "卡号与应用序列号或订单不符", ("wrong_card",)),
    Row("2005", "MAC1 验证失败", ("mac_wrong",)),
    Row("2006", "该卡 MAC 错误次数过多", ("too_many_wrong_macs",)),
    Row("2007", "该卡类型不支持该交易", ("unsupported",)),
    Row("2008", "算法标识与卡类型不符", ("card_error",)),
    Row("2009", "密钥版本不存在", ("key_not_found",)),
    Row("2010", "卡内余额不足", ("card_holds_less",)),
    Row("3001", "订单不存在", ("order_not_found",)),
    Row("3002", "订单已充值", ("already_charged",)),
    Row("3003", "订单已取消", ("order_withdrawn",)),
    Row("3004", "金额与订单或支付不符", ("amount_differs",)),
    Row("3005", "小于最小充值金额", ("amount_too_small",)),
    Row("3006", "不是充值金额的整倍数", ("amount_not_multiple",)),
    Row("3007", "超过充值上限", ("over_maximum",)),
    Row("3008", "该卡有未完成的交易", ("needs_card_management",)),
    Row("3009", "支付流水已被使用", ("order_number_repeated",)),
    Row("4001", "商户不存在", ("unknown_party.prepaid merchant",)),
    Row("4002", "预付款余额不足", ("prepaid_insufficient",)),
    Row("4003", "业务流水已被使用", ("supply_repeated",)),
    Row("5001", "密码错误或卡不可用", ("password_wrong",), tells=False),
    Row("5002", "密码错误次数过多", ("too_many_passwords",), tells=False),
    Row("5003", "充值卡须一次用完", ("used_whole",)),
    Row("6001", "企服卡未验证", ("not_unlocked",)),
    Row("6002", "超过可充金额", ("allotment_exceeded",), tells=False),
    Row("6003", "新密码不符合规则", ("password_too_weak",)),
    Row(
        "9001",
        "系统忙，请重试",
        ("busy", "moved_meanwhile", "already_answered", "failed", "hsm_unavailable", "unknown"),
    ),
)
UNKNOWN_ERROR = Row("9999", "系统错误", (), tells=False)

ROW_OF = {error: row for row in ERRORS for error in row.errors}


def row_of(error: TongkaError) -> Row:
    row = ROW_OF.get(error.code, UNKNOWN_ERROR)
    return ROW_OF.get(f"{error.code}.{error.role}", row) if isinstance(error, UnknownParty) else row


def told(error: TongkaError) -> tuple[str, str]:
    """`ErrorCode` and `ErrorMsg`; what failed inside this platform is nobody else's business."""
    row = row_of(error)
    return row.code, f"{row.text}: {error}" if row.tells and isinstance(error, Refused) else row.text


PAYMENT_METHODS = {"01": "03", "02": "04", "03": "02"}
"""`PaymentType` (ALIPAY, TENPAY, CNUNIONPAY) as our payment methods (Alipay, WeChat, UnionPay)."""
CASH, STORED_VALUE = "01", "06"
"""Our payment methods of what is paid at a counter, and of what a stored value pays."""
