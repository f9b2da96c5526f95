"""`tongka group-card`: what companies allot to their people's cards, from a spreadsheet."""

import csv
import zipfile
from pathlib import Path
from typing import Annotated, Any

import openpyxl
import typer
from openpyxl.utils.exceptions import InvalidFileException

from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    database_of,
    print_rows,
    run,
    stamp_of,
    system_of,
)
from tongka.errors import Malformed
from tongka.journeys import group
from tongka.journeys.allotments import Mistake, read_rows
from tongka.ledger import Account
from tongka.store import group_cards

app = typer.Typer(no_args_is_help=True, help="Group cards.")

FOUND_MISTAKES = 1
BYTES_MAX = 32 << 20
EXACT_DIGITS = 15
"""A spreadsheet's numbers are exact up to here."""


@app.command("import")
def import_list(
    company: Annotated[str, typer.Argument(help="Who allots.")],
    batch: Annotated[str, typer.Argument(help="The list's name: a list of this name counts once.")],
    file: Annotated[Path, typer.Argument(help="CSV or Excel (.xlsx): card number, amount in yuan, password.")],
    config: ConfigOption = None,
) -> None:
    """Import a company's list, whole or not at all; exit code 1 with every mistake in it."""

    async def work() -> tuple[int, list[Mistake]]:
        lines, mistakes = read_rows(rows_of(file))
        if mistakes:
            return 0, mistakes
        async with system_of(config) as system:
            mistakes = await group.mistakes(system, company, lines)
            if mistakes:
                return 0, mistakes
            return await group.allot(system, company, batch, lines, paid_into=Account.BANK, stamp=stamp_of(system)), []

    made, mistakes = run(work())
    for mistake in mistakes:
        console.print(f"row {mistake.row}: {mistake.why}" if mistake.row else mistake.why, markup=False)
    if mistakes:
        raise typer.Exit(FOUND_MISTAKES)
    console.print(f"{made} cards have their allotments of {batch}", highlight=False)


@app.command("list")
def list_cards(
    company: Annotated[str, typer.Argument(help="Only this company's.")] = "",
    after: Annotated[str, typer.Option(help="Only card numbers beyond this one; a page has 1,000.")] = "",
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List cards with what is left for them."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            found = await group_cards.page(database, company, after)
            return [
                {"card_no": one.card_no, "company": one.company, "account": one.account, "balance_fen": one.balance_fen}
                for one in found
            ]

    print_rows(run(work()), as_json=as_json)


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
