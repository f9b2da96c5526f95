"""`tongka merchant card`: prepaid virtual cards that we issue, their money and their end."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from tongka.cli.acting import OperatorOption, PassphraseOption, Person, authorised
from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_rows, run, stamp_of, system_of
from tongka.errors import Malformed
from tongka.journeys import prepaid_cards
from tongka.ledger import RECEIVABLE
from tongka.money import format_yuan
from tongka.store import prepaid_cards as store
from tongka.store.prepaid_cards import PrepaidCard, PrepaidCardUnknown

app = typer.Typer(no_args_is_help=True, help="Prepaid virtual cards of ours; the gateway hears of them by the worker.")

TypeArgument = Annotated[str, typer.Argument(help="The card type, registered as prepaid.")]
CardArgument = Annotated[str, typer.Argument(help="The card's number: up to 16 digits and letters.")]


@app.command()
def issue(
    card_type: TypeArgument,
    card_no: CardArgument,
    user_id: Annotated[str, typer.Argument(help="The rider.")],
    config: ConfigOption = None,
) -> None:
    """Issue a card to a rider, with nothing on it; done twice it is the same."""

    async def work() -> None:
        async with system_of(config) as system:
            await prepaid_cards.issue(system, card_type, card_no, user_id, stamp_of(system))

    run(work())
    console.print(f"card {card_type} {card_no} is rider {user_id}'s", highlight=False)


@app.command()
def supply(  # noqa: PLR0917 - arguments and options of a command
    card_type: TypeArgument,
    card_no: CardArgument,
    amount_fen: Annotated[int, typer.Argument(min=1, help="How much, in fen.")],
    reference: Annotated[str, typer.Option(help="Of the payment: the same one again adds nothing.")],
    method: Annotated[str, typer.Option(help="How it was paid, as in orders: 01 cash, 03 Alipay …")] = "01",
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Take money in for a card; rides that waited for it are charged at once."""

    async def work() -> PrepaidCard:
        if method not in RECEIVABLE:
            raise Malformed("--method", f"is one of {', '.join(RECEIVABLE)}")
        actor = await authorised(config, "merchant card supply", Person(operator, passphrase_file), card_no)
        async with system_of(config, actor) as system:
            stamp, source = stamp_of(system), RECEIVABLE[method]
            given: dict[str, Any] = {"reference": reference, "stamp": stamp, "source": source}
            await store.supply(system.database, card_type, card_no, amount_fen, **given)
            found = await store.find(system.database, card_type, card_no)
            if found is None:
                raise PrepaidCardUnknown
            return found

    card = run(work())
    console.print(f"card {card_type} {card_no} holds {format_yuan(card.balance_fen)} yuan", highlight=False)


@app.command()
def revoke(card_type: TypeArgument, card_no: CardArgument, config: ConfigOption = None) -> None:
    """Take a card back: no codes from now on; it ends, and its money is to be paid out, when its rides have come in."""

    async def work() -> None:
        async with system_of(config) as system:
            await prepaid_cards.give_back(system, card_type, card_no, stamp_of(system))

    run(work())
    console.print(f"card {card_type} {card_no} is given back", highlight=False)


@app.command("list")
def list_cards(
    user_id: Annotated[str, typer.Option("--user", help="Of this rider only.")] = "",
    after: Annotated[str, typer.Option(help="From beyond this card number.")] = "",
    size: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List cards: what they hold, which rides wait for money, and whether the gateway knows."""

    async def work() -> list[PrepaidCard]:
        async with database_of(config) as database:
            return await store.page(database, user_id, after, size)

    print_rows([asdict(card) for card in run(work())], as_json=as_json)
