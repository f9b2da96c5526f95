"""The proof that closed days stay as they were reported: they follow one another, and their lists sum to accounts."""

from tongka.ledger import Account
from tongka.store.check import Check
from tongka.store.day_figures import PARTNERS_ACCOUNTS
from tongka.store.ledger import LAST_ADDED_UP

_IN_HAND, _PAYABLE = Account.ORDERS_IN_HAND.value, Account.REFUNDS_PAYABLE.value
_PARTNERS = ", ".join(str(account.value) for account in PARTNERS_ACCOUNTS)
_FIGURE = "business_date, role, party, channel, kind, account"

_LINES = f"""
    SELECT {_FIGURE}, count(DISTINCT line) AS lines, sum(amount_fen)::bigint AS amount_fen FROM settlement_leg
    WHERE business_date <= {LAST_ADDED_UP} GROUP BY {_FIGURE}
"""  # noqa: S608 - our own constants
_TOLD = f"SELECT {_FIGURE}, lines, amount_fen FROM day_figure"  # noqa: S608 - our own constants


def _held(account: int) -> str:
    """What a liability held at the end of a day `d`."""
    return f"""coalesce((SELECT r.credit_fen - r.debit_fen - r.opening_fen FROM account_rollup r
        WHERE r.account = {account} AND r.business_date <= d.business_date ORDER BY r.business_date DESC
        LIMIT 1), 0)"""  # noqa: S608 - a number of our own


DAY_CHECKS = (
    Check(
        "day_guards_in_place",
        "every trigger that keeps closed days closed is there and enabled",
        """
        SELECT expected.name FROM (VALUES
            ('transfer_day_open', 'transfer'), ('closed_day_stays', 'closed_day'), ('closed_day_kept', 'closed_day'),
            ('rollup_stays', 'account_rollup'), ('figures_stay', 'day_figure'), ('carried_stays', 'day_carried')
        ) AS expected (name, relation)
        WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = expected.name AND tgenabled IN ('O', 'A')
                          AND tgrelid = expected.relation::regclass)
        """,
    ),
    Check(
        "closed_days_are_guarded",
        "the trigger that refuses transfers on closed days knows the last of them",
        """
        SELECT last.day, pg_get_triggerdef(t.oid) AS guard
        FROM (SELECT coalesce(max(business_date), '-infinity') AS day FROM closed_day) AS last
        JOIN pg_trigger t ON t.tgrelid = 'transfer'::regclass AND t.tgname = 'transfer_day_open'
        WHERE position(format('WHEN ((new.business_date <= %L::date))', last.day) IN pg_get_triggerdef(t.oid)) = 0
        """,
    ),
    Check(
        "days_follow_one_another",
        "no day is closed before the one before it, and none is added up before it",
        """
        SELECT d.business_date, d.figures_at FROM closed_day d
        LEFT JOIN closed_day b ON b.business_date = d.business_date - 1
        WHERE (b.business_date IS NULL AND d.business_date > (SELECT min(business_date) FROM closed_day))
           OR (d.figures_at IS NOT NULL AND b.business_date IS NOT NULL AND b.figures_at IS NULL)
        """,
    ),
    Check(
        "balances_chain",
        "an account begins a day with what it held at the end of the day before",
        """
        SELECT account, business_date, opening_fen, held_fen FROM (
            SELECT account, business_date, opening_fen,
                coalesce(lag(opening_fen + debit_fen - credit_fen) OVER days, 0) AS held_fen
            FROM account_rollup WINDOW days AS (PARTITION BY account ORDER BY business_date)
        ) AS chained WHERE opening_fen <> held_fen
        """,
    ),
    Check(
        "figures_are_the_lists",
        "the figures of a closed day are what its settlement lists come to, today as on that day",
        f"""
        SELECT * FROM ((({_LINES}) EXCEPT ALL ({_TOLD})) UNION ALL (({_TOLD}) EXCEPT ALL ({_LINES}))) AS differing
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "lists_are_the_accounts",
        "the settlement lists of a closed day come to what the partners' accounts moved on it",
        f"""
        SELECT business_date, account, r.moved_fen, f.listed_fen FROM (
            SELECT business_date, account, debit_fen - credit_fen AS moved_fen FROM account_rollup
            WHERE account IN ({_PARTNERS})
        ) AS r FULL JOIN (
            SELECT business_date, account, sum(amount_fen) AS listed_fen FROM day_figure GROUP BY 1, 2
        ) AS f USING (business_date, account)
        WHERE coalesce(r.moved_fen, 0) <> coalesce(f.listed_fen, 0)
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "carried_is_what_is_in_hand",
        "the orders that a day carried on are what was in hand and payable at its end",
        f"""
        SELECT business_date, carried_in_hand, in_hand, carried_payable, payable FROM (
            SELECT d.business_date, coalesce(sum(c.in_hand_fen), 0) AS carried_in_hand,
                coalesce(sum(c.payable_fen), 0) AS carried_payable,
                {_held(_IN_HAND)} AS in_hand, {_held(_PAYABLE)} AS payable
            FROM closed_day d LEFT JOIN day_carried c USING (business_date)
            WHERE d.figures_at IS NOT NULL GROUP BY d.business_date
        ) AS days WHERE (carried_in_hand, carried_payable) <> (in_hand, payable)
        """,  # noqa: S608 - our own constants
    ),
)
"""In an order in which the first finding is the nearest to the cause."""
