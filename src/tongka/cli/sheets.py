"""Tables as files for people: Excel workbooks, and names of files."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from openpyxl import Workbook

from tongka.errors import Failed

TITLE_MAX = 31
"""Characters of a sheet's name, as Excel wants it."""
_UNFIT = re.compile(r"[^0-9A-Za-z._@-]+")


def file_name(*parts: str) -> str:
    """A name that every system takes."""
    return "_".join(_UNFIT.sub("-", part) for part in parts if part)


def content_of(path: Path) -> bytes:
    """What a file holds.

    Raises:
        Failed: it cannot be read.

    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error}") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, with its folder.

    Raises:
        Failed: it cannot be written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error}") from error


def write_sheet(path: Path, title: str, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """An Excel workbook of one sheet. Amounts are in yuan there, texts are never formulas.

    Raises:
        Failed: it cannot be written.

    """
    write_book(path, {title: [columns, *rows]})


def write_book(path: Path, sheets: Mapping[str, Iterable[Iterable[object]]]) -> None:
    """The same with several sheets; the first row of each names its columns.

    Raises:
        Failed: it cannot be written.

    """
    book = Workbook(write_only=True)
    for title, (head, *rows) in sheets.items():
        columns = [str(name) for name in head]
        sheet = book.create_sheet(title[:TITLE_MAX])
        sheet.append([name.removesuffix("_fen") for name in columns])
        for row in rows:
            sheet.append([_cell(name, value) for name, value in zip(columns, row, strict=True)])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        book.save(path)
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error}") from error


def _cell(name: str, value: object) -> object:
    if name.endswith("_fen") and isinstance(value, int):
        return value / 100  # two decimals that people and their sums see; the CSV has the fen
    if isinstance(value, str) and value.startswith("="):
        return f"'{value}"
    return value if isinstance(value, (str, int)) else str(value)
