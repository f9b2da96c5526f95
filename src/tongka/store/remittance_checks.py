"""The proof that remittances and books tell the same story, and that none was above what was owed."""

from tongka.store.check import Check

_SUM = "coalesce(sum(amount_fen) FILTER (WHERE kind = '{0}'), 0) AS {0}_fen"
_NET = "CASE direction WHEN 'pay' THEN amount_fen ELSE -amount_fen END"

REMITTANCE_CHECKS = (
    Check(
        "remittances_posted",
        "a remittance is reserved when it is approved, posted when it is paid, and void when it was withdrawn",
        f"""
        SELECT coalesce(r.number, t.order_no) AS number, r.state, r.amount_fen, t.pending_fen, t.post_fen, t.void_fen
        FROM remittance r FULL JOIN (
            SELECT order_no, {_SUM.format("pending")}, {_SUM.format("post")}, {_SUM.format("void")}
            FROM transfer WHERE reason = 'remitted' GROUP BY order_no
        ) AS t ON t.order_no = r.number
        WHERE r.number IS NULL
           OR coalesce(t.pending_fen, 0) <> CASE WHEN r.pending_id IS NULL THEN 0 ELSE r.amount_fen END
           OR coalesce(t.post_fen, 0) <> CASE r.state WHEN 'paid' THEN r.amount_fen ELSE 0 END
           OR coalesce(t.void_fen, 0) <> CASE WHEN r.state = 'withdrawn' AND r.pending_id IS NOT NULL THEN r.amount_fen
                                              ELSE 0 END
           OR (r.state IN ('approved', 'paid')) <> (r.approved_by <> '' AND r.state <> 'withdrawn')
        """,  # noqa: S608 - our own constants
    ),
    Check(
        "remittances_within_what_is_owed",
        "no remittance is above what the days up to its own left owed, less those before it",
        f"""
        SELECT r.number, r.direction, r.amount_fen, f.net_fen + o.net_fen AS owed_fen FROM remittance r
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount_fen), 0) AS net_fen FROM day_figure d
            WHERE (d.role, d.party, d.account) = (r.role, r.party, r.account) AND d.business_date <= r.through
                AND d.kind <> 'remitted'
        ) AS f CROSS JOIN LATERAL (
            SELECT coalesce(sum({_NET}), 0) AS net_fen FROM remittance b
            WHERE (b.role, b.party, b.account) = (r.role, r.party, r.account) AND b.state <> 'withdrawn'
                AND (b.proposed_at, b.number) < (r.proposed_at, r.number)
        ) AS o
        WHERE r.state <> 'withdrawn' AND r.amount_fen > CASE r.direction WHEN 'pay' THEN -1 ELSE 1 END
                                                        * (f.net_fen + o.net_fen)
        """,  # noqa: S608 - our own constants
    ),
)
"""In an order in which the first finding is the nearest to the cause."""
