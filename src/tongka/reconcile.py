"""Settlement lists: what passed between us and a partner on one business day, and how two lists of it differ. Pure.

A list is a CSV in UTF-8 with the columns of `COLUMNS`, one line for each order and kind, and a last line that totals
it. The same form is read from partners (对账). Amounts are fen; above zero the partner owes us, below zero we owe him.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import date
from enum import StrEnum

from tongka.errors import Malformed

TOTAL = "total"
LINES_MAX = 2_000_000
"""Of one list: a city's day with one partner."""
ROLES: Mapping[str, str] = {
    "institution": "card front institutions and phone wallets, by institution number",
    "onecard": "domains of the OneCard API, and what their merchants prepaid",
    "merchant": "sellers whose rides were settled at the open gateway",
    "payments": "payment institutions that riders pay at",
    "": "the operator's own",
}
"""What a party is towards us."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list.

    Attributes:
        role, party: the partner; see `ROLES`.
        time: of the city's clock, HH:MM:SS.
        order_no: ours; empty where the list's maker does not know it.
        their_no: of the payment, trade or bank transfer.
        card_no: as the partner's own messages name it; payment institutions know none.
        account: of our books.

    """

    settlement_date: date
    role: str
    party: str
    time: str
    kind: str
    order_no: str
    their_no: str
    card_no: str
    channel: str
    account: int
    amount_fen: int


COLUMNS = tuple(field.name for field in fields(Line))


def total_fen(lines: Iterable[Line]) -> int:
    return sum(line.amount_fen for line in lines)


def rows(lines: Sequence[Line]) -> list[tuple[object, ...]]:
    """The rows of a list under its columns, its total included."""
    last = ("", "", "", "", TOTAL, str(len(lines)), "", "", "", "", total_fen(lines))
    return [*map(astuple, lines), last]


def to_csv(lines: Sequence[Line]) -> bytes:
    """The list as a file: the same lines give the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows(lines))
    return text.getvalue().encode()


def read_csv(content: bytes) -> list[Line]:
    """A list as a partner sends it: columns by name, in any order; only what is compared is asked for.

    Raises:
        Malformed: it cannot be read, is of several days or partners, or its total is not that of its lines.

    """
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        found = [(number, row) for number, row in enumerate(reader, 2) if number <= LINES_MAX]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Malformed("list", f"is no CSV in UTF-8: {error}") from error
    lines = [_line(number, row) for number, row in found if row.get("kind") != TOTAL]
    _require_one_partner(lines)
    for number, row in found:
        if row.get("kind") == TOTAL and _amount(number, row) != total_fen(lines):
            raise Malformed(f"line {number}", f"the total is not that of the lines, {total_fen(lines)}")
    return lines


def _require_one_partner(lines: Sequence[Line]) -> None:
    if not lines:
        raise Malformed("list", "has no line; its columns are " + ", ".join(COLUMNS))
    if len({(line.settlement_date, line.role, line.party) for line in lines}) > 1:
        raise Malformed("list", "is of several days or partners; one list is of one day and one partner")


Row = Mapping[str, str | None]


def _line(number: int, row: Row) -> Line:
    order_no, their_no = _text(row, "order_no"), _text(row, "their_no")
    if not (order_no or their_no):
        raise Malformed(f"line {number}", "order_no or their_no names what it is about")
    try:
        day = date.fromisoformat(_text(row, "settlement_date"))
    except ValueError as error:
        raise Malformed(f"line {number}", "settlement_date is written YYYY-MM-DD") from error
    role, party, kind = _text(row, "role"), _text(row, "party"), _text(row, "kind")
    if role not in ROLES or not party or not kind:
        raise Malformed(f"line {number}", "role, party and kind are those of our own lists")
    return Line(day, role, party, "", kind, order_no, their_no, "", "", 0, _amount(number, row))


def _amount(number: int, row: Row) -> int:
    text = _text(row, "amount_fen")
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15):
        raise Malformed(f"line {number}", "amount_fen is a whole number of fen")
    return int(text)


def _text(row: Row, name: str) -> str:
    return (row.get(name) or "").strip()


# --- comparing --------------------------------------------------------------------------------------------------------


class What(StrEnum):
    """How two lists differ."""

    MISSING_HERE = "missing here"
    MISSING_THERE = "missing there"
    OTHER_AMOUNT = "other amount"


@dataclass(frozen=True, slots=True)
class Difference:
    """A line that is not the same in both lists; `number` is ours, or theirs where ours is not known."""

    kind: str
    number: str
    what: What
    ours_fen: int = 0
    theirs_fen: int = 0


Key = tuple[str, str]


def compare(ours: Sequence[Line], theirs: Sequence[Line]) -> list[Difference]:
    """Every difference, by kind and number. Lines of one kind and number are added up on either side."""
    known = {(line.kind, line.their_no): line.order_no for line in ours if line.their_no and line.order_no}
    here = _sums(ours)
    there = _sums(line if line.order_no else _named(line, known) for line in theirs)
    found = [Difference(*key, what, here.get(key, 0), there.get(key, 0)) for key, what in _differing(here, there)]
    return sorted(found, key=lambda one: (one.kind, one.number))


def _named(line: Line, known: Mapping[Key, str]) -> Line:
    """With our number, where theirs tells it."""
    return replace(line, order_no=known.get((line.kind, line.their_no), ""))


def _sums(lines: Iterable[Line]) -> dict[Key, int]:
    sums: dict[Key, int] = {}
    for line in lines:
        key = (line.kind, line.order_no or line.their_no)
        sums[key] = sums.get(key, 0) + line.amount_fen
    return sums


def _differing(here: Mapping[Key, int], there: Mapping[Key, int]) -> Iterable[tuple[Key, What]]:
    for key in here.keys() | there.keys():
        if key not in here:
            yield key, What.MISSING_HERE
        elif key not in there:
            yield key, What.MISSING_THERE
        elif here[key] != there[key]:
            yield key, What.OTHER_AMOUNT
