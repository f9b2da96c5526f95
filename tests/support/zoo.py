"""Orders of every kind in every state that they come to, made by the store's own moves: each on a card of its own."""

from datetime import datetime
from typing import Any

from tongka.days import ZONE
from tongka.ledger import Account, Posting
from tongka.orders import Event, Kind, Leg, State
from tongka.payments import OURS
from tongka.store import ledger, orders
from tongka.store.db import Database
from tongka.store.orders import Move, Order

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=ZONE)
AMOUNT = 1_000

_TO_2 = (Event.AUTHORISE, Event.KEYS_ANSWERED)
_TO_4, _TO_9 = (*_TO_2, Event.SILENCE), (*_TO_2, Event.MANAGED_UNDECIDED)
_TO_3, _TO_A = (*_TO_2, Event.MANAGED_NOT_CREDITED), (Event.REFUND,)

WAYS: dict[Kind, dict[str, tuple[Event, ...]]] = {
    Kind.TOPUP: {
        "1": (),
        "6": (Event.AUTHORISE,),
        "2": _TO_2,
        "4": _TO_4,
        "7": (*_TO_2, Event.HELD),
        "9": _TO_9,
        "3": _TO_3,
        "5": (*_TO_2, Event.CREDITED),
        "8": (*_TO_4, Event.MANAGED_CREDITED),
        "A": _TO_A,
        "B": (*_TO_A, Event.REFUND_UNKNOWN, Event.REFUND_YES),
        "C": (*_TO_3, *_TO_A, Event.REFUND_NO),
        "5 after 3": (*_TO_3, Event.CREDITED),
        "2 again": (*_TO_3, *_TO_2),
    },
    Kind.SALE: {"1": (), "2": _TO_2, "4": (*_TO_2, Event.REPORTED_FAILED), "5": (*_TO_2, Event.CREDITED)},
    Kind.RETURN: {"1": (), "2": _TO_2, "9": _TO_9, "3": _TO_3, "5": (*_TO_2, Event.CREDITED), "5 bad": (Event.WAITED,)},
    Kind.UNLOAD: {"2": _TO_2, "5": (*_TO_2, Event.COUNTED)},
}


async def fill(database: Database) -> dict[tuple[Kind, str], Order]:
    """The whole zoo; answers each order as it stands."""
    made: dict[tuple[Kind, str], Order] = {}
    for kind, ways in WAYS.items():
        for name, events in ways.items():
            made[kind, name] = await order(database, f"{kind}-{name}".replace(" ", "-"), kind, *events)
    return made


async def order(database: Database, number: str, kind: Kind, *events: Event, **columns: Any) -> Order:
    parts: dict[str, Any] = {
        "card_no": f"card-{number}",
        "payment_order": f"pay-{number}",
        "payment_method": "03",
        "amount_fen": AMOUNT,
        "paid": True,
        "institution": "90000001",
    }
    parts |= columns
    unload: dict[str, Any] = {}
    if kind in {Kind.RETURN, Kind.UNLOAD}:
        parts["payment_order"] = ""
    if kind is Kind.UNLOAD:  # it begins as any trade of which nothing is known yet
        kind, parts = Kind.TOPUP, parts | {"amount_fen": 0, "paid": False}
        unload = {"kind": Kind.UNLOAD, "amount_fen": AMOUNT, "paid": True}
    current = Order(
        order_no=number,
        kind=kind,
        state=State.INITIAL,
        order_type="40",
        channel="10",
        created_at=NOON,
        moved_at=NOON,
        settlement_date=NOON.date(),
        **parts,
    )
    if current.kind is Kind.RETURN or unload:
        held = Posting(Account.OPENING_BALANCES, Account.CARD_FLOAT, AMOUNT, "opening", card_no=current.card_no)
        await ledger.post(database, [held], NOON, NOON.date())
    await orders.create(database, current, "zoo")
    for event in events:
        current = await step(database, current, event, **(unload if event is Event.AUTHORISE else {}))
    return current


async def step(database: Database, current: Order, event: Event, **changes: Any) -> Order:
    parts: dict[str, Any] = {}
    if current.kind in {Kind.RETURN, Kind.UNLOAD} and event in {Event.CREDITED, Event.WAITED, Event.COUNTED}:
        parts = {"extra_legs": ((Leg("single", Account.REFUNDS_PAYABLE, current.source), current.amount_fen),)}
        if current.institution == OURS:
            parts = {"owes_fen": current.amount_fen}
    move = Move(order=current, event=event, at=NOON, settlement_date=NOON.date(), actor="zoo", changes=changes, **parts)
    await orders.move(database, move)
    found = await orders.by_number(database, current.order_no)
    assert found is not None
    return found
