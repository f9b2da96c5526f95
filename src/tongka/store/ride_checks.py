"""The proof that rides and books tell the same story: what each trade moved, and what riders owe."""

from tongka.ledger import Account
from tongka.store.check import Check

_DEBT, _MERCHANTS = Account.RIDERS_DEBT.value, Account.MERCHANTS_PAYABLE.value

RIDE_CHECKS = (
    Check(
        "ride_guards_in_place",
        "every key that makes a code, a record and a number count once is there and valid",
        """
        SELECT expected.name FROM (VALUES
            ('ride_trade_number'), ('ride_code_settled'), ('ride_record_settled'), ('rider_supply_already_made')
        ) AS expected (name)
        WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conname = expected.name AND contype = 'p' AND convalidated)
        """,
    ),
    Check(
        "rides_charged",
        "a settled trade moved its amount to the merchants, its debt from the debts and the rest from its rider",
        f"""
        SELECT t.app_id, t.out_trade_no, t.trade_no, t.amount_fen, t.debt_fen, m.paid, m.owed, m.others
        FROM ride_trade t JOIN rider r USING (user_id) LEFT JOIN (
            SELECT card_no, order_no,
                   jsonb_object_agg(debit, amount_fen) AS sources,
                   sum(amount_fen) AS paid,
                   sum(amount_fen) FILTER (WHERE debit = {_DEBT}) AS owed,
                   count(*) FILTER (WHERE credit <> {_MERCHANTS} OR kind <> 'single') AS others
            FROM transfer WHERE reason = 'ride' GROUP BY card_no, order_no
        ) AS m ON (m.card_no, m.order_no) = (t.user_id, t.trade_no)
        WHERE t.state = 'settled' AND (
            coalesce(m.paid, 0) <> t.amount_fen OR coalesce(m.owed, 0) <> t.debt_fen OR m.others <> 0
            OR coalesce((m.sources ->> r.account::text)::bigint, 0) <> t.amount_fen - t.debt_fen)
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "no_ride_without_a_trade",
        "nobody was charged for a trade that was not settled",
        """
        SELECT x.card_no, x.order_no, x.amount_fen FROM transfer x WHERE x.reason = 'ride' AND NOT EXISTS (
            SELECT FROM ride_trade t WHERE t.user_id = x.card_no AND t.trade_no = x.order_no AND t.state = 'settled')
        """,
    ),
    Check(
        "rides_rest_on_records",
        "a settled trade used its records up, and at least one code",
        """
        SELECT t.app_id, t.out_trade_no, r.records, c.codes FROM ride_trade t
        LEFT JOIN (SELECT app_id, out_trade_no, count(*) AS records FROM ride_record GROUP BY 1, 2) AS r
            USING (app_id, out_trade_no)
        LEFT JOIN (SELECT app_id, out_trade_no, count(*) AS codes FROM ride_code_used GROUP BY 1, 2) AS c
            USING (app_id, out_trade_no)
        WHERE (t.state = 'settled') <> (coalesce(r.records, 0) BETWEEN 1 AND 16 AND coalesce(c.codes, 0) >= 1)
        """,
    ),
    Check(
        "debts",
        "what each rider owes is what the books hold of him among the debts, and not below zero",
        f"""
        SELECT r.user_id, r.debt_fen, coalesce(d.owed, 0) AS transfers_fen FROM rider r
        FULL JOIN (
            SELECT card_no AS user_id, sum(CASE WHEN debit = {_DEBT} THEN amount_fen ELSE -amount_fen END) AS owed
            FROM transfer WHERE {_DEBT} IN (debit, credit) AND kind IN ('single', 'post') GROUP BY card_no
        ) AS d USING (user_id)
        WHERE coalesce(r.debt_fen, 0) <> coalesce(d.owed, 0) OR r.debt_fen < 0
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "supplies",
        "each supply of a rider moved its amount to his account, once",
        """
        SELECT s.user_id, s.reference, s.amount_fen, x.moved
        FROM rider_supply s JOIN rider r USING (user_id) LEFT JOIN (
            SELECT card_no, order_no, credit, sum(amount_fen) AS moved FROM transfer WHERE reason = 'rider_supply'
            GROUP BY card_no, order_no, credit
        ) AS x ON (x.card_no, x.order_no, x.credit) = (s.user_id, s.reference, r.account)
        WHERE x.moved IS DISTINCT FROM s.amount_fen
        """,
    ),
)
"""In an order in which the first finding is the nearest to the cause."""
