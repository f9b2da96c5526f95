"""The card commands that the Huzhou card front prints in its appendix C, IDX_0001 to IDX_2005.

IDX_0xxx read, IDX_1xxx operate, IDX_2xxx are put together from values: their `template` is the fixed head and the names
of what follows, which the builders of `tongka.card.commands` append. IDX_0026 is printed with letters O for zeros: a
misprint, read as zeros.
"""

from dataclasses import dataclass

from tongka.card.apdu import Command
from tongka.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Row:
    """One row as printed.

    Attributes:
        required: 是 in the column 是否必须.
        template: hex; for IDX_2xxx followed by the values to append, each as {name:bytes}.

    """

    index: str
    text: str
    required: bool
    template: str

    @property
    def is_fixed(self) -> bool:
        return "{" not in self.template

    @property
    def command(self) -> Command:
        """The command, ready to send.

        Raises:
            Unsupported: the row is a template (IDX_2xxx).

        """
        if not self.is_fixed:
            raise Unsupported(f"{self.index} is put together from values: {self.template}")
        return Command.parse(bytes.fromhex(self.template))


def _records(first: int, count: int, name: str, p2: str, *, required: bool) -> list[Row]:
    """Rows that read the records 1 to `count` of one file, numbered on from `first`."""
    return [Row(f"IDX_{first + n:04d}", name.format(n=n + 1), required, f"00B2{n + 1:02X}{p2}00") for n in range(count)]


ROWS: tuple[Row, ...] = (
    Row("IDX_0001", "选择主应用", True, "00A404000E325041592E5359532E4444463031"),
    Row("IDX_0002", "选择电子钱包应用", True, "00A4040008A000000632010105"),
    Row("IDX_0003", "读余额", True, "805C000204"),
    Row("IDX_0004", "读 15 文件", True, "00B0950000"),
    Row("IDX_0005", "读 16 文件", False, "00B0960000"),
    Row("IDX_0006", "读 17 文件", False, "00B0970000"),
    *_records(7, 10, "读 18 文件 记录 {n}", "C4", required=True),
    *_records(17, 18, "读 19 文件 记录 {n}", "CC", required=False),
    Row("IDX_0035", "读 05 文件", True, "00B0850000"),
    Row("IDX_0036", "读 06 文件", False, "00B0860000"),
    *_records(37, 4, "读 07 文件 记录 {n}", "3C", required=True),  # (充值交易明细 n)
    *_records(41, 8, "读 08 文件 记录 {n}", "44", required=False),
    Row("IDX_1001", "获取卡操作随机数", True, "0084000004"),  # (含售卡、解锁、锁卡)
    Row("IDX_2001", "售卡写卡指令", False, "04D6950022{file15:30}{mac:4}"),
    Row("IDX_2002", "充值初始化指令", False, "805000020B{key_index:1}{amount:4}{terminal:6}"),
    Row("IDX_2003", "充值写卡指令", False, "805200000B{date_time:7}{mac2:4}"),
    Row("IDX_2004", "消费初始化指令", False, "805001020B{key_index:1}{amount:4}{terminal:6}"),
    Row("IDX_2005", "消费写卡指令", False, "805401000F{serial:4}{date_time:7}{mac1:4}"),
)

BY_INDEX: dict[str, Row] = {row.index: row for row in ROWS}


def command(index: str) -> Command:
    """The fixed command of one row, ``command("IDX_0002")``.

    Raises:
        Unsupported: no such row, or a template.

    """
    row = BY_INDEX.get(index)
    if row is None:
        raise Unsupported(f"{index} is not in appendix C; it runs from IDX_0001 to IDX_2005")
    return row.command
