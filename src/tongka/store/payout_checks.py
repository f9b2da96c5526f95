"""The proof that payouts and books tell the same story: what riders got back, from where, and no payment twice."""

from tongka.ledger import Account
from tongka.store.check import Check

_PAYABLE, _OTHER = Account.REFUNDS_PAYABLE.value, Account.RECEIVABLE_OTHER.value
_OWED_FROM = f"{Account.CARD_FLOAT.value}, {Account.DEPOSITS_HELD.value}"

_WANTED = f"""
    SELECT card_no, order_no, 'payout ' || refund_no AS reason, {_PAYABLE} AS debit, account AS credit, amount_fen
    FROM payout_refund WHERE state = 'done'
    UNION ALL SELECT card_no, order_no, 'payout by hand', {_PAYABLE}, by_hand_from, by_hand_fen
    FROM payout WHERE by_hand_fen > 0
    UNION ALL SELECT card_no, order_no, 'payout carried', {_PAYABLE}, {_OTHER}, carried_fen
    FROM payout WHERE carried_fen > 0
    UNION ALL SELECT card_no, order_no, 'payout back', {_OTHER}, {_PAYABLE}, back_fen
    FROM payout WHERE back_fen > 0
"""  # noqa: S608 - our own constants
_POSTED = """
    SELECT card_no, order_no, reason, debit, credit, amount_fen FROM transfer WHERE reason LIKE 'payout %'
"""

PAYOUT_CHECKS = (
    Check(
        "payouts_posted",
        "every refund, payment by hand and migration of a payout stands in the books once, and nothing else does",
        f"""
        SELECT * FROM ((({_WANTED}) EXCEPT ALL ({_POSTED})) UNION ALL (({_POSTED}) EXCEPT ALL ({_WANTED}))) AS differing
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "payouts_whole",
        "a payout is what the end of a return made payable: the balance and the deposit, to the fen",
        f"""
        SELECT p.card_no, p.order_no, p.amount_fen, t.amount_fen AS payable_fen FROM payout p
        LEFT JOIN (
            SELECT card_no, order_no, sum(amount_fen) AS amount_fen FROM transfer
            WHERE debit IN ({_OWED_FROM}) AND credit = {_PAYABLE} AND kind IN ('single', 'post')
            GROUP BY card_no, order_no
        ) AS t USING (card_no, order_no)
        LEFT JOIN orders o ON (o.card_no, o.order_no, o.kind) = (p.card_no, p.order_no, 'return')
            AND o.state IN ('5', '8')
        WHERE o.order_no IS NULL OR p.amount_fen IS DISTINCT FROM t.amount_fen
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "payouts_ended",
        "a payout that is done has nothing left, one that is owed has, and neither has a refund under way",
        """
        SELECT card_no, order_no, state, left_fen, due FROM (
            SELECT p.card_no, p.order_no, p.state,
                p.amount_fen - p.carried_fen + p.back_fen - p.by_hand_fen
                    - coalesce(sum(r.amount_fen) FILTER (WHERE r.state = 'done'), 0) AS left_fen,
                count(*) FILTER (WHERE r.state = 'due') AS due
            FROM payout p LEFT JOIN payout_refund r USING (card_no, order_no) GROUP BY p.card_no, p.order_no
        ) AS payouts
        WHERE left_fen < 0 OR (state IN ('done', 'owed') AND (due > 0 OR (state = 'done') <> (left_fen = 0)))
        """,
    ),
    Check(
        "refunds_within_payments",
        "no payment is paid back more than once: its orders' refunds and those of payouts do not exceed it",
        """
        SELECT p.payment_no, p.amount_fen, sum(r.amount_fen) AS refunded_fen FROM payment p JOIN (
            SELECT q.order_no, r.amount_fen FROM payout_refund r JOIN payment q USING (payment_no)
            WHERE r.state <> 'refused'
            UNION ALL
            SELECT split_part(payment_order, '/', 1), amount_fen FROM orders
            WHERE institution = 'app' AND state IN ('A', 'B')
        ) AS r USING (order_no)
        GROUP BY p.payment_no HAVING sum(r.amount_fen) > p.amount_fen
        """,
    ),
)
"""In an order in which the first finding is the nearest to the cause."""
