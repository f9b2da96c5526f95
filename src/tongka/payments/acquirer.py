"""IF3: one payment institution, as Your Server talks to it.

`Acquirer` is the port; `alipay`, `wechat` and `till` implement it. What an institution says of a payment or a refund is
an `Answer`; what could not be learnt, for whatever reason, is `Answer.UNKNOWN`, and is asked about again under the same
number. Only a notice whose signature verifies over the bytes received says anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from tongka.payments import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What is to be paid: `payment_no` is ours, and names the payment for good."""

    payment_no: str
    amount_fen: int
    subject: str
    expires_s: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the rider's app hands to the institution's app: `kind` says what `data` is."""

    kind: str
    data: str


@dataclass(frozen=True, slots=True)
class Found:
    """What an institution says of a payment.

    Attributes:
        answer: yes: it is paid; no: it is not, as yet; unknown.
        amount_fen: what was paid; 0 unless yes.
        trade_no: the institution's own number.

    """

    answer: Answer
    amount_fen: int = 0
    trade_no: str = ""


UNKNOWN = Found(Answer.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAsk:
    """What is to be paid back: `refund_no` is ours; the same one never pays twice."""

    refund_no: str
    payment_no: str
    amount_fen: int
    total_fen: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What an institution told of its own accord, its signature verified."""

    payment_no: str
    found: Found


class Acquirer(Protocol):
    """One payment institution. No method but `verify_notice` and `bill` raises for the institution's sake."""

    @property
    def name(self) -> str:
        """What settings, payments and notices' addresses call it."""

    @property
    def refund_days(self) -> int:
        """For how many days after a payment it can be refunded."""

    async def create(self, payment: Payment) -> Ticket | None:
        """Begin a payment; None: not known whether it began. The same `payment_no` again begins the same."""

    async def query(self, payment_no: str) -> Found:
        """Whether it is paid."""

    async def refund(self, ask: RefundAsk) -> Answer:
        """Pay back."""

    async def query_refund(self, ask: RefundAsk) -> Answer:
        """What became of a refund; no: it was never asked for, or was refused."""

    def verify_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Read a notice over the raw bytes.

        Raises:
            BadSignature: it does not verify.
            Malformed: it verifies and tells nothing that we know.

        """

    def acknowledge(self) -> tuple[str, bytes]:
        """Media type and body of the answer to a notice that was taken."""

    async def bill(self, day: date) -> bytes:
        """The institution's own record of a day, in its own format (`bills` reads it); empty: there was no trade.

        Raises:
            Failed: it cannot be had now.

        """
