"""What the sandbox's till keeps: its temper, the payments that riders make there, and notices still to be sent."""

from dataclasses import dataclass
from datetime import datetime

from tongka.store.db import Database


@dataclass(frozen=True, slots=True)
class Temper:
    """How the till behaves.

    Attributes:
        unknown_percent: of its answers that do not come; what was asked may have happened.
        delay_ms: until a rider has paid, and the notice leaves.
        notices: how often each payment is told: 0 loses the notice, 2 and more repeat it.
        pays: whether riders pay at all.

    """

    unknown_percent: int = 0
    delay_ms: int = 0
    notices: int = 1
    pays: bool = True


@dataclass(frozen=True, slots=True)
class TillPayment:
    """One payment at the till."""

    payment_no: str
    amount_fen: int
    pays_at: datetime
    pays: bool

    def paid(self, now: datetime) -> bool:
        return self.pays and self.pays_at <= now


async def temper(database: Database) -> Temper:
    row = await database.read_row("SELECT unknown_percent, delay_ms, notices, pays FROM simulated_temper")
    return Temper(*row) if row else Temper()


async def set_temper(database: Database, wanted: Temper) -> None:
    await database.execute(
        "INSERT INTO simulated_temper (unknown_percent, delay_ms, notices, pays) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (single) DO UPDATE SET unknown_percent = excluded.unknown_percent,"
        " delay_ms = excluded.delay_ms, notices = excluded.notices, pays = excluded.pays",
        wanted.unknown_percent,
        wanted.delay_ms,
        wanted.notices,
        wanted.pays,
    )


async def begin(database: Database, payment: TillPayment, notices: int) -> None:
    """A payment; one that was begun stays as it is."""
    await database.execute(
        "INSERT INTO simulated_payment (payment_no, amount_fen, pays_at, pays, notices, notify_at)"
        " VALUES ($1, $2, $3, $4, $5, $3) ON CONFLICT DO NOTHING",
        payment.payment_no,
        payment.amount_fen,
        payment.pays_at,
        payment.pays,
        notices,
    )


async def find(database: Database, payment_no: str) -> TillPayment | None:
    row = await database.read_row(
        "SELECT payment_no, amount_fen, pays_at, pays FROM simulated_payment WHERE payment_no = $1", payment_no
    )
    return TillPayment(*row) if row else None


_REFUND = """
WITH payment AS (
    SELECT amount_fen FROM simulated_payment WHERE payment_no = $2 AND pays AND pays_at <= $4
), returned AS (
    SELECT coalesce(sum(amount_fen), 0)::bigint AS amount_fen FROM simulated_refund WHERE payment_order = $2 AND paid
)
INSERT INTO simulated_refund (refund_no, payment_order, amount_fen, paid, decided_at)
SELECT $1, $2, $3, coalesce((SELECT amount_fen FROM payment) >= returned.amount_fen + $3, false), $4 FROM returned
ON CONFLICT DO NOTHING
"""


async def refund(database: Database, refund_no: str, payment_no: str, amount_fen: int, at: datetime) -> None:
    """Pay back, or refuse for good: what was not paid, or is paid back already. A number is decided once."""
    async with database.transaction() as connection:
        await connection.execute("SELECT FROM simulated_payment WHERE payment_no = $1 FOR UPDATE", payment_no)
        await connection.execute(_REFUND, refund_no, payment_no, amount_fen, at)


async def of_day(database: Database, start: datetime, end: datetime) -> list[TillPayment]:
    """What was paid from one moment to another."""
    rows = await database.read(
        "SELECT payment_no, amount_fen, pays_at, pays FROM simulated_payment"
        " WHERE pays AND pays_at >= $1 AND pays_at < $2 ORDER BY pays_at",
        start,
        end,
    )
    return [TillPayment(*row) for row in rows]


async def notices_due(database: Database, now: datetime, limit: int) -> list[TillPayment]:
    """Payments whose next notice is due; each is counted as sent."""
    rows = await database.fetch(
        "UPDATE simulated_payment SET notices = notices - 1 WHERE payment_no IN (SELECT payment_no"
        " FROM simulated_payment WHERE pays AND notices > 0 AND notify_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
        " RETURNING payment_no, amount_fen, pays_at, pays",
        now,
        limit,
    )
    return [TillPayment(*row) for row in rows]
