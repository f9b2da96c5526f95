"""The open gateway's code lists: what it answers for the common parameters, and for the business inside."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from tongka.errors import Refused
from tongka.settlement import Refusal, Why


class Row(NamedTuple):
    """An answer's code and its text."""

    code: str
    msg: str


SUCCESS = Row("10000", "Success")
UNAVAILABLE = Row("20000", "Service Currently Unavailable")
TOKEN = Row("20001", "Insufficient Token Permissions")
MISSING = Row("40001", "Missing Required Arguments")
INVALID = Row("40002", "Invalid Arguments")
UNCONFIGURED = Row("40003", "Insufficient Conditions")
BUSINESS_FAILED = Row("40004", "Business Failed")
LIMITED = Row("40005", "Call Limited")
NO_PERMISSION = Row("40006", "Insufficient Permissions")


class SubRow(NamedTuple):
    """A sub_code under its code, with the text for people."""

    under: Row
    text: str


COMMON: Mapping[str, SubRow] = {
    "isp.unknow-error": SubRow(UNAVAILABLE, "服务暂不可用"),
    "aop.invalid-auth-token": SubRow(TOKEN, "无效的访问令牌"),
    "aop.invalid-app-auth-token": SubRow(TOKEN, "无效的应用授权令牌"),
    "isv.missing-method": SubRow(MISSING, "缺少方法名参数"),
    "isv.missing-signature": SubRow(MISSING, "缺少签名参数"),
    "isv.missing-app-id": SubRow(MISSING, "缺少appId参数"),
    "isv.missing-timestamp": SubRow(MISSING, "缺少时间戳参数"),
    "isv.missing-version": SubRow(MISSING, "缺少版本参数"),
    "isv.invalid-parameter": SubRow(INVALID, "参数无效"),
    "isv.invalid-signature": SubRow(INVALID, "无效签名"),
    "isv.invalid-method": SubRow(INVALID, "不存在的方法名"),
    "isv.invalid-format": SubRow(INVALID, "无效的数据格式"),
    "isv.invalid-signature-type": SubRow(INVALID, "无效的签名类型"),
    "isv.invalid-encrypt-type": SubRow(INVALID, "无效的加密类型"),
    "isv.invalid-app-id": SubRow(INVALID, "无效的appId参数"),
    "isv.invalid-timestamp": SubRow(INVALID, "非法的时间戳参数"),
    "isv.invalid-charset": SubRow(INVALID, "字符集错误"),
    "isv.invalid-app-cert-sn": SubRow(INVALID, "无效的应用公钥证书序列号"),
    "isv.invalid-alipay-root-cert-sn": SubRow(INVALID, "无效的根证书序列号"),
    "isv.missing-signature-config": SubRow(UNCONFIGURED, "应用未配置对应签名算法的公钥或者证书"),
    "isv.app-call-limited": SubRow(LIMITED, "应用调用次数超限"),
    "isv.insufficient-isv-permissions": SubRow(NO_PERMISSION, "ISV权限不足"),
}
"""Gateway errors that concern the common parameters. `unknow` is the gateway's own spelling."""


class CommonRefused(Refused):
    """The common parameters are refused: a row of `COMMON`, and what to say beside its text."""

    code = "gateway_common_refused"

    def __init__(self, sub_code: str, detail: str = "") -> None:
        self.sub_code = sub_code
        self.row = COMMON[sub_code].under
        self.sub_msg = ": ".join(filter(None, (COMMON[sub_code].text, detail)))
        super().__init__(self.sub_msg)


class SubCode(StrEnum):
    """The document's codes of a method (4.2.1.7, 4.2.2.7, 4.2.3.7, 4.2.4.7), under 40004."""

    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    ILLEGAL_PARAMS = "ILLEGAL_PARAMS"
    NO_RIGHT = "NO_RIGHT"


SUB_TEXTS: Mapping[SubCode, str] = {
    SubCode.FAIL: "业务处理失败",
    SubCode.UNKNOWN: "系统未知异常",
    SubCode.ILLEGAL_PARAMS: "请求参数错误",
    SubCode.NO_RIGHT: "无权限使用接口",
}

CARD_ERRORS: Mapping[str, tuple[str, str]] = {
    "virtual_card_missing": ("CARD_NOT_EXIST", "卡片不存在"),
    "virtual_card_taken": ("CARD_NO_TAKEN", "卡号已属于其他用户"),
    "stale_update": ("STALE_UPDATE", "已有更新的卡信息"),
    "rider_unknown": ("USER_NOT_EXIST", "用户不存在"),
    "card_type_unknown": ("CARD_TYPE_NOT_EXIST", "卡类型未注册"),
}
"""sub_error_code of virtualcard.send and its text, by the code of our refusal."""


class TradeRow(NamedTuple):
    """A trade's error_code and its error_message."""

    error_code: str
    text: str


TRADE_ERRORS: Mapping[Why, TradeRow] = {
    Why.FORM: TradeRow("ILLEGAL_PARAMS", "交易参数错误"),
    Why.SELLER_UNKNOWN: TradeRow("SELLER_NOT_EXIST", "收款方账号不存在"),
    Why.TRADE_TOO_OLD: TradeRow("TRADE_EXPIRED", "超过最长结算时间"),
    Why.TRADE_FROM_FUTURE: TradeRow("TRADE_TIME_ILLEGAL", "交易时间晚于当前时间"),
    Why.RECORD_BROKEN: TradeRow("RECORD_ILLEGAL", "脱机记录无效"),
    Why.RECORD_FROM_FUTURE: TradeRow("RECORD_TIME_ILLEGAL", "脱机记录时间晚于当前时间"),
    Why.CODE_REFUSED: TradeRow("QRCODE_ILLEGAL", "脱机记录中的二维码无效"),
    Why.USER_DIFFERS: TradeRow("USER_NOT_MATCH", "交易用户与二维码用户不一致"),
    Why.RECORDS_ALIKE: TradeRow("RECORD_REPEATED", "同一交易的脱机记录重复"),
    Why.RIDER_UNKNOWN: TradeRow("USER_NOT_EXIST", "用户不存在"),
    Why.OTHER_CONTENTS: TradeRow("OUT_TRADE_NO_REPEATED", "外部交易号重复且内容不一致"),
    Why.CODE_SETTLED: TradeRow("QRCODE_SETTLED", "二维码已结算"),
    Why.RECORD_SETTLED: TradeRow("RECORD_SETTLED", "脱机记录已结算"),
    Why.MONEY_SHORT: TradeRow("BALANCE_NOT_ENOUGH", "余额不足"),
    Why.NOT_KNOWN: TradeRow("UNKNOWN", "系统未知异常"),
}
"""error_code of a trade's result. Where the code itself was refused, its name in 4.1.5 is told instead."""


def trade_error(refusal: Refusal) -> tuple[str, str]:
    """error_code and error_message of a refused trade."""
    row = TRADE_ERRORS[refusal.why]
    return refusal.reason or row.error_code, ": ".join(filter(None, (row.text, refusal.text)))[:128]
