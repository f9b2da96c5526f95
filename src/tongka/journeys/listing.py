"""Lists that people bring as spreadsheets: rows of texts, columns found by their headings, mistakes collected.

Mistakes are values and not raised, so that one bad row never hides the next. Headings are read in English or Chinese,
in any order; columns of other headings are left alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from tongka.errors import Malformed, Refused

Cells = Mapping[str, str]
"""A row: column → text, stripped; empty where there is no such column."""
L = TypeVar("L")


class Mistake(NamedTuple):
    """What is wrong with a row, by its number as the spreadsheet shows it; 0: with the list as a whole."""

    row: int
    why: str


def cells_of(
    rows: Iterable[Sequence[str]], headings: Mapping[str, str], required: Sequence[str], longest: int
) -> Iterator[tuple[int, Cells]]:
    """Number and cells of each row below the first, which holds the headings; empty rows are left out.

    Raises:
        Malformed: a required column is missing, two columns have the same name, or there are too many rows.

    """
    numbered = [(n, row) for n, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    if not numbered:
        raise Malformed("file", f"is empty; the first row holds the headings {', '.join(required)}")
    if len(numbered) > longest + 1:
        raise Malformed("file", f"has more than {longest} rows; split it")
    columns = _columns(numbered[0][1], headings, required)
    for n, row in numbered[1:]:
        yield n, {name: row[at].strip() if at < len(row) else "" for name, at in columns.items()}


def _columns(first: Sequence[str], headings: Mapping[str, str], required: Sequence[str]) -> dict[str, int]:
    columns: dict[str, int] = dict.fromkeys(headings.values(), len(first))
    for at, heading in enumerate(first):
        name = headings.get(heading.strip().lower())
        if name and columns[name] < at:
            raise Malformed("file", f"has two columns {name}")
        if name:
            columns[name] = at
    if missing := [name for name in required if columns[name] == len(first)]:
        raise Malformed("file", f"has no column {', '.join(missing)}; name them in the first row")
    return columns


def read_lines(
    numbered: Iterable[tuple[int, Cells]], line_of: Callable[[int, Cells], L], card_of: Callable[[L], str]
) -> tuple[list[L], list[Mistake]]:
    """The lines that can be read, each card once, and what is wrong with the others."""
    lines: list[L] = []
    mistakes: list[Mistake] = []
    seen: dict[str, int] = {}
    for n, cells in numbered:
        try:
            line = line_of(n, cells)
        except Refused as wrong:
            mistakes.append(Mistake(n, str(wrong)))
            continue
        card = card_of(line)
        if card in seen:
            mistakes.append(Mistake(n, f"card {card} stands in row {seen[card]} already"))
        seen.setdefault(card, n)
        lines.append(line)
    return lines, mistakes
