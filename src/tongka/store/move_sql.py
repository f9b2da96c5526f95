"""The one statement of an order's move: compare and set, post, audit, store the reply; all or nothing.

Its parameters, in this order: card, order, state and attempt as they were read, the state to come, time, settlement
date, actor, event, detail; then what the arguments of `move_sql` ask for: request, digest and body of the reply, the
values of `columns` and of `card`, institution and payment of a claim, what was decided, what the rider is owed; kind,
debit, credit and amount of each transfer, and after them the open two-phase transfer and the business day.
"""

from functools import lru_cache

# Another's proposal of the same, locked so that it stands until the move is committed.
_PROPOSAL = """proposal AS (
    SELECT FROM decision WHERE card_no = $1 AND order_no = $2 AND attempt = $4 AND credited = ${}
        AND lower(proposed_by) <> lower($8) AND confirmed_by IS NULL FOR UPDATE
), """
_CONFIRMED = """, confirmed AS (
    UPDATE decision d SET confirmed_by = $8, confirmed_at = $6 FROM moved
    WHERE d.card_no = moved.card_no AND d.order_no = moved.order_no AND d.attempt = $4
)"""

_OWED = """, owed AS (
    INSERT INTO payout (card_no, order_no, amount_fen, state, created_at, moved_at)
    SELECT card_no, order_no, ${}::bigint, 'waiting', $6, $6 FROM moved
)"""

_POSTED = """, posted AS (
    INSERT INTO transfer (card_no, id, order_no, kind, pending_id, debit, credit, amount_fen, reason, posted_at,
                          business_date)
    OVERRIDING SYSTEM VALUE
    SELECT moved.card_no, CASE leg.kind WHEN 'pending' THEN moved.pending_id ELSE nextval('transfer_id_seq') END,
           moved.order_no, leg.kind, CASE WHEN leg.kind IN ('post', 'void') THEN ${}::bigint END,
           leg.debit, leg.credit, leg.amount_fen, $9, $6, ${}::date
    FROM moved, (VALUES {}) AS leg (kind, debit, credit, amount_fen)
)"""


@lru_cache(maxsize=256)
def move_sql(
    columns: tuple[str, ...], card: tuple[str, ...], *, legs: int, reserving: bool, replies: bool, claims: bool,
    confirms: bool, owes: bool,
) -> str:  # fmt: skip
    first = 14 if replies else 11
    sets = [f"{column} = ${first + i}" for i, column in enumerate(columns)]
    sets += ["pending_id = nextval('transfer_id_seq')"] if reserving else []
    first += len(columns)
    card_sets = ", ".join(f"{column} = ${first + i}" for i, column in enumerate(card))
    update = f"UPDATE card SET {card_sets} FROM moved WHERE card.card_no = moved.card_no"  # noqa: S608 - our own names
    carded = f", carded AS ({update})" if card else ""
    first += len(card)
    claimed = (
        ", claimed AS (INSERT INTO payment_claim (institution, payment_order, card_no, order_no)"  # noqa: S608 - numbers
        f" SELECT ${first}, ${first + 1}, card_no, order_no FROM moved)"
        if claims
        else ""
    )
    first += 2 * claims
    proposal = _PROPOSAL.format(first) if confirms else ""
    proposed, confirmed = (" AND EXISTS (SELECT FROM proposal)", _CONFIRMED) if confirms else ("", "")
    first += confirms
    owed = _OWED.format(first) if owes else ""
    first += owes
    leg = "(${}::text, ${}::int, ${}::int, ${}::bigint)"
    rows = ", ".join(leg.format(*range(first + 4 * i, first + 4 * i + 4)) for i in range(legs))
    posted = _POSTED.format(first + 4 * legs, first + 4 * legs + 1, rows) if legs else ""
    replied = (
        ", replied AS (INSERT INTO reply (request, digest, body, at) SELECT $11, $12, $13, $6 FROM moved)"
        if replies
        else ""
    )
    return f"""
WITH {proposal}moved AS (
    UPDATE orders SET state = $5, moved_at = $6, settlement_date = $7{"".join(", " + part for part in sets)}
    WHERE card_no = $1 AND order_no = $2 AND state = $3 AND attempt = $4{proposed}
    RETURNING card_no, order_no, pending_id
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail) SELECT $6, $8, $9, order_no, $10 FROM moved
){posted}{replied}{carded}{claimed}{confirmed}{owed}
SELECT (SELECT order_no FROM moved)"""  # noqa: S608 - columns are the code's own
