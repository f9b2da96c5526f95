"""Orders in the database. A move is one statement: compare and set, post, audit, store the reply; all or nothing.

Who wins a race is decided by the state and attempt that the statement compares, and by three unique constraints: one
open order for each card, one order for each payment, one reply for each request.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import asyncpg
from msgspec import Struct, structs

from tongka.errors import Busy, Refused
from tongka.ledger import FIRST_GUARDED
from tongka.orders import Event, Kind, Leg, State, legs, next_state, receivable, settles
from tongka.store.db import Database
from tongka.store.leases import Leased
from tongka.store.move_sql import move_sql
from tongka.store.stamp import Stamp

COLUMNS = (
    "card_no, order_no, kind, state, institution, payment_order, payment_method, order_type, channel, amount_fen, paid,"
    " created_at, moved_at, settlement_date, attempt, pin_atc, init, terminal, moment, command, evidence, challenge,"
    " pending_id, reference, return_type, customer, refund_no, closed_by,"
    " funded_from, closes_by_counter"
)


_NAMES = tuple(name.strip() for name in COLUMNS.split(","))


class AnotherOpenOrder(Refused):
    """Another order of this card has a command under way (000151)."""

    code = "needs_card_management"


class PaymentClaimed(Refused):
    """The payment already pays for another order (000090)."""

    code = "order_number_repeated"


class AlreadyAnswered(Busy):
    """A repeat of this request was answered while this one was under way; look the reply up."""

    code = "already_answered"


class MovedMeanwhile(Busy):
    """Another request moved the order between our look and our move."""

    code = "moved_meanwhile"


CONFLICTS: Mapping[str, type[Refused] | type[Busy]] = {
    "card_has_another_open_order": AnotherOpenOrder,
    "card_is_being_sold_or_returned": MovedMeanwhile,
    "payment_already_claimed": PaymentClaimed,
    "request_already_answered": AlreadyAnswered,
}


class Order(Struct, frozen=True, kw_only=True):
    """One row; the columns' meaning stands beside them in 0004_orders.sql and 0010_linkage.sql."""

    card_no: str
    order_no: str
    kind: Kind
    state: State
    institution: str
    payment_order: str
    payment_method: str
    order_type: str
    channel: str
    amount_fen: int
    paid: bool
    created_at: datetime
    moved_at: datetime
    settlement_date: date
    attempt: int = 0
    pin_atc: int | None = None
    init: bytes | None = None
    terminal: bytes | None = None
    moment: bytes | None = None
    command: bytes | None = None
    evidence: bytes | None = None
    challenge: bytes | None = None
    pending_id: int | None = None
    reference: str = ""
    return_type: str = ""
    customer: bytes | None = None
    refund_no: str = ""
    closed_by: str = ""
    funded_from: int = 0
    closes_by_counter: bool = False

    def changed(self, **columns: Any) -> "Order":
        """The same order with other values in these columns."""
        return structs.replace(self, **columns)

    @property
    def source(self) -> int:
        """The account that the order's money comes from, and that a refund or an unload goes to."""
        return self.funded_from or receivable(self.payment_method)


class Reply(Struct, frozen=True):
    """What a request was answered, under the name that a repeat bears."""

    request: str
    digest: bytes
    body: bytes


NO_REPLY = Reply("", b"", b"")
"""For an order whose reply comes with a later move."""


class Move(Struct, frozen=True, kw_only=True):
    """One step of an order.

    Attributes:
        order: as it was read; its state and attempt are compared.
        settlement_date: the business day of its transfers; also the order's own from now on, where the move settles.
        changes: columns to set besides state and time.
        extra_legs: transfers beside the order's own, each with its amount.
        card: columns of the order's card to set.
        claim: the payment that begins to pay for the order with this move.
        confirms: the decision of two people that this move carries out is confirmed by the actor.
        owes_fen: what the rider is to be paid out from now on, by Your Server.
        actor: who caused it, for the audit.

    """

    order: Order
    event: Event
    at: datetime
    settlement_date: date
    actor: str
    changes: Mapping[str, Any] = {}
    reply: Reply | None = None
    detail: str = ""
    extra_legs: tuple[tuple[Leg, int], ...] = ()
    card: Mapping[str, Any] = {}
    claim: str = ""
    confirms: bool = False
    owes_fen: int = 0

    @property
    def target(self) -> State:
        return next_state(self.order.state, self.event)

    def answered(self, reply: Reply | None) -> "Move":
        """The same move with the reply that it stores."""
        return structs.replace(self, reply=reply)

    @property
    def moved(self) -> Order:
        """The order as the move leaves it."""
        settled = settles(self.order.kind, self.event, [leg for leg, _ in self.extra_legs])
        day = self.settlement_date if settled else self.order.settlement_date
        return self.order.changed(state=self.target, settlement_date=day, **self.changes)


def order_of(values: dict[str, Any]) -> Order:
    """An order of its row's columns."""
    values["kind"], values["state"] = Kind(values["kind"]), State(values["state"])
    return Order(**values)


def order_of_record(row: asyncpg.Record) -> Order:
    """An order of a whole row of the table."""
    return order_of({name: row[name] for name in _NAMES})


def _order(row: asyncpg.Record) -> Order:
    return order_of(dict(row))


# --- looking ----------------------------------------------------------------------------------------------------------


async def by_number(database: Database, order_no: str) -> Order | None:
    row = await database.read_row(f"SELECT {COLUMNS} FROM orders WHERE order_no = $1", order_no)  # noqa: S608 - constant
    return _order(row) if row else None


async def by_payment(database: Database, institution: str, payment_order: str) -> Order | None:
    """The order that this payment pays for."""
    row = await database.read_row(
        f"SELECT {COLUMNS} FROM orders WHERE (card_no, order_no) ="  # noqa: S608 - constant
        " (SELECT card_no, order_no FROM payment_claim WHERE institution = $1 AND payment_order = $2)",
        institution,
        payment_order,
    )
    return _order(row) if row else None


async def open_of_card(database: Database, card_no: str) -> Order | None:
    """The order of this card that has a command under way; there is at most one."""
    row = await database.read_row(
        f"SELECT {COLUMNS} FROM orders WHERE card_no = $1 AND state IN ('2', '4', '6', '7', '9')",  # noqa: S608
        card_no,
    )
    return _order(row) if row else None


async def of_card(database: Database, card_no: str, order_nos: Sequence[str]) -> list[Order]:
    """The order of this card that has a command under way, and those of the numbers, whatever their state."""
    (rows,) = await database.read_joined(
        f"SELECT ARRAY(SELECT ROW({COLUMNS}) FROM orders WHERE card_no = $1"  # noqa: S608 - constant
        " AND (state IN ('2', '4', '6', '7', '9') OR order_no = ANY ($2::text[])))",
        card_no,
        order_nos,
    )
    return [order_of(dict(zip(_NAMES, row, strict=True))) for row in rows]


async def standing(database: Database, card_no: str, institution: str) -> list[Order]:
    """Loads and unloads of a card that are not at their end: anybody's open one, and this institution's paid ones."""
    rows = await database.read(
        f"SELECT {COLUMNS} FROM orders WHERE card_no = $1 AND kind IN ('topup', 'unload') AND"  # noqa: S608 - constant
        " (state IN ('2', '4', '6', '7', '9') OR (state IN ('1', '3') AND paid AND institution = $2))"
        " ORDER BY created_at DESC",
        card_no,
        institution,
    )
    return [_order(row) for row in rows]


async def is_counter_used(database: Database, card_no: str, online_atc: int, *, but: str) -> bool:
    """Whether another load or unload of this card was done at a counter."""
    found = await database.read_value(
        "SELECT EXISTS (SELECT FROM orders WHERE card_no = $1 AND pin_atc = $2 AND order_no <> $3"
        " AND kind IN ('topup', 'unload') AND state IN ('5', '8'))",
        card_no,
        online_atc,
        but,
    )
    return bool(found)


async def unpaid_since(database: Database, before: datetime, limit: int) -> list[Order]:
    """Orders that were made before a moment and never paid, oldest first."""
    rows = await database.read(
        f"SELECT {COLUMNS} FROM orders WHERE state = '1' AND NOT paid AND created_at < $1"  # noqa: S608 - constant
        " ORDER BY created_at LIMIT $2",
        before,
        limit,
    )
    return [_order(row) for row in rows]


async def unfinished(database: Database, card_no: str, kind: Kind) -> Order | None:
    """The sale or the return of this card that has begun and not ended; there is at most one of each."""
    row = await database.read_row(
        f"SELECT {COLUMNS} FROM orders WHERE card_no = $1 AND kind = $2"  # noqa: S608 - constant
        " AND state IN ('1', '2', '3', '4', '6', '7', '9')",
        card_no,
        kind.value,
    )
    return _order(row) if row else None


async def in_state(database: Database, state: State, before: datetime, limit: int) -> list[Order]:
    """Orders that have stood in a state since a moment, oldest first."""
    rows = await database.read(
        f"SELECT {COLUMNS} FROM orders WHERE state = $1 AND moved_at <= $2 ORDER BY moved_at LIMIT $3",  # noqa: S608
        state.value,
        before,
        limit,
    )
    return [_order(row) for row in rows]


# --- moving -----------------------------------------------------------------------------------------------------------


async def store_reply(database: Database, reply: Reply, stamp: Stamp, action: str, detail: str) -> None:
    """Remember an answer that moved nothing, with its audit row.

    Raises:
        AlreadyAnswered: the request was answered meanwhile.

    """
    await _write(
        database,
        "WITH audited AS (INSERT INTO audit (at, actor, action, subject, detail) VALUES ($4, $5, $6, $1, $7))"
        ", replied AS (INSERT INTO reply (request, digest, body, at) VALUES ($1, $2, $3, $4)) SELECT true",
        (
            reply.request,
            reply.digest,
            reply.body,
            stamp.at,
            stamp.actor,
            action,
            detail,
        ),
    )


async def create(database: Database, order: Order, actor: str, reply: Reply = NO_REPLY, card_status: str = "") -> None:
    """A new order with the payment that it claims, its money, its audit row and its reply.

    Raises:
        PaymentClaimed: the payment pays for another order.
        AlreadyAnswered: the request was answered meanwhile.

    """
    await _write(database, _INSERT, (*_insert_arguments(order, actor, reply), card_status))


async def create_on(connection: Leased, order: Order, actor: str) -> None:
    """As `create`, within a transaction; the caller reads its unique violations."""
    await connection.execute(_INSERT, *_insert_arguments(order, actor, NO_REPLY), "")


_INSERT = """
WITH created AS (
    INSERT INTO orders (card_no, order_no, kind, state, institution, payment_order, payment_method, order_type, channel,
                        amount_fen, paid, created_at, moved_at, settlement_date, reference, return_type, customer)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, $14, $15, $16)
), claimed AS (
    INSERT INTO payment_claim (institution, payment_order, card_no, order_no) SELECT $5, $6, $1, $2 WHERE $6 <> ''
), posted AS (
    INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT $1, $2, 'single', $17, 2, $10, 'paid', $12, $13 WHERE $17::int > 0 AND $10 > 0
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail) VALUES ($12, $18, 'create ' || $3, $2, $10::text)
), carded AS (
    UPDATE card SET status = $22 WHERE card_no = $1 AND $22 <> ''
), replied AS (
    INSERT INTO reply (request, digest, body, at) SELECT $19, $20, $21, $12 WHERE $19 <> ''
)
SELECT true
"""


def _insert_arguments(order: Order, actor: str, reply: Reply) -> tuple[Any, ...]:
    paid_into = receivable(order.payment_method) if order.paid and order.kind is not Kind.RETURN else 0
    return (
        order.card_no,
        order.order_no,
        order.kind.value,
        order.state.value,
        order.institution,
        order.payment_order,
        order.payment_method,
        order.order_type,
        order.channel,
        order.amount_fen,
        order.paid,
        order.created_at,
        order.settlement_date,
        order.reference,
        order.return_type,
        order.customer,
        paid_into,
        actor,
        reply.request,
        reply.digest,
        reply.body,
    )


async def move(database: Database, step: Move) -> None:
    """Carry out one move.

    Raises:
        MoveForbidden: the table has no such move.
        MovedMeanwhile: the order is no longer as it was read.
        PaymentClaimed: the payment pays for another order.
        LedgerRefused: a stored-value account holds less than the move draws from it.
        AnotherOpenOrder: another order of this card has a command under way.
        AlreadyAnswered: the request was answered meanwhile.

    """
    order = step.order
    target = step.target
    transfers = _transfers(step)
    changes = dict(step.changes)
    reserving = any(leg.kind == "pending" for leg, _ in transfers)
    if order.pending_id is not None and any(leg.kind in {"post", "void"} for leg, _ in transfers):
        changes["pending_id"] = None
    sql = move_sql(
        tuple(changes),
        tuple(step.card),
        legs=len(transfers),
        reserving=reserving,
        replies=step.reply is not None,
        claims=bool(step.claim),
        confirms=step.confirms,
        owes=step.owes_fen > 0,
    )
    reply = (step.reply.request, step.reply.digest, step.reply.body) if step.reply else ()
    moved = await _write(
        database,
        sql,
        (
            order.card_no,
            order.order_no,
            order.state.value,
            order.attempt,
            target.value,
            step.at,
            step.moved.settlement_date,
            step.actor,
            step.event.value,
            step.detail or f"{order.state.value} {target.value}",
            *reply,
            *changes.values(),
            *step.card.values(),
            *((order.institution, step.claim) if step.claim else ()),
            *((step.event is Event.DECIDED_CREDITED,) if step.confirms else ()),
            *((step.owes_fen,) if step.owes_fen else ()),
            *(part for leg, amount in transfers for part in (leg.kind, leg.debit, leg.credit, amount)),
            *((order.pending_id, step.settlement_date) if transfers else ()),
        ),
        locks_shared=step.confirms or any(max(leg.debit, leg.credit) >= FIRST_GUARDED for leg, _ in transfers),
    )
    if moved is None:
        raise MovedMeanwhile(f"order {order.order_no} was moved by another request; look again")


def _transfers(step: Move) -> list[tuple[Leg, int]]:
    order = step.order
    own = legs(
        order.kind,
        step.event,
        order.payment_method,
        reserved=order.pending_id is not None,
        funded_from=order.funded_from,
    )
    return [*((leg, order.amount_fen) for leg in own if order.amount_fen), *step.extra_legs]


async def _write(database: Database, sql: str, arguments: tuple[Any, ...], *, locks_shared: bool = False) -> Any:
    """The one value that the statement answers; alone on its way if it locks what others want as well."""
    send = database.fetchrow if locks_shared else database.fetch_joined
    try:
        row = await send(sql, *arguments)
    except asyncpg.UniqueViolationError as error:
        conflict = CONFLICTS.get(error.constraint_name or "")
        if conflict is None:
            raise
        raise conflict((conflict.__doc__ or "").split("(", maxsplit=1)[0].strip().rstrip(".")) from error
    return row[0] if row else None
