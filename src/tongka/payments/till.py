"""The sandbox's payment institution as an acquirer: a till that can delay, repeat, lose, and not answer.

It keeps its books in the city's database. An answer that does not come leaves open what happened: half of those
requests were carried out. Its notices are JSON under an HMAC, with a key that everybody may know.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import msgspec

from tongka.days import ZONE
from tongka.errors import BadSignature, Malformed
from tongka.payments import Answer
from tongka.payments.acquirer import UNKNOWN, Found, Notice, Payment, RefundAsk, Ticket
from tongka.store import payments as refunds
from tongka.store import till
from tongka.store.db import Database
from tongka.store.payments import Refund
from tongka.store.till import TillPayment

NAME = "sandbox"
REFUND_DAYS = 365
KEY = b"the sandbox till's notices"
SIGNATURE = "x-till-signature"


class _Told(msgspec.Struct, frozen=True):
    """A notice's body."""

    payment_no: str
    amount_fen: int
    trade_no: str


@dataclass(frozen=True, slots=True)
class Till:
    """Implements `Acquirer`."""

    database: Database
    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
    name: str = NAME
    refund_days: int = REFUND_DAYS

    async def create(self, payment: Payment) -> Ticket | None:
        temper = await till.temper(self.database)
        silent, happens = self._drawn(temper.unknown_percent)
        if happens:
            pays_at = self.clock() + timedelta(milliseconds=temper.delay_ms)
            row = TillPayment(payment.payment_no, payment.amount_fen, pays_at, temper.pays)
            await till.begin(self.database, row, temper.notices)
        return None if silent else Ticket("till", payment.payment_no)

    async def query(self, payment_no: str) -> Found:
        temper = await till.temper(self.database)
        if self._drawn(temper.unknown_percent)[0]:
            return UNKNOWN
        found = await till.find(self.database, payment_no)
        if found is None or not found.paid(self.clock()):
            return Found(Answer.NO)
        return Found(Answer.YES, found.amount_fen, _trade_no(payment_no))

    async def refund(self, ask: RefundAsk) -> Answer:
        """Pays once for each number, and all together never more than was paid."""
        temper = await till.temper(self.database)
        silent, happens = self._drawn(temper.unknown_percent)
        if happens:
            await till.refund(self.database, ask.refund_no, ask.payment_no, ask.amount_fen, self.clock())
        return Answer.UNKNOWN if silent else await self._decided(ask)

    async def query_refund(self, ask: RefundAsk) -> Answer:
        temper = await till.temper(self.database)
        return Answer.UNKNOWN if self._drawn(temper.unknown_percent)[0] else await self._decided(ask)

    async def _decided(self, ask: RefundAsk) -> Answer:
        wanted = Refund(ask.refund_no, ask.payment_no, ask.amount_fen, paid=True)
        return Answer.YES if await refunds.refund(self.database, ask.refund_no) == wanted else Answer.NO

    def _drawn(self, unknown_percent: int) -> tuple[bool, bool]:
        """Whether the answer does not come, and whether the request is carried out."""
        silent = int.from_bytes(self.random(4), "big") % 100 < unknown_percent
        return silent, not silent or bool(self.random(1)[0] & 1)

    def verify_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        given = {name.lower(): value for name, value in headers.items()}.get(SIGNATURE, "")
        if not hmac.compare_digest(given.encode(), sign(body).encode()):
            raise BadSignature("the notice is not the till's")
        try:
            told = msgspec.json.decode(body, type=_Told)
        except msgspec.MsgspecError as error:
            raise Malformed("notice", str(error)) from error
        return Notice(told.payment_no, Found(Answer.YES, told.amount_fen, told.trade_no))

    def acknowledge(self) -> tuple[str, bytes]:
        return "text/plain", b"OK"

    async def bill(self, day: date) -> bytes:
        """CSV: kind, number, payment number, trade number, amount in fen."""
        start = datetime.combine(day, time(), ZONE)
        end = start + timedelta(days=1)
        lines = [
            f"payment,{row.payment_no},{row.payment_no},{_trade_no(row.payment_no)},{row.amount_fen}"
            for row in await till.of_day(self.database, start, end)
        ]
        lines += [
            f"refund,{row.refund_no},{row.payment_order},{_trade_no(row.payment_order)},{row.amount_fen}"
            for row in await refunds.decided_between(self.database, start, end)
        ]
        return "\n".join(("kind,number,payment_no,trade_no,amount_fen", *lines, "")).encode()


def _trade_no(payment_no: str) -> str:
    return f"T{payment_no}"


def sign(body: bytes) -> str:
    """A notice's signature."""
    return hmac.digest(KEY, body, hashlib.sha256).hex().upper()


def notice_of(payment: TillPayment) -> tuple[dict[str, str], bytes]:
    """Headers and body, as the till sends them."""
    body = msgspec.json.encode(_Told(payment.payment_no, payment.amount_fen, _trade_no(payment.payment_no)))
    return {SIGNATURE: sign(body)}, body
