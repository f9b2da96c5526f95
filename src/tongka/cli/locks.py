"""Who is locked out after too many wrong passwords or MACs, and how an operator lifts that: commands of two groups."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tongka.cli.acting import OperatorOption, PassphraseOption, Person, authorised
from tongka.cli.common import ConfigOption, JsonOption, console, database_of, print_rows, run, stamp_at
from tongka.journeys.operators import REASON_MAX, require_text
from tongka.shell import now
from tongka.store import guesses
from tongka.store.guesses import GROUP, RECHARGE

ReasonOption = Annotated[str, typer.Option(help="Why, for the audit trail.")]


def locked(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List all that is locked out for now (domains, terminals, cards, people): how many were wrong, and until when."""

    async def work() -> list[dict[str, object]]:
        async with database_of(config) as database:
            return [asdict(one) for one in await guesses.locked(database, now())]

    print_rows(run(work()), as_json=as_json)


def unlock_domain(
    domain: Annotated[str, typer.Argument(help="OrigionDomain of its messages.")],
    reason: ReasonOption,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Let a domain and its terminals try passwords again before the hour is over; cards stay as they are."""
    names = [guesses.of_domain(kind, domain) for kind in (RECHARGE, GROUP)]
    who = (Person(operator, passphrase_file), config)
    lifted = _lift("channel unlock", domain, names, reason, who, guesses.of_terminal(RECHARGE, domain))
    console.print(f"domain {domain}: {lifted} counts are forgotten", highlight=False)


def unlock_card(
    card_no: Annotated[str, typer.Argument(help="The card's number.")],
    reason: ReasonOption,
    operator: OperatorOption = "",
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Let a card be tried again before the hour is over: its MACs, and the passwords that were to load it."""
    who = (Person(operator, passphrase_file), config)
    lifted = _lift("card-stock unlock", card_no, guesses.all_of_card(card_no), reason, who)
    console.print(f"card {card_no}: {lifted} counts are forgotten", highlight=False)


def _lift(  # noqa: PLR0917 - what, whose, why and who
    command: str,
    subject: str,
    names: Sequence[str],
    reason: str,
    who: tuple[Person, Path | None],
    beginning: str = "",
) -> int:
    person, config = who

    async def work() -> int:
        require_text("--reason", reason, REASON_MAX)
        actor = await authorised(config, command, person, subject)
        async with database_of(config, actor) as database:
            stamp = stamp_at(config, actor)
            return await guesses.lift(database, names, stamp, reason, beginning=beginning)

    return run(work())
