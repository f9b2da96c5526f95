"""The proof that prepaid cards and books tell the same story: what came onto each card, and what it was taken for."""

from tongka.ledger import Account
from tongka.store.check import Check

_MERCHANTS = Account.MERCHANTS_PAYABLE.value

PREPAID_CHECKS = (
    Check(
        "prepaid_rides_charged",
        "a settled trip of a prepaid card took its amount from the card, once, and nothing else did",
        f"""
        SELECT p.card_type, p.card_no, t.out_trade_no, t.amount_fen, x.order_no, x.amount_fen AS moved_fen
        FROM (
            SELECT p.*, t.out_trade_no, t.amount_fen FROM prepaid_card p JOIN trip t
                ON t.user_id = p.user_id AND t.card_no = p.card_no AND t.card_type IN (p.card_type, '')
            WHERE t.state = 'settled'
        ) AS t FULL JOIN (
            SELECT p.card_type, p.card_no, p.account, r.order_no, r.credit, r.amount_fen FROM transfer r
            JOIN prepaid_card p ON p.card_no = r.card_no AND p.account = r.debit WHERE r.reason = 'prepaid_ride'
        ) AS x ON (x.account, x.order_no, x.credit) = (t.account, t.out_trade_no, {_MERCHANTS})
        LEFT JOIN prepaid_card p ON p.account = coalesce(t.account, x.account)
        WHERE t.amount_fen IS DISTINCT FROM x.amount_fen
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "prepaid_supplies",
        "each supply of a prepaid card moved its amount to its account, once",
        """
        SELECT s.card_type, s.card_no, s.reference, s.amount_fen, x.moved
        FROM prepaid_card_supply s JOIN prepaid_card p USING (card_type, card_no) LEFT JOIN (
            SELECT card_no, order_no, credit, sum(amount_fen) AS moved FROM transfer
            WHERE reason = 'prepaid_card_supply' GROUP BY card_no, order_no, credit
        ) AS x ON (x.card_no, x.order_no, x.credit) = (s.card_no, s.reference, p.account)
        WHERE x.moved IS DISTINCT FROM s.amount_fen
        """,
    ),
    Check(
        "ended_cards_are_empty",
        "a prepaid card that has ended holds nothing",
        """
        SELECT p.card_type, p.card_no, a.balance_fen FROM prepaid_card p JOIN account a ON a.id = p.account
        WHERE p.state = 'revoked' AND a.balance_fen <> 0
        """,
    ),
)
"""In an order in which the first finding is the nearest to the cause."""
