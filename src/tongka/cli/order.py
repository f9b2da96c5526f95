"""`tongka order`: orders for people: lists, all there is about one, decisions of two people, an operator's refund."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from tongka.card.files import LogRecord
from tongka.cli.acting import OperatorOption, PassphraseOption, acting
from tongka.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    database_of,
    moment,
    print_json,
    run,
    settings_of,
    system_of,
)
from tongka.errors import TongkaError
from tongka.journeys import decide as journey
from tongka.journeys import refund as refunds
from tongka.journeys import supply
from tongka.journeys.refusals import OrderNotFound
from tongka.money import format_yuan
from tongka.orders import Kind, State
from tongka.payments import OURS
from tongka.store import decisions, order_history, orders
from tongka.store.db import Database
from tongka.store.decisions import Decision
from tongka.store.order_history import Chosen, Event, Posted
from tongka.store.orders import Order
from tongka.store.overview import OrderLine
from tongka.store.stamp import Stamp

app = typer.Typer(no_args_is_help=True, help="Orders: listed, looked at, and decided by two people.")

OrderArgument = Annotated[str, typer.Argument(help="Order number.")]


@dataclass(frozen=True, slots=True)
class Sheet:
    """All there is about an order, without what is secret or personal."""

    order: dict[str, Any]
    log: list[dict[str, Any]]
    decision: Decision | None
    events: list[Event]
    transfers: list[Posted]


SHOWN = (
    "order_no", "card_no", "kind", "state", "amount_fen", "paid", "payment_method", "payment_order", "institution",
    "channel", "created_at", "moved_at", "settlement_date", "attempt", "pin_atc", "closed_by", "refund_no",
)  # fmt: skip


@app.command("list")
def list_orders(  # noqa: PLR0917 - options of a command
    state: Annotated[str, typer.Option(help=f"One of {', '.join(State)}.")] = "",
    card: Annotated[str, typer.Option(help="Only this card's.")] = "",
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Settlement date, YYYY-MM-DD.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List orders, those that moved last first. `--state 9` lists what waits for two people."""
    if state and state not in list(State):
        raise typer.BadParameter(f"{state} is not one of {', '.join(State)}", param_hint="--state")
    wanted = Chosen(state, kind or "", card, day.date() if day else None)

    async def work() -> list[OrderLine]:
        async with database_of(config) as database:
            return await order_history.chosen(database, wanted, limit)

    found = run(work())
    if as_json:
        print_json(found)
        return
    table = Table("order", "card", "kind", "state", "amount", "moved")
    for one in found:
        table.add_row(
            one.order_no, one.card_no, one.kind, _state(one.state), format_yuan(one.amount_fen), moment(one.moved_at)
        )
    console.print(table)


@app.command()
def show(order_no: OrderArgument, config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show an order: what is known, its moves, its transfers, and the card's log for the clerk."""

    async def work() -> Sheet:
        async with database_of(config) as database:
            order = await orders.by_number(database, order_no)
            if order is None:
                raise OrderNotFound(f"there is no order {order_no}")
            return Sheet(
                {name: getattr(order, name) for name in SHOWN},
                list(_log(order)),
                await decisions.find(database, order),
                await order_history.events(database, order),
                await order_history.transfers(database, order),
            )

    sheet = run(work())
    if as_json:
        print_json(sheet)
    else:
        _print_sheet(sheet)


@app.command()
def decide(
    order_no: OrderArgument,
    operator: OperatorOption,
    reason: Annotated[str, typer.Option(help="What you saw on the card.")],
    *,
    credited: Annotated[
        bool,
        typer.Option("--credited/--not-credited", help="The card ran the command: loaded, or emptied by a return."),
    ],
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide an order in state 9, the card in hand. One person proposes, another says the same: then it is done."""
    decided = acting(
        (operator, passphrase_file, config),
        f"decide {order_no}",
        lambda database, stamp: journey.decide(database, order_no, credited=credited, reason=reason, stamp=stamp),
    )
    if as_json:
        print_json({"order_no": order_no, "state": decided.order.state.value, **asdict(decided.proposal)})
    elif decided.proposal.confirmed_by is None:
        console.print(f"proposed; order {order_no} waits for another person to say the same", highlight=False)
    else:
        by = f"{decided.proposal.proposed_by} and {decided.proposal.confirmed_by}"
        console.print(f"order {order_no} is {_state(decided.order.state)}, decided by {by}", highlight=False)


@app.command()
def withdraw(
    order_no: OrderArgument,
    operator: OperatorOption,
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Take a proposal off the table, your own or another's."""
    acting(
        (operator, passphrase_file, config),
        f"withdraw {order_no}",
        lambda database, stamp: journey.withdraw(database, order_no, stamp),
    )
    console.print(f"nothing is proposed for order {order_no} any more", highlight=False)


@app.command()
def refund(
    order_no: OrderArgument,
    operator: OperatorOption,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")],
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Give back what was paid for a load that is not on its card: states 1, 3 and C. The worker carries it out."""
    order = acting(
        (operator, passphrase_file, config),
        f"refund {order_no}",
        lambda database, stamp: refunds.by_operator(database, order_no, reason, stamp),
    )
    amount = format_yuan(order.amount_fen)
    console.print(f"order {order_no} is {_state(order.state)}: {amount} under {order.refund_no}", highlight=False)
    console.print(_who_pays_back(order, config), highlight=False)


def _who_pays_back(order: Order, config: ConfigOption) -> str:
    """Nobody is to believe that the money is on its way because the order says so."""
    if order.institution == OURS or settings_of(config).payments.institution != "none":
        return "the payment institution that took the money is asked to pay it back"
    return (
        f"institution {order.institution} took the money, and pays it back itself; the refund stands in its list of the"
        " day: tongka day export DAY --out FOLDER"
    )


@app.command()
def payer(
    order_no: OrderArgument,
    operator: OperatorOption,
    passphrase_file: PassphraseOption = "",
    config: ConfigOption = None,
) -> None:
    """Show the account that paid for a OneCard trade, or that it is paid out to. Looking at it is audited."""

    async def look(_database: Database, _stamp: Stamp) -> str:
        async with system_of(config) as system:
            return await supply.payer_of(system, order_no)

    account = acting((operator, passphrase_file, config), f"look at the payer of {order_no}", look)
    console.print(account, highlight=False, markup=False)


def _log(order: Order) -> Iterator[dict[str, Any]]:
    """The log records that card management brought when it could not decide; other evidence is a TAC of 4 bytes."""
    evidence = order.evidence or b""
    if len(evidence) % LogRecord.LENGTH:
        return
    for start in range(0, len(evidence), LogRecord.LENGTH):
        raw = evidence[start : start + LogRecord.LENGTH]
        try:
            record = asdict(LogRecord.parse(raw))
        except TongkaError as error:
            record = {"unreadable": str(error)}
        yield {name: value.hex().upper() if isinstance(value, bytes) else value for name, value in record.items()} | {
            "raw": raw.hex().upper()
        }


def _state(state: str) -> str:
    return f"{state} {State(state).name.lower()}"


def _print_sheet(sheet: Sheet) -> None:
    facts = Table(show_header=False)
    for name, value in sheet.order.items():
        if value not in {None, ""}:
            facts.add_row(name.removesuffix("_fen"), _fact(name, value))
    console.print(facts)
    _print_rows("moves", [asdict(event) for event in sheet.events])
    _print_rows("transfers", [asdict(transfer) for transfer in sheet.transfers])
    _print_rows("the card's log, newest first", [{k: v for k, v in row.items() if k != "raw"} for row in sheet.log])
    if sheet.decision:
        _print_rows("decision", [asdict(sheet.decision)])


def _print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(*(name.removesuffix("_fen") for name in rows[0]), title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_fact(name, value) for name, value in row.items()))
    console.print(table)


def _fact(name: str, value: object) -> str:
    if isinstance(value, datetime):
        return moment(value)
    if name.endswith("_fen") or name == "amount":
        return format_yuan(int(str(value)))
    if name == "state":
        return _state(str(value))
    return "" if value is None else str(value)
