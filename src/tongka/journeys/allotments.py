"""A company's list of what it allots to its people's cards: rows of texts to lines, and what is wrong with the others.

Mistakes are collected and not raised, so that one bad row never hides the next. The columns are found by their
headings, in English or Chinese, in any order; others are left alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tongka.errors import Malformed, Refused
from tongka.journeys.passwords import require_strong
from tongka.money import parse_yuan

CARD_NO, AMOUNT, PASSWORD = "card number", "amount", "password"
HEADINGS: Mapping[str, str] = {
    "card number": CARD_NO,
    "card_no": CARD_NO,
    "cardno": CARD_NO,
    "卡号": CARD_NO,
    "amount": AMOUNT,
    "amount (yuan)": AMOUNT,
    "金额": AMOUNT,
    "金额（元）": AMOUNT,
    "password": PASSWORD,
    "密码": PASSWORD,
}
LINES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """One card's allotment."""

    card_no: str
    amount_fen: int
    password: str = field(repr=False)


class Mistake(NamedTuple):
    """What is wrong with a row, by its number as the spreadsheet shows it."""

    row: int
    why: str


def read_rows(rows: Iterable[Sequence[str]]) -> tuple[list[Line], list[Mistake]]:
    """The first row holds the headings; empty rows are left out.

    Raises:
        Malformed: a column is missing, or there are too many rows.

    """
    numbered = [(n, row) for n, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    if not numbered:
        raise Malformed("file", "is empty; the first row holds the headings card number, amount, password")
    if len(numbered) > LINES_MAX:
        raise Malformed("file", f"has more than {LINES_MAX} rows; split it")
    columns = _columns(numbered[0][1])
    lines: list[Line] = []
    mistakes: list[Mistake] = []
    seen: dict[str, int] = {}
    for n, row in numbered[1:]:
        try:
            line = _line([row[at].strip() if at < len(row) else "" for at in columns])
        except Refused as wrong:
            mistakes.append(Mistake(n, str(wrong)))
            continue
        if line.card_no in seen:
            mistakes.append(Mistake(n, f"card {line.card_no} stands in row {seen[line.card_no]} already"))
        seen.setdefault(line.card_no, n)
        lines.append(line)
    return lines, mistakes


def _columns(headings: Sequence[str]) -> list[int]:
    named = {HEADINGS.get(heading.strip().lower(), ""): at for at, heading in enumerate(headings)}
    missing = [name for name in (CARD_NO, AMOUNT, PASSWORD) if name not in named]
    if missing:
        raise Malformed("file", f"has no column {', '.join(missing)}; name them in the first row")
    return [named[name] for name in (CARD_NO, AMOUNT, PASSWORD)]


def _line(cells: Sequence[str]) -> Line:
    card_no, amount, password = cells
    if not (card_no.isascii() and card_no.isdecimal()):
        raise Malformed(CARD_NO, "digits are expected; format the column as text, or a spreadsheet rounds it")
    fen = parse_yuan(amount, AMOUNT)
    require_strong(password, card_no)
    return Line(card_no, fen, password)
