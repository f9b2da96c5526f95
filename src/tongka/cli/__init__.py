"""The command line. Each room of the platform has its own file; they are loaded when they are called."""

import os
import platform
import signal
from importlib import import_module
from types import FrameType
from typing import Annotated, Any

import typer
from typer.main import get_command

from tongka import VERSION

GROUPS: dict[str, str] = {
    "sandbox": "a whole city on one machine: every interface, worker and simulator",
    "serve": "the web server of this installation",
    "worker": "the jobs of this installation",
    "card": "read, top up and simulate cards",
    "card-stock": "cards on the books: batches imported and confirmed, cards listed, blocked",
    "partner": "institutions, merchants, terminals and the other parties that may speak to us",
    "gate": "ride codes at a gate: verify, show; the merchant's gates",
    "merchant": "fare tables, trips and their trades",
    "rider": "riders of ride codes: open, show, supply with money, keep out",
    "application": "merchants' applications at the open gateway, and their keys",
    "channel": "channels of the OneCard API: their keys, addresses and limits",
    "prepaid": "prepaid accounts of merchants: open, supply, list, statement",
    "recharge-card": "recharge cards: issue, activate, list, expire",
    "group-card": "group cards: import what companies allot, list",
    "order": "orders: list, show, refund, and the decision of two people",
    "todo": "all that waits for people, with its age",
    "operator": "the people who decide and refund orders, and their passphrases",
    "wallet": "cards in phones: issuers' numbers, secure elements, products of the app",
    "payments": "the payment institutions that riders pay at: check-keys",
    "ledger": "the books: balances, statements, check",
    "day": "business days: close, show, settlement lists, reconciliation",
    "remittance": "what partners are paid, and pay, for closed days; by two people",
    "audit": "the audit trail: seal, verify, export",
    "db": "the database: status, upgrade",
    "key": "the key store: made, shown by check values, added to; ceremonies with components",
    "config": "the settings: check, show",
    "demo": "a day in a city, from the first card sold to the books checked",
}
"""Name → one line of help. A name's commands are `app` of the module that `module_of` names."""


UNTIL_ENDED = frozenset({"sandbox", "serve", "worker"})
"""They end cleanly on SIGTERM, from the first moment on: a supervisor may change its mind while they still load."""


def _end_before_it_began(_number: int, _frame: FrameType | None) -> None:
    """There is nothing to close yet. `tongka.serving.run_until_ended` takes the signal over.

    No exception: the module that is being imported might make another of it.
    """
    os._exit(0)


def module_of(name: str) -> str:
    return f"tongka.cli.{name.replace('-', '_')}"


class _Lazy(typer.core.TyperGroup):
    """Imports a group only when it is called, so that `tongka --help` answers at once."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class asks for it
        return list(GROUPS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base class asks for it
        if cmd_name not in GROUPS:
            return None
        if cmd_name in UNTIL_ENDED:
            signal.signal(signal.SIGTERM, _end_before_it_began)
        command = get_command(import_module(module_of(cmd_name)).app)
        command.name, command.help = cmd_name, command.help or GROUPS[cmd_name]
        command.short_help = GROUPS[cmd_name]
        return command


main = typer.Typer(
    cls=_Lazy,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they hold keys and passphrases
    help="Tongka: an open transit-card platform.",
)


def _tell_version(asked: bool) -> None:
    if asked:
        from tongka.store.migrate import migrations  # noqa: PLC0415 - `tongka --help` has no use for the store

        typer.echo(f"tongka {VERSION}, schema {migrations()[-1]}, Python {platform.python_version()}")
        raise typer.Exit


@main.callback()
def _tongka(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Print version and schema, and end."),
    ] = False,
) -> None:
    pass
