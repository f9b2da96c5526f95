"""What a payment institution's bill of a day says, read from its own format.

| institution | form |
|---|---|
| Alipay | zip with two CSV files in GBK, one line for each trade and one for each refund, comments behind `#` |
| WeChat Pay | CSV in UTF-8, perhaps gzipped; each value has a backtick before it; two lines of sums at the end |
| the sandbox's till | CSV: kind, number, payment number, trade number, amount in fen |

Columns are found by their names, for their order has changed before.
"""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tongka.errors import Malformed
from tongka.money import parse_fen, parse_yuan

BILL_MAX_BYTES = 256 << 20
"""Unpacked; no honest bill of a city is larger."""
BILL = "bill"

Kind = Literal["payment", "refund"]


@dataclass(frozen=True, slots=True)
class BillLine:
    """One thing that the institution did.

    Attributes:
        number: ours, of the payment or of the refund.
        payment_no: of the payment that a refund belongs to; else as `number`.
        trade_no: the institution's.

    """

    kind: Kind
    number: str
    payment_no: str
    amount_fen: int
    trade_no: str


Row = Mapping[str, str]

# --- Alipay -----------------------------------------------------------------------------------------------------------

ALIPAY_HEADER = "支付宝交易号,"
WIDE = str.maketrans("()", "（）")
ALIPAY_KINDS: Mapping[str, Kind] = {"交易": "payment", "退款": "refund"}


def read_alipay(content: bytes) -> list[BillLine]:
    """The 业务明细 of a bill of type `trade`: refunds have negative amounts and the number of their request."""
    lines = _alipay_details(content)
    start = next((n for n, line in enumerate(lines) if line.startswith(ALIPAY_HEADER)), None)
    if start is None:
        raise Malformed(BILL, "the zip holds no 业务明细 of Alipay's")
    rows = csv.DictReader(line for line in lines[start:] if not line.startswith("#"))
    return [_of_alipay(_stripped(row)) for row in rows]


def _of_alipay(row: Row) -> BillLine:
    kind = ALIPAY_KINDS.get(_cell(row, "业务类型"))
    if kind is None:
        raise Malformed("业务类型", "交易 or 退款 is expected")
    payment_no = _cell(row, "商户订单号")
    number, amount = payment_no, _cell(row, "订单金额（元）")
    if kind == "refund":
        number, amount = _cell(row, "退款批次号/请求号"), amount.removeprefix("-")
    return BillLine(kind, number, payment_no, parse_yuan(amount, "订单金额（元）"), _cell(row, "支付宝交易号"))


def _alipay_details(content: bytes) -> list[str]:
    """The lines of the file with the details; the other one has the sums. Their names are not looked at."""
    for text in _unzipped(content):
        lines = _lines(text)
        if any(line.startswith(ALIPAY_HEADER) for line in lines):
            return lines
    return []


def _unzipped(content: bytes) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                if entry.file_size > BILL_MAX_BYTES:
                    raise Malformed(BILL, "is larger than any bill should be")
                yield archive.read(entry).decode("gb18030")
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, RuntimeError) as error:
        raise Malformed(BILL, "is no zip with texts in GBK, as Alipay's are") from error


# --- WeChat Pay -------------------------------------------------------------------------------------------------------

WECHAT_HEADER = "交易时间,"
WECHAT_SUMS = "总交易单数"
WECHAT_KINDS: Mapping[str, Kind] = {"SUCCESS": "payment", "REFUND": "refund", "REVOKED": "refund"}
NOT_REFUNDED = "FAIL"


def read_wechat(content: bytes) -> list[BillLine]:
    """A bill of type `ALL`. A refund that has failed is none."""
    lines = _lines(unpacked(content).decode("utf-8-sig", errors="replace"))
    if not lines or not lines[0].startswith(WECHAT_HEADER):
        raise Malformed(BILL, "is no trade bill of WeChat Pay")
    names = lines[0].split(",")
    rows = (_of_wechat_line(names, line) for line in _until_sums(lines[1:]))
    return [_of_wechat(row) for row in rows if row.get("退款状态") != NOT_REFUNDED]


def _until_sums(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith(WECHAT_SUMS):
            return
        yield line


def _of_wechat_line(names: list[str], line: str) -> Row:
    """A comma in a text has no backtick behind it, so it separates nothing."""
    values = line.removeprefix("`").split(",`")
    if len(values) != len(names):
        raise Malformed(BILL, f"a line has {len(values)} values and not {len(names)}")
    return _stripped(dict(zip(names, values, strict=True)))


def _of_wechat(row: Row) -> BillLine:
    """Bills from before 2018 have two columns less, and others in their place."""
    kind = WECHAT_KINDS.get(_cell(row, "交易状态"))
    if kind is None:
        raise Malformed("交易状态", "SUCCESS, REFUND or REVOKED is expected")
    payment_no = _cell(row, "商户订单号")
    paid, back = ("订单金额", "申请退款金额") if "订单金额" in row else ("总金额", "退款金额")
    number, amount = (payment_no, paid) if kind == "payment" else (_cell(row, "商户退款单号"), back)
    return BillLine(kind, number, payment_no, parse_yuan(_cell(row, amount), amount), _cell(row, "微信订单号"))


def unpacked(content: bytes) -> bytes:
    """A text that may be gzipped.

    Raises:
        Malformed: it cannot be unpacked, or is larger than any bill.

    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            text = packed.read(BILL_MAX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise Malformed(BILL, "cannot be unpacked") from error
    if len(text) > BILL_MAX_BYTES:
        raise Malformed(BILL, "is larger than any bill should be")
    return text


# --- the sandbox's till -----------------------------------------------------------------------------------------------


def read_till(content: bytes) -> list[BillLine]:
    rows = csv.DictReader(content.decode("ascii", errors="replace").splitlines())
    return [_of_till(_stripped(row)) for row in rows]


def _of_till(row: Row) -> BillLine:
    amount_fen = parse_fen(_cell(row, "amount_fen"), "amount_fen")
    kind: Kind = "refund" if _cell(row, "kind") == "refund" else "payment"
    return BillLine(kind, _cell(row, "number"), _cell(row, "payment_no"), amount_fen, _cell(row, "trade_no"))


# --- all --------------------------------------------------------------------------------------------------------------


def _lines(text: str) -> list[str]:
    """Those that are not blank; riders' texts may hold what `splitlines` takes for an end of line."""
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()]


def _stripped(row: Mapping[str | None, str | None] | Row) -> Row:
    """Alipay puts tabs and blanks around numbers, and has brackets of either width."""
    cells = ((name, value) for name, value in row.items() if name and isinstance(value, str))
    return {name.strip().translate(WIDE): value.strip() for name, value in cells}


def _cell(row: Row, name: str) -> str:
    if not row.get(name):
        raise Malformed(name, "is missing in a line of the bill")
    return row[name]


READERS: Mapping[str, Callable[[bytes], list[BillLine]]] = {
    "alipay": read_alipay,
    "wechat": read_wechat,
    "sandbox": read_till,
}
"""By the names of the institutions. Each raises Malformed for what is no bill of its institution."""


def read_bill(name: str, content: bytes) -> list[BillLine]:
    """A bill in its institution's format; nothing at all is the bill of a day without trade."""
    return READERS[name](content) if content else []
