"""Payouts: what riders get back of returned cards, and the refunds in which it goes.

`waiting` begins with the return's own move. From there on each step is one statement that compares, sets and posts:
what is payable to a rider leaves `refunds_payable` with the refund that is done, never before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import asyncpg

from tongka.ledger import Account
from tongka.payouts import Refundable
from tongka.store.db import Database
from tongka.store.stamp import Stamp


class PayoutState(StrEnum):
    """`WAITING`: nothing is decided; `CARRIED`: a migration has it; `OWED`: what is left is for people."""

    WAITING = "waiting"
    CARRIED = "carried"
    SENDING = "sending"
    OWED = "owed"
    DONE = "done"


class RefundState(StrEnum):
    """`DUE` until the institution has said yes or no."""

    DUE = "due"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Payout:
    """One row, with the refunds counted: `refunded_fen` of those that are done, `due_fen` of those that are not known.

    The columns' meaning stands beside them in 0052_payouts.sql.
    """

    card_no: str
    order_no: str
    amount_fen: int
    carried_fen: int
    back_fen: int
    by_hand_fen: int
    reference: str
    state: PayoutState
    plans: int
    created_at: datetime
    refunds: int
    refunded_fen: int
    due_fen: int

    @property
    def total_fen(self) -> int:
        """What the rider is to get."""
        return self.amount_fen - self.carried_fen + self.back_fen

    @property
    def done_fen(self) -> int:
        return self.refunded_fen + self.by_hand_fen

    @property
    def left_fen(self) -> int:
        """What he has not got."""
        return self.total_fen - self.done_fen


@dataclass(frozen=True, slots=True)
class PayoutRefund:
    """A refund, with the payment's whole amount.

    Attributes:
        account: what the payment filled, and the refund empties.
        asked_at: None where nobody was asked yet.
        nth: of its payment; known where it is planned.

    """

    refund_no: str
    payment_no: str
    acquirer: str
    account: int
    amount_fen: int
    asked_at: datetime | None = None
    total_fen: int = 0
    nth: int = 0


_SELECT = """
SELECT p.card_no, p.order_no, p.amount_fen, p.carried_fen, p.back_fen, p.by_hand_fen, p.reference, p.state, p.plans,
    p.created_at, r.refunds, r.refunded_fen, r.due_fen
FROM payout p CROSS JOIN LATERAL (
    SELECT count(*) AS refunds, coalesce(sum(amount_fen) FILTER (WHERE state = 'done'), 0)::bigint AS refunded_fen,
        coalesce(sum(amount_fen) FILTER (WHERE state = 'due'), 0)::bigint AS due_fen
    FROM payout_refund WHERE card_no = p.card_no AND order_no = p.order_no
) AS r
"""


def _payout(row: asyncpg.Record) -> Payout:
    values = dict(row)
    return Payout(**values | {"state": PayoutState(values["state"])})


# --- looking ----------------------------------------------------------------------------------------------------------


async def of_card(database: Database, card_no: str) -> Payout | None:
    """A card is returned once."""
    row = await database.read_row(f"{_SELECT} WHERE p.card_no = $1", card_no)
    return _payout(row) if row else None


async def by_number(database: Database, order_no: str) -> Payout | None:
    """The payout of a return."""
    row = await database.read_row(
        f"{_SELECT} WHERE (p.card_no, p.order_no) IN"  # noqa: S608 - our own text
        " (SELECT card_no, order_no FROM orders WHERE order_no = $1)",
        order_no,
    )
    return _payout(row) if row else None


async def unfinished(database: Database, limit: int) -> list[Payout]:
    """All that riders have not got yet, those that wait for people first, then the oldest."""
    rows = await database.read(
        f"{_SELECT} WHERE p.state IN ('waiting', 'sending', 'owed') ORDER BY p.state <> 'owed', p.created_at LIMIT $1",
        limit,
    )
    return [_payout(row) for row in rows]


async def to_plan(database: Database, limit: int) -> list[Payout]:
    """Those of which every refund is decided, the oldest first."""
    rows = await database.read(
        f"{_SELECT} WHERE p.state = 'sending' AND r.due_fen = 0 ORDER BY p.moved_at LIMIT $1", limit
    )
    return [_payout(row) for row in rows]


_REFUNDABLE = """
WITH RECURSIVE carried (card_no, user_id) AS (
    SELECT $1::text, ''
    UNION SELECT o.card_no, m.user_id
    FROM carried c JOIN app_order m ON m.card_no = c.card_no AND m.business = 'MIGRATE' AND c.user_id IN ('', m.user_id)
    JOIN wallet_order o ON o.institution = $3 AND o.server_order_id = m.order_no || $5 AND o.card_no <> c.card_no
)
SELECT p.payment_no, p.acquirer, p.created_at AS made_at, (p.amount_fen - coalesce((
    SELECT sum(o.amount_fen) FROM payment_claim c JOIN orders o ON (o.card_no, o.order_no) = (c.card_no, c.order_no)
    WHERE c.institution = $3 AND c.payment_order = ANY (ARRAY[p.order_no, p.order_no || $4])
        AND o.state NOT IN ('5', '8')
), 0) - coalesce((
    SELECT sum(r.amount_fen) FROM payout_refund r WHERE r.payment_no = p.payment_no AND r.state <> 'refused'
), 0))::bigint AS left_fen, (SELECT count(*) FROM payout_refund r WHERE r.payment_no = p.payment_no) AS tried
FROM carried c JOIN app_order a ON a.card_no = c.card_no AND c.user_id IN ('', a.user_id)
JOIN payment p USING (order_no)
WHERE a.state IN ('submitted', 'refunding') AND p.state = 'paid' AND NOT EXISTS (
    SELECT FROM payout_refund r WHERE (r.card_no, r.order_no, r.payment_no) = ($1, $2, p.payment_no)
)
"""


async def refundable(
    database: Database, payout: Payout, institution: str, opening: str, carried_out: str
) -> list[Refundable]:
    """The payments that were not tried for this payout, and what is left of each.

    They are the card's, and those that the same rider made for the cards that migrations have carried to it, one after
    the other. What is paid and not on the card goes back, if it does, as its own order's refund: it is not left.
    `institution` is the name under which Your Server orders, `opening` what is behind a payment's number where it pays
    for an opening, `carried_out` what is behind the number of a migration's deletion.
    """
    rows = await database.read(_REFUNDABLE, payout.card_no, payout.order_no, institution, opening, carried_out)
    return [Refundable(**dict(row)) for row in rows]


async def due(database: Database, acquirers: Sequence[str], asked_before: datetime, limit: int) -> list[PayoutRefund]:
    """Refunds at these institutions that are not decided and were not asked about since a moment, new ones first.

    Those at an institution that is not connected wait until it is again.
    """
    rows = await database.read(
        "SELECT r.refund_no, r.payment_no, r.acquirer, r.account, r.amount_fen, r.asked_at, p.amount_fen"
        " FROM payout_refund r JOIN payment p USING (payment_no)"
        " WHERE r.state = 'due' AND (r.asked_at IS NULL OR r.asked_at < $1) AND r.acquirer = ANY ($3)"
        " ORDER BY r.asked_at NULLS FIRST LIMIT $2",
        asked_before,
        limit,
        acquirers,
    )
    return [PayoutRefund(*row) for row in rows]


# --- moving -----------------------------------------------------------------------------------------------------------

_PROCEED = """
WITH moved AS (
    UPDATE payout SET state = $5, plans = plans + 1, moved_at = $6
    WHERE card_no = $1 AND order_no = $2 AND state = $3 AND plans = $4 RETURNING card_no, order_no
), planned AS (
    INSERT INTO payout_refund (refund_no, card_no, order_no, payment_no, acquirer, account, amount_fen, nth, state)
    SELECT one.refund_no, card_no, order_no, one.payment_no, one.acquirer, one.account, one.amount_fen, one.nth, 'due'
    FROM moved, unnest($7::text[], $8::text[], $9::text[], $10::int[], $11::bigint[], $12::int[])
        AS one (refund_no, payment_no, acquirer, account, amount_fen, nth)
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $6, 'payouts', 'payout ' || $5, order_no, array_to_string($7, ' ') FROM moved
)
SELECT order_no FROM moved
"""


async def proceed(
    database: Database, payout: Payout, state: PayoutState, refunds: Sequence[PayoutRefund], at: datetime
) -> bool:
    """Move on, with the refunds that are due from now on.

    False where another worker did so first, or another card's payout has drawn on one of the payments meanwhile.
    """
    rows = ((r.refund_no, r.payment_no, r.acquirer, r.account, r.amount_fen, r.nth) for r in refunds)
    columns = map(list, zip(*rows, strict=True)) if refunds else [[]] * 6
    key = (payout.card_no, payout.order_no, payout.state.value, payout.plans)
    try:
        return await database.fetchval(_PROCEED, *key, state.value, at, *columns) is not None
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "payment_refunded_in_turn":
            return False
        raise


_DECIDE = """
WITH decided AS (
    UPDATE payout_refund SET state = $2, asked_at = $3, decided_at = $3 WHERE refund_no = $1 AND state = 'due'
    RETURNING card_no, order_no, refund_no, acquirer, account, amount_fen
), posted AS (
    INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT card_no, order_no, 'single', $5, account, amount_fen, 'payout ' || refund_no, $3, $4 FROM decided
    WHERE $2 = 'done'
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $3, acquirer, 'payout refund ' || $2, order_no, refund_no || ' ' || amount_fen FROM decided
)
SELECT refund_no FROM decided
"""


async def decide(database: Database, refund: PayoutRefund, state: RefundState, stamp: Stamp) -> bool:
    """What the institution said; what it paid is payable no more. False where it was decided before."""
    decided = await database.fetchval(
        _DECIDE, refund.refund_no, state.value, stamp.at, stamp.day, Account.REFUNDS_PAYABLE
    )
    return decided is not None


async def note_asked(database: Database, refund: PayoutRefund, at: datetime) -> None:
    await database.execute(
        "UPDATE payout_refund SET asked_at = $2 WHERE refund_no = $1 AND state = 'due'", refund.refund_no, at
    )


_BY_HAND = """
WITH moved AS (
    UPDATE payout SET state = 'done', by_hand_fen = $3, by_hand_from = $4, reference = $5, moved_at = $6
    WHERE card_no = $1 AND order_no = $2 AND state = 'owed' RETURNING card_no, order_no
), posted AS (
    INSERT INTO transfer (card_no, order_no, kind, debit, credit, amount_fen, reason, posted_at, business_date)
    SELECT card_no, order_no, 'single', $9, $4, $3, 'payout by hand', $6, $7 FROM moved
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $6, $8, 'payout by hand', order_no, $3::text || ' ' || $5 FROM moved
)
SELECT order_no FROM moved
"""


async def paid_by_hand(database: Database, payout: Payout, source: Account, reference: str, stamp: Stamp) -> bool:
    """People have paid what was left; False where it is not owed any more."""
    moved = await database.fetchval(
        _BY_HAND,
        payout.card_no,
        payout.order_no,
        payout.left_fen,
        source,
        reference,
        stamp.at,
        stamp.day,
        stamp.actor,
        Account.REFUNDS_PAYABLE,
    )
    return moved is not None
