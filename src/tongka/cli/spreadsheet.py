"""Lists from spreadsheets: a CSV or Excel file to rows of texts, and what was wrong with them for people."""

import csv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from tongka.cli.common import console
from tongka.errors import Malformed
from tongka.journeys.listing import Mistake

FOUND_MISTAKES = 1
"""Exit code."""
BYTES_MAX = 128 << 20
EXACT_DIGITS = 15
"""A spreadsheet's numbers are exact up to here."""


def print_mistakes(mistakes: Sequence[Mistake]) -> None:
    """One line each."""
    for mistake in mistakes:
        console.print(f"row {mistake.row}: {mistake.why}" if mistake.row else mistake.why, markup=False)


def rows_of(file: Path) -> list[list[str]]:
    """The rows of a CSV file (UTF-8 or GB 18030) or of an Excel file's first sheet, as texts.

    Raises:
        Malformed: the file is neither, or too long.

    """
    try:
        if file.stat().st_size > BYTES_MAX:
            raise Malformed("file", f"is longer than {BYTES_MAX >> 20} MiB; split it")
        return _excel(file) if file.suffix.lower() == ".xlsx" else _csv(file)
    except (OSError, ValueError, KeyError, csv.Error, zipfile.BadZipFile, InvalidFileException) as wrong:
        raise Malformed("file", f"is not a readable CSV or Excel file: {wrong}") from wrong


def _csv(file: Path) -> list[list[str]]:
    contents = file.read_bytes()
    try:
        text = contents.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = contents.decode("gb18030")
    return list(csv.reader(text.splitlines()))


def _excel(file: Path) -> list[list[str]]:
    book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    try:
        return [[_text(cell) for cell in row] for row in book.worksheets[0].iter_rows(values_only=True)]
    finally:
        book.close()


def _text(cell: Any) -> str:
    """A cell as it was typed; a number that a spreadsheet has rounded is not guessed at."""
    if cell is None:
        return ""
    if isinstance(cell, int | float) and abs(cell) >= 10**EXACT_DIGITS:
        return "a rounded number"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
