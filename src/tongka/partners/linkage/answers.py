"""What a journey came to, in Linkage's words."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tongka.card.apdu import Command
from tongka.days import ZONE
from tongka.errors import TongkaError
from tongka.journeys.call import Outcome
from tongka.partners.linkage import messages as m
from tongka.partners.linkage.codes import SUCCESS, told

MAC2_AT = 7
"""In the data of CREDIT FOR LOAD and DEBIT FOR UNLOAD: date 4, time 3, MAC2 4."""


def answer_of(kind: type[m.Answer], outcome: Outcome) -> bytes:
    """The answer to an operation that was done."""
    return msgspec.json.encode(kind(code=SUCCESS.code, text=SUCCESS.text, **PARTS[kind](outcome)))


def refusal_of(error: TongkaError) -> bytes:
    code, text = told(error)
    return msgspec.json.encode(m.Answer(code=code, text=text))


def _trade(outcome: Outcome) -> dict[str, Any]:
    if outcome.order is None:
        raise AssertionError("this operation's outcome has an order")
    return {"trade_id": outcome.order.order_no, "amount": str(outcome.order.amount_fen)}


def _mac2(outcome: Outcome) -> dict[str, Any]:
    command: Command = outcome.commands[0]
    return {"mac2": command.data[MAC2_AT:].hex().upper()}


def _time(outcome: Outcome) -> dict[str, Any]:
    local = outcome.at.astimezone(ZONE)
    return {"date": f"{local:%Y%m%d}", "time": f"{local:%H%M%S}"}


PARTS: Mapping[type[m.Answer], Callable[[Outcome], dict[str, Any]]] = {
    m.Answer: lambda _: {},
    m.Trade: _trade,
    m.Mac2: _mac2,
    m.HostTime: _time,
    m.PrepaidBalance: lambda outcome: {
        "merchant": outcome.detail.merchant,
        "balance": str(outcome.detail.balance_fen),
    },
    m.Amount: lambda outcome: {"amount": str(outcome.detail)},
    m.GroupAmount: lambda outcome: {"amount": str(outcome.detail), "amount_as_printed": str(outcome.detail)},
}
