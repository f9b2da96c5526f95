"""The code lists of the Huzhou card front V1.1.1, as printed, and how our refusals are told in them.

Appendix D prints 000071 and 000159 twice, each time with another text; both rows are kept. 000061 breaks inside its
text. The document calls three of its appendices E; they are named by what they list.
"""

from typing import NamedTuple

from tongka.errors import Refused, TongkaError, UnknownParty


class Row(NamedTuple):
    """One row of a code list."""

    code: str
    text: str


RESULTS: tuple[Row, ...] = (  # appendix D
    Row("000000", "成功"),
    Row("000001", "商户授权额度信息未找到"),
    Row("000002", "机构未签退"),
    Row("000003", "签退失败"),
    Row("000004", "没有对应的卡号段申请记录"),
    Row("000005", "此凭证状态错误"),
    Row("000006", "未查询到终端转换数据"),
    Row("000007", "未查询到终端转换信息"),
    Row("000008", "终端流水号累加失败"),
    Row("000009", "保护密钥索引不存在"),
    Row("000010", "终端主密钥不存在"),
    Row("000011", "MAC 密钥不存在"),
    Row("000012", "签到更新失败"),
    Row("000013", "未查询结算日期"),
    Row("000014", "获取 txninfo 信息为空"),
    Row("000015", "卡号段表资源忙"),
    Row("000016", "机构不存在"),
    Row("000017", "商户不存在"),
    Row("000018", "终端不存在"),
    Row("000019", "必须要检查终端"),
    Row("000020", "MAC 验证失败"),
    Row("000021", "没有找到私钥密钥索引"),
    Row("000022", "卡号不存在"),
    Row("000023", "MAC 验证失败(主机)"),
    Row("000024", "没有查询到卡号"),
    Row("000025", "COS 版本不存在"),
    Row("000026", "APDU 结果数量不正确"),
    Row("000027", "APDU 执行结果错误"),
    Row("000028", "卡号分配表更新失败"),
    Row("000029", "应用下载序号不正确"),
    Row("000030", "卡片认证失败"),
    Row("000031", "卡片 MAC1 验证失败(主机)"),
    Row("000032", "个人化序号不正确"),
    Row("000033", "金额为0,不能注销"),
    Row("000034", "卡片随机数不正确"),
    Row("000035", "ATS 长度不足 16 位"),
    Row("000036", "ik 密钥错误"),
    Row("000037", "获取卡片密钥错误"),
    Row("000038", "黑名单卡,拒绝交易"),
    Row("000039", "订单不存在"),
    Row("000040", "订单状态非法"),
    Row("000041", "超过卡片充值上限"),
    Row("000042", "查询订单表资源忙"),
    Row("000043", "卡片 TAC 错(主机)"),
    Row("000044", "卡操作(有效期延期)序号不正确"),
    Row("000045", "卡操作(黑名单锁卡)序号不正确"),
    Row("000046", "日切状态不正确"),
    Row("000047", "清算日期转换错误"),
    Row("000048", "日切时间不满足"),
    Row("000049", "最后一次日切完成时间为空"),
    Row("000050", "tblParInsSettleSt 查询日切表资源忙"),
    Row("000051", "日切非成功状态"),
    Row("000052", "批处理中,不能做批处理"),
    Row("000053", "非法步骤类型"),
    Row("000054", "AUTORUNSQL 执行失败"),
    Row("000055", "AUTORUNSQL 执行周期类型非法"),
    Row("000056", "文件名长度不匹配"),
    Row("000057", "未知的文件类型"),
    Row("000058", "文件未找到"),
    Row("000059", "文件域个数不满足"),
    Row("000060", "读文件行错误"),
    Row("000061", "文件记录中的交易日期与文件名不 匹配"),
    Row("000062", "文件对账任务状态不正确"),
    Row("000063", "表类型非法"),
    Row("000064", "清理表失败"),
    Row("000065", "结算日期为空"),
    Row("000066", "批处理状态不正确"),
    Row("000067", "备份天数非法"),
    Row("000068", "上一备份结算日期非法"),
    Row("000069", "数据表未备份,不能清理"),
    Row("000070", "订单金额与充值金额不匹配"),
    Row("000071", "充值金额不满足"),
    Row("000071", "小于最小充值金额"),
    Row("000072", "商户卡片服务费未配置"),
    Row("000073", "基础服务费非法"),
    Row("000074", "基础服务费月数非法"),
    Row("000075", "月服务费金额非法"),
    Row("000076", "查询卡号申请表资源忙"),
    Row("000077", "统计空圈手续费错误"),
    Row("000078", "卡片状态错误(主机)"),
    Row("000079", "本订单已被充值"),
    Row("000080", "卡操作错误"),
    Row("000081", "卡操作未知"),
    Row("000082", "交易完全重复(主机)"),
    Row("000090", "订单号重复"),
    Row("000091", "退款金额与订单金额不匹配"),
    Row("000092", "查询退款订单表资源忙"),
    Row("000093", "文件汇总数据与明细不匹配"),
    Row("000094", "可用余额不足"),
    Row("000105", "密码错误"),
    Row("000106", "用户不存在"),
    Row("000107", "手机号不能为空"),
    Row("000108", "手机号已注册"),
    Row("000109", "验证码已失效"),
    Row("000110", "验证码错误"),
    Row("000111", "可换新卡卡产品不符合规则"),
    Row("000112", "申请的业务总中心尚未处理"),
    Row("000113", "此卡类型不支持此业务"),
    Row("000114", "卡需要先解挂"),
    Row("000115", "此卡已申请过此类交易"),
    Row("000116", "不允许重复申请交易"),
    Row("000117", "结果获取类型和请求类型不一致"),
    Row("000118", "申请交易已被获取过"),
    Row("000119", "审核数据认证失败"),
    Row("000120", "申请交易已被取消"),
    Row("000122", "申请交易无法撤销"),
    Row("000123", "申请交易审理状态异常"),
    Row("000124", "用同一张卡做换卡或挂失业务"),
    Row("000125", "原卡和新申领卡卡类型不一致"),
    Row("000126", "卡号和申请交易卡号不一致"),
    Row("000128", "旧卡卡号与申请卡号不匹配"),
    Row("000129", "申请交易已办理新卡"),
    Row("000130", "卡产品不允许记名登记"),
    Row("000131", "原卡产品不支持钱包移资"),
    Row("000132", "己办理新卡不允许换卡撤销"),
    Row("000133", "实名信息未找到"),
    Row("000134", "实名信息已被停用"),
    Row("000150", "充值卡号不匹配"),
    Row("000151", "充值异常,请执行卡管理"),
    Row("000152", "充值失败,请退款或则重新发起充值"),
    Row("000153", "卡管理包号不正确"),
    Row("000154", "充值成功,不需要进行卡管理"),
    Row("000155", "转人工处理,不需要进行卡管理"),
    Row("000156", "申请一卡通充值订单失败"),
    Row("000157", "支付方式非法"),
    Row("000158", "此支付方式不允许非法"),
    Row("000159", "订单已取消"),
    Row("000159", "该卡不支持补登交易"),
    Row("10000B", "卡片状态错"),
    Row("101006", "资金账户未找到"),
    Row("101037", "可用余额不足"),
    Row("101042", "账户状态不支持该交易"),
    Row("999998", "应答码异常"),
    Row("999999", "未知错误"),
)

SUCCESS = RESULTS[0]
UNKNOWN_ERROR = RESULTS[-1]

CHANNELS: tuple[Row, ...] = (  # appendix E, 渠道类型
    Row("00", "客服"),
    Row("01", "银联"),
    Row("02", "支付宝"),
    Row("03", "微信"),
    Row("04", "易支付"),
    Row("05", "微信公众号"),
    Row("10", "自有安卓 APP"),
    Row("11", "自有苹果 APP"),
    Row("51", "地铁 BOM 机"),
    Row("52", "地铁 TVM 机"),
)

ORDER_TYPES: tuple[Row, ...] = (  # appendix F
    Row("40", "补登"),
    Row("50", "自助设备钱包充值"),
)

ORDER_STATES: tuple[Row, ...] = (  # appendix G
    Row("1", "初始状态"),
    Row("2", "已经密钥授权"),
    Row("3", "卡操作失败"),
    Row("4", "卡操作结果未知"),
    Row("5", "交易已确认"),
    Row("6", "密钥授权中"),
    Row("7", "交易确认中"),
    Row("8", "调整成功"),
    Row("9", "调整失败"),
    Row("A", "退款申请"),
    Row("B", "退款成功"),
    Row("C", "退款失败"),
    Row("D", "已关闭"),  # ours: an unpaid order that was cancelled
)

PAYMENT_METHODS: tuple[Row, ...] = (  # appendix 支付方式
    Row("01", "现金"),
    Row("02", "银联"),
    Row("03", "支付宝"),
    Row("04", "微信"),
    Row("05", "易支付"),
    Row("06", "特定"),
    Row("10", "银联"),  # only in the tables of 4.2 to 4.8, where it is UnionPay too
)
CASH = "01"

AREAS: tuple[Row, ...] = (  # 2.4 areaflag
    Row("00", "湖州市"),
    Row("01", "德清"),
    Row("02", "长兴"),
    Row("03", "安吉"),
)

CHARGE_TYPES: tuple[Row, ...] = (Row("01", "钱包充值"),)

RETURN_TYPES: tuple[Row, ...] = (  # 4.12.1
    Row("0", "好卡退卡"),
    Row("1", "坏卡退卡"),
)

CARD_RESULTS: tuple[Row, ...] = (  # 4.11.1 cardresult
    Row("00", "卡操作成功"),
    Row("01", "卡操作失败"),
)

REAL_NAME_FLAGS: tuple[Row, ...] = (  # 4.11.1
    Row("Y", "实名"),
    Row("N", "非实名"),
)

INIT_FLAGS: tuple[Row, ...] = (  # 4.1.2
    Row("00", "未启用"),
    Row("01", "启用"),
)

CARD_STATES: tuple[Row, ...] = (  # 4.1.2 cardstatus prints no list; these are ours
    Row("00", "正常"),
    Row("01", "黑名单"),
    Row("02", "已退卡"),
    Row("03", "已挂失"),
    Row("04", "已过期"),
)


def text_of(rows: tuple[Row, ...], code: str) -> str:
    """The text beside a code; empty for one that the list does not have."""
    return next((row.text for row in rows if row.code == code), "")


# --- our refusals in their codes --------------------------------------------------------------------------------------


def _result(code: str, nth: int = 0) -> Row:
    """The row of appendix D with this code; `nth` chooses among rows with the same code."""
    return [row for row in RESULTS if row.code == code][nth]


RESULT_OF: dict[str, Row] = {
    "malformed": UNKNOWN_ERROR,
    "stale": UNKNOWN_ERROR,
    "bad_signature": _result("000020"),
    "unknown_party.institution": _result("000016"),
    "unknown_party.partner": _result("000016"),
    "unknown_party.merchant": _result("000017"),
    "unknown_party.terminal": _result("000018"),
    "unknown_party": UNKNOWN_ERROR,  # networks, operators, areas and channels have no code of their own
    "repeated_with_other_contents": _result("000082"),
    "card_answers_missing": _result("000026"),
    "card_status": _result("000027"),
    "card_error": _result("000027"),
    "mac_wrong": _result("000031"),
    "tac_wrong": _result("000043"),
    "too_many_wrong_macs": _result("000080"),
    "key_not_found": _result("000037"),
    "unsupported": _result("000113"),
    "busy": _result("000042"),
    "order_not_found": _result("000039"),
    "order_state_illegal": _result("000040"),
    "over_maximum": _result("000041"),
    "amount_differs": _result("000070"),
    "amount_not_multiple": _result("000071"),
    "amount_too_small": _result("000071", 1),
    "card_not_found": _result("000022"),
    "card_blacklisted": _result("000038"),
    "card_state_wrong": _result("000078"),
    "already_charged": _result("000079"),
    "operation_failed": _result("000080"),
    "operation_unknown": _result("000081"),
    "order_number_repeated": _result("000090"),
    "too_early": _result("000112"),
    "wrong_card": _result("000150"),
    "needs_card_management": _result("000151"),
    "stale_script": _result("000153"),
    "payment_method_unknown": _result("000157"),
    "order_withdrawn": _result("000159"),
    "moved_meanwhile": _result("000042"),
    "already_answered": _result("000042"),
}
"""Keyed by `TongkaError.code`, for parties followed by their role."""


def result_of(error: TongkaError) -> tuple[str, str]:
    """`result` and `resultdesc` for an error of ours.

    A refusal's own sentence follows the printed text, since it names the field and the remedy; what failed inside
    this platform is nobody else's business.
    """
    row = RESULT_OF.get(error.code, UNKNOWN_ERROR)
    if isinstance(error, UnknownParty):
        row = RESULT_OF.get(f"{error.code}.{error.role}", row)
    return row.code, f"{row.text}: {error}" if isinstance(error, Refused) else row.text
