"""`tongka group-card`: what companies allot to their people's cards, from a spreadsheet."""

from pathlib import Path
from typing import Annotated

import typer

from tongka.cli.acting import OperatorOption, PassphraseOption, Person, agreed, authorised
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
from tongka.cli.spreadsheet import FOUND_MISTAKES, print_mistakes, rows_of
from tongka.journeys import group
from tongka.journeys.allotments import digest_of, read_rows
from tongka.journeys.listing import Mistake
from tongka.ledger import Account
from tongka.store import group_cards

app = typer.Typer(no_args_is_help=True, help="Group cards.")


@app.command("import")
def import_list(  # noqa: PLR0917 - arguments and options of a command
    company: Annotated[str, typer.Argument(help="Who allots.")],
    batch: Annotated[str, typer.Argument(help="The list's name: a list of this name counts once.")],
    file: Annotated[Path, typer.Argument(help="CSV or Excel (.xlsx): card number, amount in yuan, password.")],
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Import a company's list, whole or not at all; exit code 1 with every mistake in it. Two operators say so."""
    person = Person(operator, passphrase_file)

    async def work() -> tuple[int | None, list[Mistake]]:
        lines, mistakes = read_rows(rows_of(file))
        if mistakes:
            return 0, mistakes
        actor = await authorised(config, "group-card import", person, f"{company} {batch}")
        async with system_of(config, actor) as system:
            mistakes = await group.mistakes(system, company, lines)
            if mistakes:
                return 0, mistakes
            told = f"batch {batch} of {company}: {len(lines)} cards, {digest_of(lines)}"
            if not await agreed(system.database, "group-card import", told, person, config):
                return None, []
            return await group.allot(system, company, batch, lines, paid_into=Account.BANK, stamp=stamp_of(system)), []

    made, mistakes = run(work())
    if mistakes:
        print_mistakes(mistakes)
        raise typer.Exit(FOUND_MISTAKES)
    if made is not None:
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
