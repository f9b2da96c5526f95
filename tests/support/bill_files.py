"""Bills of a day in the published forms, made by hand: Alipay's zip in GBK, WeChat Pay's CSV with backticks."""

import io
import zipfile

ALIPAY_COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,"
    "支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
WECHAT_COLUMNS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,"
    "申请退款金额,费率备注"
)
WECHAT_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"


def alipay(*rows: tuple[str, str, str], columns: str = ALIPAY_COLUMNS) -> bytes:
    """Rows of (payment, amount in yuan, number of the refund or nothing)."""
    lines = [
        "#支付宝业务明细查询",
        "#账号：[20881000000000000156]",
        "#起始日期：[2026年03月02日 00:00:00]   终止日期：[2026年03月03日 00:00:00]",
        "#-----------------------------------------业务明细列表----------------------------------------",
        columns,
        *(_alipay_row(*row) for row in rows),
        "#-----------------------------------------业务明细列表结束------------------------------------",
        "#交易合计：1笔，商家实收共1.00元，商家优惠共0.00元",
        "",
    ]
    sums = "#支付宝业务汇总查询\r\n门店编号,门店名称,交易订单总笔数\r\n合计,,1\r\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("20881000000000000156_20260302_业务明细(汇总).csv", sums.encode("gbk"))
        archive.writestr("20881000000000000156_20260302_业务明细.csv", "\r\n".join(lines).encode("gbk"))
    return packed.getvalue()


def _alipay_row(payment: str, yuan: str, refund: str) -> str:
    kind, amount = ("退款", f"-{yuan}") if refund else ("交易", yuan)
    return (
        f"2026030222001444491\t,{payment}\t,{kind}     ,Transit card,2026-03-02 16:13:11,2026-03-02 16:14:24, , , , ,"
        f"*佳(yan***@example.com)    ,{amount},{amount},0.00,0.00,0.00,0.00,0.00,,0.00,0.00,{refund},-0.01,0.00,"
    )


def wechat(*rows: tuple[str, str, str], status: str = "SUCCESS", columns: str = WECHAT_COLUMNS) -> bytes:
    """The same of WeChat Pay; `status` is that of its refunds."""
    lines = [columns, *(_wechat_row(*row, status) for row in rows), WECHAT_SUMS, "`1,`1.00,`0,`0,`0.0,`1.00,`0", ""]
    return ("\ufeff" + "\r\n".join(lines)).encode()


def _wechat_row(payment: str, yuan: str, refund: str, status: str) -> str:
    state, paid, back = ("REFUND", "0.00", yuan) if refund else ("SUCCESS", yuan, "0.00")
    values = (
        "2026-03-02 17:07:11", "wx1", "1600", "0", "", "4200000925202101284997", payment, "o-rider", "APP", state,
        "OTHERS", "CNY", paid, "0.00", "50000" if refund else "0", refund or "0", back, "0.00",
        "ORIGINAL" if refund else "", status if refund else "", "Transit card, in a phone", "", "0.00600", "0.60%",
        paid, back, "",
    )  # fmt: skip
    return ",".join(f"`{value}" for value in values)
