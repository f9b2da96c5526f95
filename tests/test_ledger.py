"""The rules of the books that need no database."""

import pytest

from tongka.errors import LedgerRefused
from tongka.ledger import (
    CHART,
    FIRST_GUARDED,
    FIRST_OPENED,
    RECEIVABLE,
    REFUSALS,
    Account,
    AccountKind,
    Posting,
    TransferKind,
    refusal,
)  # fmt: skip
from tongka.money import MAX_FEN

GOOD = {"debit": Account.ORDERS_IN_HAND, "credit": Account.CARD_FLOAT, "amount_fen": 1000, "reason": "charge"}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"amount_fen": 1},
        {"amount_fen": MAX_FEN},
        {"credit": FIRST_OPENED},
        {"credit": FIRST_GUARDED},
        {"kind": TransferKind.PENDING},
        {"kind": TransferKind.POST, "pending_id": 7},
        {"kind": TransferKind.VOID, "pending_id": 7},
    ],
)
def test_a_posting_within_the_rules_is_accepted(changed):
    Posting(**GOOD | changed).check()


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("amount_out_of_range", {"amount_fen": 0}),
        ("amount_out_of_range", {"amount_fen": -1}),
        ("amount_out_of_range", {"amount_fen": MAX_FEN + 1}),
        ("accounts_must_be_different", {"credit": Account.ORDERS_IN_HAND}),
        ("account_not_found", {"credit": 0}),
        ("account_not_found", {"debit": 999}),
        ("reason_must_not_be_empty", {"reason": ""}),
        ("pending_id_belongs_to_post_and_void", {"pending_id": 7}),
        ("pending_id_belongs_to_post_and_void", {"kind": TransferKind.PENDING, "pending_id": 7}),
        ("pending_id_belongs_to_post_and_void", {"kind": TransferKind.POST}),
        ("pending_id_belongs_to_post_and_void", {"kind": TransferKind.VOID}),
    ],
)
def test_a_posting_against_a_rule_is_refused_by_its_name(reason, changed):
    with pytest.raises(LedgerRefused) as caught:
        Posting(**GOOD | changed).check()
    assert caught.value.reason == reason
    assert REFUSALS[reason] in str(caught.value)


def test_the_first_broken_rule_is_the_one_that_is_told():
    with pytest.raises(LedgerRefused, match="amount_out_of_range"):
        Posting(0, 0, 0, "").check()


def test_the_chart_names_every_fixed_account_once():
    assert set(CHART) == set(Account)
    assert all(0 < account < FIRST_OPENED for account in CHART)


def test_every_payment_method_fills_a_receivable():
    assert set(RECEIVABLE) == {"01", "02", "03", "04", "05", "06", "10"}
    assert all(CHART[account][0] is AccountKind.ASSET for account in RECEIVABLE.values())


@pytest.mark.parametrize(
    ("kind", "sign"), [("asset", 1), ("expense", 1), ("liability", -1), ("income", -1), ("equity", -1)]
)
def test_debits_raise_assets_and_expenses_only(kind, sign):
    assert AccountKind(kind).sign == sign


def test_a_constraint_that_is_not_of_the_books_is_no_refusal():
    assert (refusal("audit_pkey"), refusal(None)) == (None, None)
    assert refusal("balance_would_be_negative").reason == "balance_would_be_negative"
