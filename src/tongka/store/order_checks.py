"""The proof that orders and books tell the same story: what each order's transfers left is what its state says.

Four accounts carry an order: orders in hand, the float of the cards, deposits, and refunds payable; everything else of
its money is where it was paid. What is pending does not count, and is looked at for itself.
"""

from tongka.ledger import RECEIVABLE, Account
from tongka.store.check import Check

_IN_HAND, _FLOAT = Account.ORDERS_IN_HAND.value, Account.CARD_FLOAT.value
_DEPOSITS, _PAYABLE = Account.DEPOSITS_HELD.value, Account.REFUNDS_PAYABLE.value
_FEES = Account.CARD_FEE_INCOME.value
_OWN = ", ".join(str(account) for account in (_IN_HAND, _FLOAT, _DEPOSITS, _PAYABLE))

_METHODS = ", ".join(f"('{method}', {account.value})" for method, account in RECEIVABLE.items())
_SOURCE = f"""
    CASE WHEN o.funded_from <> 0 THEN o.funded_from
         ELSE coalesce((SELECT account FROM (VALUES {_METHODS}) AS m (method, account) WHERE method = o.payment_method),
                       {Account.RECEIVABLE_OTHER.value}) END
"""  # noqa: S608 - our own constants
"""The account that an order's money came from, in SQL; `Order.source` in Python."""


def _net(account: int) -> str:
    """What an order's transfers left on an account, as a credit balance."""
    return (
        f"sum(CASE WHEN credit = {account} THEN amount_fen ELSE 0 END"
        f" - CASE WHEN debit = {account} THEN amount_fen ELSE 0 END)"
    )


_LEFT = f"""
    SELECT card_no, order_no, {_net(_IN_HAND)} AS in_hand, {_net(_FLOAT)} AS float, {_net(_DEPOSITS)} AS deposits,
           {_net(_PAYABLE)} AS payable
    FROM transfer WHERE order_no <> '' AND kind IN ('single', 'post') GROUP BY card_no, order_no
"""  # noqa: S608 - our own constants

_DUE = """
    SELECT card_no, order_no, kind, state, amount_fen,
        CASE WHEN kind IN ('topup', 'sale') AND paid AND state IN ('1', '2', '3', '4', '6', '7', '9', 'C')
             THEN amount_fen ELSE 0 END AS in_hand,
        CASE WHEN state NOT IN ('5', '8') THEN 0
             WHEN kind = 'topup' THEN amount_fen
             WHEN kind IN ('return', 'unload') THEN -amount_fen ELSE 0 END AS float,
        CASE WHEN kind = 'sale' AND state IN ('5', '8') THEN amount_fen - coalesce((
            SELECT sum(w.fee_fen) FROM wallet_order w WHERE (w.card_no, w.sale_no) = (orders.card_no, orders.order_no)
        ), 0) ELSE 0 END AS deposits,
        CASE WHEN state = 'A' THEN amount_fen
             WHEN kind = 'return' THEN coalesce((
                SELECT p.amount_fen - p.carried_fen + p.back_fen - p.by_hand_fen - coalesce(sum(r.amount_fen), 0)
                FROM payout p LEFT JOIN payout_refund r
                    ON (r.card_no, r.order_no, r.state) = (p.card_no, p.order_no, 'done')
                WHERE (p.card_no, p.order_no) = (orders.card_no, orders.order_no) GROUP BY p.card_no, p.order_no
             ), 0) ELSE 0 END AS payable
    FROM orders
"""
"""What a returned card leaves payable is what its payout has not paid. A confirmed return pays a deposit out, which the
order does not name: its deposits are looked at by sign only. A sale in a phone earns its fee out of what was paid, and
holds the rest."""

_PENDING = """
    SELECT p.card_no, p.order_no, count(*) AS number, sum(p.amount_fen) AS amount_fen, max(p.id) AS id
    FROM transfer p LEFT JOIN transfer r ON r.card_no = p.card_no AND r.pending_id = p.id
    WHERE p.kind = 'pending' AND p.order_no <> '' AND r.id IS NULL GROUP BY p.card_no, p.order_no
"""

ORDER_CHECKS = (
    Check(
        "order_guards_in_place",
        "every unique index that decides races between orders is there and valid",
        """
        SELECT expected.name FROM (VALUES
            ('orders_pkey'), ('card_has_another_open_order'), ('payment_already_claimed'), ('request_already_answered')
        ) AS expected (name)
        WHERE NOT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                          WHERE c.relname = expected.name AND i.indisunique AND i.indisvalid
                          AND i.indrelid IN ('orders'::regclass, 'payment_claim'::regclass, 'reply'::regclass))
        """,
    ),
    Check(
        "one_open_order",
        "a card has at most one order that has a command under way",
        """
        SELECT card_no, count(*) AS orders, min(order_no) AS first, max(order_no) AS last FROM orders
        WHERE state IN ('2', '4', '6', '7', '9') GROUP BY card_no HAVING count(*) > 1
        """,
    ),
    Check(
        "order_balances",
        "what an order's transfers left in hand, on the card, in deposits and payable is what its state says",
        f"""
        SELECT o.order_no, o.kind, o.state, o.amount_fen, o.in_hand AS in_hand_due, coalesce(l.in_hand, 0) AS in_hand,
               o.float AS float_due, coalesce(l.float, 0) AS float, coalesce(l.deposits, 0) AS deposits,
               o.payable AS payable_due, coalesce(l.payable, 0) AS payable
        FROM ({_DUE}) AS o LEFT JOIN ({_LEFT}) AS l USING (card_no, order_no)
        WHERE (o.in_hand, o.float, o.payable)
              <> (coalesce(l.in_hand, 0), coalesce(l.float, 0), coalesce(l.payable, 0))
           OR CASE WHEN o.kind = 'return' AND o.state IN ('5', '8') THEN l.deposits > 0
                   ELSE o.deposits <> coalesce(l.deposits, 0) END
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "order_reservations",
        "an order has one open two-phase transfer, of its amount, while a command may be under way, and else none",
        f"""
        SELECT o.order_no, o.kind, o.state, o.amount_fen, o.pending_id, p.id AS open_id, p.number,
               p.amount_fen AS open_fen
        FROM orders o LEFT JOIN ({_PENDING}) AS p USING (card_no, order_no)
        WHERE CASE WHEN o.state IN ('2', '4', '7', '9') AND o.amount_fen > 0
                   THEN (p.number, p.amount_fen, p.id) IS DISTINCT FROM (1, o.amount_fen, o.pending_id)
                   ELSE p.id IS NOT NULL OR o.pending_id IS NOT NULL END
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "order_sources",
        "an order's money comes from, and goes back to, the account that its payment names; payouts are apart",
        f"""
        SELECT t.order_no, o.kind, o.payment_method, o.funded_from, t.kind AS transfer, t.debit, t.credit, t.amount_fen
        FROM transfer t JOIN orders o USING (card_no, order_no)
        WHERE t.reason NOT LIKE 'payout %' AND ((t.debit NOT IN ({_OWN}) AND t.debit <> {_SOURCE})
           OR (t.credit NOT IN ({_OWN}) AND t.credit <> {_SOURCE} AND (o.kind, t.credit) <> ('sale', {_FEES})))
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "in_hand_has_an_order",
        "every fen in hand belongs to an order of that card",
        f"""
        SELECT t.card_no, t.id, t.order_no, t.kind, t.amount_fen FROM transfer t
        LEFT JOIN orders o USING (card_no, order_no)
        WHERE {_IN_HAND} IN (t.debit, t.credit) AND o.order_no IS NULL
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "claims_have_orders",
        "a payment that is claimed pays for the order that names it",
        """
        SELECT c.institution, c.payment_order, c.order_no FROM payment_claim c
        LEFT JOIN orders o ON (o.card_no, o.order_no, o.institution, o.payment_order)
                            = (c.card_no, c.order_no, c.institution, c.payment_order)
        WHERE o.order_no IS NULL
        """,
    ),
)
"""In an order in which the first finding is the nearest to the cause."""
