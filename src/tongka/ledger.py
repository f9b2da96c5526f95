"""The books: accounts, the chart, and what a transfer may be. Pure; the database enforces the same rules again.

One row of the ledger moves an amount from one account's debit side to another's credit side, so it is balanced by
construction. In two phases (as a card load needs): a `pending` transfer reserves, and exactly one `post` or `void` with
the same accounts, amount and order resolves it; a `single` one moves at once.

Hot accounts (every top-up touches the float) have no balance row: their balance is the sum of their transfers, rolled
up by the day close. Accounts which must not go below zero are **guarded**: the database keeps their balance under a row
lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from tongka.errors import LedgerRefused
from tongka.money import MAX_FEN

FIRST_OPENED = 1_000
"""Accounts from here on are opened by people (merchants, institutions); those below are the chart's."""
FIRST_GUARDED = 1_000_000
"""Accounts from here on never go below zero."""


class AccountKind(StrEnum):
    """The five kinds of bookkeeping; debits raise assets and expenses, credits raise the others."""

    ASSET = "asset"
    EXPENSE = "expense"
    LIABILITY = "liability"
    INCOME = "income"
    EQUITY = "equity"

    @property
    def sign(self) -> int:
        """What debits minus credits are multiplied by to read as a balance."""
        return 1 if self in {AccountKind.ASSET, AccountKind.EXPENSE} else -1


class Account(IntEnum):
    """The operator's fixed accounts."""

    CARD_FLOAT = 1
    ORDERS_IN_HAND = 2
    DEPOSITS_HELD = 3
    REFUNDS_PAYABLE = 4
    SUSPENSE = 5
    CARD_FEE_INCOME = 6
    OPENING_BALANCES = 7
    CASH_DESK = 8
    BANK = 9
    WRITE_OFFS = 10
    MERCHANTS_PAYABLE = 11
    RIDERS_DEBT = 12
    SETTLEMENT_FEE_INCOME = 13
    RECEIVABLE_CASH = 101
    RECEIVABLE_UNIONPAY = 102
    RECEIVABLE_ALIPAY = 103
    RECEIVABLE_WECHAT = 104
    RECEIVABLE_YIPAY = 105
    RECEIVABLE_OTHER = 106


CHART: Mapping[Account, tuple[AccountKind, str]] = {
    Account.CARD_FLOAT: (AccountKind.LIABILITY, "loaded onto cards, less what was taken back: the most they can hold"),
    Account.ORDERS_IN_HAND: (AccountKind.LIABILITY, "orders paid and not yet loaded or refunded"),
    Account.DEPOSITS_HELD: (AccountKind.LIABILITY, "deposits for cards that are out"),
    Account.REFUNDS_PAYABLE: (AccountKind.LIABILITY, "refunds and returned cards, decided and not yet paid out"),
    Account.SUSPENSE: (AccountKind.LIABILITY, "amounts whose owner is not yet known"),
    Account.CARD_FEE_INCOME: (AccountKind.INCOME, "fees for cards"),
    Account.OPENING_BALANCES: (AccountKind.EQUITY, "what cards and accounts held before this ledger began"),
    Account.CASH_DESK: (AccountKind.ASSET, "cash at the operator's own counters"),
    Account.BANK: (AccountKind.ASSET, "money that institutions have settled"),
    Account.WRITE_OFFS: (AccountKind.EXPENSE, "differences that a clerk has decided to bear"),
    Account.MERCHANTS_PAYABLE: (AccountKind.LIABILITY, "rides and purchases, owed to their merchants"),
    Account.RIDERS_DEBT: (AccountKind.ASSET, "rides settled on credit, owed by riders"),
    Account.SETTLEMENT_FEE_INCOME: (AccountKind.INCOME, "fees kept of what is paid out"),
    Account.RECEIVABLE_CASH: (AccountKind.ASSET, "cash taken by terminals and agents"),
    Account.RECEIVABLE_UNIONPAY: (AccountKind.ASSET, "paid by UnionPay, not yet settled"),
    Account.RECEIVABLE_ALIPAY: (AccountKind.ASSET, "paid by Alipay, not yet settled"),
    Account.RECEIVABLE_WECHAT: (AccountKind.ASSET, "paid by WeChat Pay, not yet settled"),
    Account.RECEIVABLE_YIPAY: (AccountKind.ASSET, "paid by Yipay, not yet settled"),
    Account.RECEIVABLE_OTHER: (AccountKind.ASSET, "paid in other ways, not yet settled"),
}

RECEIVABLE: Mapping[str, Account] = {
    "01": Account.RECEIVABLE_CASH,
    "02": Account.RECEIVABLE_UNIONPAY,
    "03": Account.RECEIVABLE_ALIPAY,
    "04": Account.RECEIVABLE_WECHAT,
    "05": Account.RECEIVABLE_YIPAY,
    "06": Account.RECEIVABLE_OTHER,
    "10": Account.RECEIVABLE_UNIONPAY,
}
"""The account that a payment method fills: Huzhou appendix E, and 10 of the text."""


class TransferKind(StrEnum):
    """What a transfer does to balances; see the module's text."""

    SINGLE = "single"
    PENDING = "pending"
    POST = "post"
    VOID = "void"

    @property
    def resolves(self) -> bool:
        return self in {TransferKind.POST, TransferKind.VOID}


REFUSALS: Mapping[str, str] = {
    "accounts_must_be_different": "debit and credit name the same account",
    "account_not_found": "there is no such account; open it first",
    "amount_out_of_range": f"an amount is from 1 to {MAX_FEN} fen",
    "reason_must_not_be_empty": "every transfer says which event caused it",
    "kind_unknown": "a transfer is single, pending, post or void",
    "pending_id_belongs_to_post_and_void": "post and void name the pending transfer they resolve, others name none",
    "pending_not_found": "this card has no pending transfer of that id",
    "pending_has_other_contents": "post and void carry the accounts, amount and order of their pending transfer",
    "pending_already_resolved": "the pending transfer was posted or voided before",
    "balance_would_be_negative": "the account holds less than that",
    "only_guarded_accounts_keep_a_balance": "the balance of other accounts is the sum of their transfers",
    "day_is_closed": "the business date was closed already; post on an open day",
    "closed_days_stay_closed": "the figures of a closed day are not changed; post on an open day",
    "transfers_are_append_only": "nothing in the ledger is changed or removed; post the reverse",
}
"""Every way in which the books say no. The database's constraints bear the same names."""


SHORT = "balance_would_be_negative"
"""The refusal that says an account does not hold enough."""


def refusal(name: str | None) -> LedgerRefused | None:
    """The error for a violated constraint, or None if it is not one of the books'."""
    return LedgerRefused(name, REFUSALS[name]) if name is not None and name in REFUSALS else None


@dataclass(frozen=True, slots=True)
class Posting:
    """A transfer to be made: `amount_fen` from `debit` to `credit`.

    Attributes:
        reason: the event that caused it, a short word of the caller's.
        pending_id: for post and void, the transfer they resolve.

    """

    debit: int
    credit: int
    amount_fen: int
    reason: str
    kind: TransferKind = TransferKind.SINGLE
    card_no: str = ""
    order_no: str = ""
    pending_id: int | None = None

    def check(self) -> None:
        """Refuse what no database need be asked about, in this order.

        Raises:
            LedgerRefused: a rule is broken; `reason` names it.

        """
        for name, broken in (
            ("amount_out_of_range", not 1 <= self.amount_fen <= MAX_FEN),
            ("accounts_must_be_different", self.debit == self.credit),
            ("account_not_found", not (_may_exist(self.debit) and _may_exist(self.credit))),
            ("reason_must_not_be_empty", not self.reason),
            ("pending_id_belongs_to_post_and_void", self.kind.resolves != (self.pending_id is not None)),
        ):
            if broken:
                raise LedgerRefused(name, REFUSALS[name])


def _may_exist(account: int) -> bool:
    return account in CHART or account >= FIRST_OPENED
