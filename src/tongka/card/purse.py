"""The e-purse's transactions as values, and the bytes that their MACs and TACs are made over.

Sources: JR/T 0025 part 2, clauses of INITIALIZE FOR LOAD / PURCHASE, CREDIT FOR LOAD, DEBIT FOR PURCHASE. Amounts are
four big-endian bytes of fen, dates BCD ``YYYYMMDD``, times BCD ``hhmmss``. What differs between standards is marked [M]
(one good source) beside the line that decides it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Self

from tongka.crypto.pboc import Suite
from tongka.errors import CardError

TERMINAL_LEN = 6
LOAD_ANSWER_LEN = 16
PURCHASE_ANSWER_LEN = 15
ATC_MAX = 0xFFFF


class TransactionType(IntEnum):
    """The type byte inside the MACs. The first data byte of an INIT command is the key index, not this."""

    ED_LOAD = 0x01
    EP_LOAD = 0x02
    UNLOAD = 0x03
    CASH = 0x04
    ED_PURCHASE = 0x05
    EP_PURCHASE = 0x06
    OVERDRAFT = 0x07
    CAPP = 0x09


@dataclass(frozen=True, slots=True)
class Moment:
    """A date and a time of day as the card writes them; the zone is the city's (Asia/Shanghai)."""

    date: bytes
    time: bytes

    @classmethod
    def of(cls, when: datetime) -> Self:
        return cls(bytes.fromhex(when.strftime("%Y%m%d")), bytes.fromhex(when.strftime("%H%M%S")))

    @property
    def bytes(self) -> bytes:
        return self.date + self.time


def amount4(amount: int) -> bytes:
    return amount.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class LoadInit:
    """An INIT FOR LOAD and what the card answered: everything MAC1, MAC2 and the TAC depend on.

    Attributes:
        amount: fen; 0 asks the card to authenticate its balance and counter.
        terminal: 6 bytes; card management puts its challenge here.
        online_atc: before the load; the card increments it when it credits.

    """

    amount: int
    terminal: bytes
    balance: int
    online_atc: int
    key_version: int
    algorithm: int
    random: bytes
    mac1: bytes
    kind: TransactionType = TransactionType.EP_LOAD

    @classmethod
    def parse(
        cls, amount: int, terminal: bytes, answer: bytes, kind: TransactionType = TransactionType.EP_LOAD
    ) -> Self:
        """Read the 16 bytes of the card's answer.

        Raises:
            CardError: another length.

        """
        if len(answer) != LOAD_ANSWER_LEN:
            raise CardError(f"INIT FOR LOAD answers {LOAD_ANSWER_LEN} bytes, not {len(answer)}")
        return cls(
            amount=amount,
            terminal=terminal,
            balance=int.from_bytes(answer[0:4], "big"),
            online_atc=int.from_bytes(answer[4:6], "big"),
            key_version=answer[6],
            algorithm=answer[7],
            random=answer[8:12],
            mac1=answer[12:16],
            kind=kind,
        )

    @property
    def answer(self) -> bytes:
        """The 16 bytes as the card sent them."""
        head = amount4(self.balance) + self.online_atc.to_bytes(2, "big") + bytes((self.key_version, self.algorithm))
        return head + self.random + self.mac1

    @property
    def balance_after(self) -> int:
        return self.balance - self.amount if self.kind is TransactionType.UNLOAD else self.balance + self.amount

    @property
    def seed(self) -> bytes:
        return self.random + self.online_atc.to_bytes(2, "big") + b"\x80\x00"

    @property
    def mac1_data(self) -> bytes:
        return amount4(self.balance) + amount4(self.amount) + bytes((self.kind,)) + self.terminal

    def mac2_data(self, when: Moment) -> bytes:
        return amount4(self.amount) + bytes((self.kind,)) + self.terminal + when.bytes

    def tac_data(self, when: Moment) -> bytes:
        """The counter in the TAC is the one before the increment, the balance the one after the transaction."""
        after = amount4(self.balance_after) + self.online_atc.to_bytes(2, "big")
        return after + self.mac2_data(when)


@dataclass(frozen=True, slots=True)
class PurchaseInit:
    """An INIT FOR PURCHASE (or CAPP) and what the card answered."""

    amount: int
    terminal: bytes
    balance: int
    offline_atc: int
    overdraft: int
    key_version: int
    algorithm: int
    random: bytes
    kind: TransactionType = TransactionType.EP_PURCHASE

    @classmethod
    def parse(
        cls, amount: int, terminal: bytes, answer: bytes, kind: TransactionType = TransactionType.EP_PURCHASE
    ) -> Self:
        """Read the 15 bytes of the card's answer.

        Raises:
            CardError: another length.

        """
        if len(answer) != PURCHASE_ANSWER_LEN:
            raise CardError(f"INIT FOR PURCHASE answers {PURCHASE_ANSWER_LEN} bytes, not {len(answer)}")
        return cls(
            amount=amount,
            terminal=terminal,
            balance=int.from_bytes(answer[0:4], "big"),
            offline_atc=int.from_bytes(answer[4:6], "big"),
            overdraft=int.from_bytes(answer[6:9], "big"),
            key_version=answer[9],
            algorithm=answer[10],
            random=answer[11:15],
            kind=kind,
        )

    @property
    def answer(self) -> bytes:
        head = amount4(self.balance) + self.offline_atc.to_bytes(2, "big") + self.overdraft.to_bytes(3, "big")
        return head + bytes((self.key_version, self.algorithm)) + self.random

    def seed(self, serial: bytes) -> bytes:
        """`serial`: the terminal's transaction number, 4 bytes, of which the last two count."""
        return self.random + self.offline_atc.to_bytes(2, "big") + serial[-2:]

    def mac1_data(self, when: Moment) -> bytes:
        return amount4(self.amount) + bytes((self.kind,)) + self.terminal + when.bytes

    @property
    def mac2_data(self) -> bytes:
        return amount4(self.amount)

    def tac_data(self, serial: bytes, when: Moment) -> bytes:
        return amount4(self.amount) + bytes((self.kind,)) + self.terminal + serial + when.bytes


# --- the computations, on card keys; the HSM and the software card both call these -------------------------------


def load_mac1(suite: Suite, load_key: bytes, init: LoadInit) -> bytes:
    return suite.mac(suite.session_key(load_key, init.seed), init.mac1_data)


def load_mac2(suite: Suite, load_key: bytes, init: LoadInit, when: Moment) -> bytes:
    return suite.mac(suite.session_key(load_key, init.seed), init.mac2_data(when))


def load_tac(suite: Suite, tac_key: bytes, init: LoadInit, when: Moment) -> bytes:
    return suite.tac(tac_key, init.tac_data(when))


def unload_mac3(suite: Suite, load_key: bytes, init: LoadInit, when: Moment) -> bytes:
    """What DEBIT FOR UNLOAD answers [M]: a session MAC over what a load's TAC covers; unload uses the load key [L]."""
    return suite.mac(suite.session_key(load_key, init.seed), init.tac_data(when))


def purchase_mac1(suite: Suite, purchase_key: bytes, init: PurchaseInit, serial: bytes, when: Moment) -> bytes:
    return suite.mac(suite.session_key(purchase_key, init.seed(serial)), init.mac1_data(when))


def purchase_mac2(suite: Suite, purchase_key: bytes, init: PurchaseInit, serial: bytes) -> bytes:
    return suite.mac(suite.session_key(purchase_key, init.seed(serial)), init.mac2_data)


def purchase_tac(suite: Suite, tac_key: bytes, init: PurchaseInit, serial: bytes, when: Moment) -> bytes:
    return suite.tac(tac_key, init.tac_data(serial, when))
