"""A company's list of what it allots to its people's cards: rows of texts to lines, or to mistakes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from tongka.errors import Malformed
from tongka.journeys.listing import Cells, Mistake, cells_of, read_lines
from tongka.journeys.passwords import require_strong
from tongka.money import format_yuan, parse_yuan

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
DIGEST_SHOWN = 16


@dataclass(frozen=True, slots=True)
class Line:
    """One card's allotment."""

    card_no: str
    amount_fen: int
    password: str = field(repr=False)


def read_rows(rows: Iterable[Sequence[str]]) -> tuple[list[Line], list[Mistake]]:
    """The first row holds the headings; empty rows are left out.

    Raises:
        Malformed: a column is missing, or there are too many rows.

    """
    numbered = cells_of(rows, HEADINGS, (CARD_NO, AMOUNT, PASSWORD), LINES_MAX)
    return read_lines(numbered, _line, lambda line: line.card_no)


def digest_of(lines: Iterable[Line]) -> str:
    """Sum and digest of a list, by which two people know that they speak of the same; it tells no password."""
    amounts = sorted((line.card_no, line.amount_fen) for line in lines)
    total = format_yuan(sum(fen for _, fen in amounts))
    return f"{total} yuan, {sha256(repr(amounts).encode()).hexdigest()[:DIGEST_SHOWN]}"


def _line(_row: int, cells: Cells) -> Line:
    card_no, password = cells[CARD_NO], cells[PASSWORD]
    if not (card_no.isascii() and card_no.isdecimal()):
        raise Malformed(CARD_NO, "digits are expected; format the column as text, or a spreadsheet rounds it")
    fen = parse_yuan(cells[AMOUNT], AMOUNT)
    require_strong(password, card_no)
    return Line(card_no, fen, password)
