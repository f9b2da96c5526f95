"""`tongka card-stock`: cards come onto the books from a factory's list, or with a city that is taken over."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from tongka.cli import locks
from tongka.cli.acting import OperatorOption, PassphraseOption, Person, alone, authorised
from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    complaints,
    console,
    database_of,
    print_json,
    print_rows,
    run,
    stamp_at,
    stamp_in,
    stamp_of,
    system_of,
)
from tongka.cli.spreadsheet import FOUND_MISTAKES, print_mistakes, rows_of
from tongka.journeys import card_stock as journey
from tongka.journeys.card_list import read_cards
from tongka.journeys.card_stock import Checked
from tongka.journeys.listing import Mistake
from tongka.money import format_yuan
from tongka.store import card_stock, cards, ledger
from tongka.store.cards import CardNotRegistered, CardRow
from tongka.store.db import Database
from tongka.store.stamp import Stamp

app = typer.Typer(no_args_is_help=True, help="Cards on the books: stock, cards taken over, single cards.")
app.command()(locks.locked)
app.command("unlock")(locks.unlock_card)

BatchArgument = Annotated[str, typer.Argument(help="The batch's name.")]
CardArgument = Annotated[str, typer.Argument(help="The card's number.")]
Turn = Callable[[Database, str, str, Stamp], Awaitable[None]]
ReasonOption = Annotated[str, typer.Option(help="Why, for the audit trail.")]
SHOWN = ("card_no", "profile", "key_version", "status", "enabled", "sold_on", "valid_to", "deposit_fen")


@dataclass(frozen=True, slots=True)
class Told:
    """What an import has to say."""

    batch: str
    cards: int
    balances_fen: int
    deposits_fen: int
    taken_over: bool
    outcome: str
    mistakes: list[Mistake]


@app.command("import")
def import_batch(
    file: Annotated[Path, typer.Argument(help="CSV or Excel (.xlsx); docs/operating/cards.md has the columns.")],
    batch: Annotated[str, typer.Option(help="The batch's name: the same list under this name counts once.")],
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look whether it could come in.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a list of cards on the books, whole or not at all; exit code 1 with every mistake in it.

    Cards that are with riders come with their balances, and wait for `tongka card-stock confirm` by another operator.
    """
    told = run(_import(file, batch, Person(operator, passphrase_file), config, dry_run=dry_run))
    if as_json:
        print_json(asdict(told) | {"mistakes": [one._asdict() for one in told.mistakes]})
    else:
        print_mistakes(told.mistakes)
        sums = f"balances {format_yuan(told.balances_fen)}, deposits {format_yuan(told.deposits_fen)} yuan"
        console.print(f"batch {batch}: {told.cards} cards, {sums}; {told.outcome}", highlight=False)
    if told.mistakes:
        raise typer.Exit(FOUND_MISTAKES)


async def _import(file: Path, name: str, person: Person, config: Path | None, *, dry_run: bool) -> Told:
    actor = "" if dry_run else await authorised(config, "card-stock import", person, name)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=complaints, transient=True) as progress:
        task = progress.add_task("reading")
        async with system_of(config, actor) as system:
            stamp = stamp_of(system)
            lines, mistakes = read_cards(rows_of(file), stamp.day)
            progress.update(task, description=f"looking at {len(lines)} cards")
            found = Checked(card_stock.NewBatch(name, b"", [(one.card, one.balance_fen) for one in lines]), mistakes)
            if not mistakes:
                found = await journey.check(system, name, lines)
            outcome = _outcome(found, dry_run=dry_run)
            if not (outcome or found.mistakes):
                progress.update(task, description=f"writing {len(lines)} cards")
                await card_stock.import_batch(system.database, found.batch, stamp)
                outcome = "they are on the books"
                if found.batch.taken_over:
                    outcome = f"they wait for another operator: tongka card-stock confirm {name}"
    sums = (len(found.batch.cards), found.batch.balances_fen, found.batch.deposits_fen, found.batch.taken_over)
    return Told(name, *sums, outcome, found.mistakes)


def _outcome(found: Checked, *, dry_run: bool) -> str:
    """Where nothing is to be written; empty where something is."""
    if found.mistakes:
        return f"{len(found.mistakes)} mistakes; nothing is kept"
    if found.known:
        return "this very list came in before; nothing changes"
    return "it could come in; nothing is kept" if dry_run else ""


@app.command()
def confirm(
    batch: BatchArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Put cards that are with riders on the books, with their balances; not by who has imported them."""
    person = Person(operator, passphrase_file)

    async def work() -> int:
        actor = await authorised(config, "card-stock confirm", person, batch)
        async with database_of(config, actor) as database:
            stamp = await stamp_in(database, config, actor)
            return await card_stock.confirm(database, batch, stamp, alone=alone(config, person))

    console.print(f"{run(work())} cards of batch {batch} are on the books", highlight=False)


@app.command()
def withdraw(
    batch: BatchArgument,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Take a batch back that waits for its confirmation."""

    async def work() -> None:
        actor = await authorised(config, "card-stock withdraw", Person(operator, passphrase_file), batch)
        async with database_of(config, actor) as database:
            await card_stock.withdraw(database, batch, stamp_at(config, actor))

    run(work())
    console.print(f"batch {batch} is withdrawn", highlight=False)


@app.command("list")
def list_batches(
    batch: Annotated[str, typer.Argument(help="Its cards; left out: all batches.")] = "",
    after: Annotated[str, typer.Option(help="Only card numbers beyond this one; a page has 1,000.")] = "",
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the batches with how many of their cards are in stock and with riders, or the cards of one."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            if batch:
                return [_row(card) for card in await card_stock.page(database, batch, after)]
            return [asdict(one) for one in await card_stock.batches(database)]

    print_rows(run(work()), as_json=as_json)


@app.command()
def show(card_no: CardArgument, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show a card: its type, where it came from, its status, and what the books say is on it."""

    async def work() -> dict[str, object]:
        async with database_of(config) as database:
            card = await cards.find(database, card_no)
            if card is None:
                raise CardNotRegistered(f"card {card_no} is not on our books")
            batch = await card_stock.batch_of(database, card_no)
            balance_fen = await ledger.card_balance(database, card_no)
            return _row(card) | {"asn": card.asn, "batch": batch, "balance_fen": balance_fen}

    print_rows([run(work())], as_json=as_json)


@app.command()
def block(
    card_no: CardArgument,
    reason: ReasonOption,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Put a card on the blacklist: it is loaded no more. A second time changes nothing."""
    _turn(journey.block, "card-stock block", (card_no, reason), Person(operator, passphrase_file), config)
    console.print(f"card {card_no} is on the blacklist", highlight=False)


@app.command()
def unblock(
    card_no: CardArgument,
    reason: ReasonOption,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Take a card off the blacklist. A second time changes nothing."""
    _turn(journey.unblock, "card-stock unblock", (card_no, reason), Person(operator, passphrase_file), config)
    console.print(f"card {card_no} is off the blacklist", highlight=False)


def _turn(turn: Turn, command: str, what: tuple[str, str], person: Person, config: Path | None) -> None:
    async def work() -> None:
        actor = await authorised(config, command, person, what[0])
        async with database_of(config, actor) as database:
            await turn(database, *what, stamp_at(config, actor))

    run(work())


def _row(card: CardRow) -> dict[str, object]:
    return {name: getattr(card, name) for name in SHOWN}
