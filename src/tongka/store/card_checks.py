"""Cards ahead of the books: what a card proves of loads that the books do not know.

Plastic is spent offline, where the books do not see it: a card may hold less than the books say, and never more. Its
online counter moves by loads and unloads alone, so it tells how many there were since the last that the books know.
Both stand in the INIT of every order, whose MAC1 the keys verified: nothing is kept besides, and no load waits for it.

Books that were restored to an earlier moment, and another platform that loads with the same keys, show themselves here.
"""

from dataclasses import dataclass
from datetime import datetime

from tongka.errors import Refused
from tongka.ledger import Account
from tongka.store.check import Check
from tongka.store.db import Database
from tongka.store.stamp import Stamp

_FLOAT = Account.CARD_FLOAT.value
_NOT_YET = 2**62
"""Where a load stands among the transfers while it is under way: behind all."""

_CHANGES = f"""
    SELECT card_no, id, order_no, CASE WHEN credit = {_FLOAT} THEN amount_fen ELSE -amount_fen END AS delta
    FROM transfer WHERE kind IN ('single', 'post') AND {_FLOAT} IN (debit, credit) AND card_no <> ''
"""  # noqa: S608 - our own constants
"""What each transfer changed of the value on a card."""

_SHOWN = """
    SELECT card_no, order_no, moved_at, pin_atc AS online_atc,
           ('x' || encode(substr(init, 1, 4), 'hex'))::bit(32)::bigint AS balance_fen
    FROM orders WHERE kind IN ('topup', 'unload') AND pin_atc IS NOT NULL AND init IS NOT NULL
"""
"""What cards have shown before loads that were done, or are under way."""

_SIDE_BY_SIDE = f"""
    SELECT card_no, order_no, moved_at, online_atc, balance_fen, books_fen,
           lag(online_atc) OVER earlier + 1 AS books_atc,
           coalesce(max(balance_fen - books_fen) OVER earlier, 0) AS over_before_fen
    FROM (
        SELECT card_no, order_no, s.moved_at, s.online_atc, s.balance_fen, coalesce(c.id, {_NOT_YET}) AS place,
               coalesce(sum(c.delta) OVER (PARTITION BY card_no ORDER BY coalesce(c.id, {_NOT_YET})
                                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::bigint AS books_fen
        FROM ({_CHANGES}) AS c FULL JOIN ({_SHOWN}) AS s USING (card_no, order_no)
    ) AS story WHERE online_atc IS NOT NULL
    WINDOW earlier AS (PARTITION BY card_no ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
"""  # noqa: S608 - our own constants
"""Beside it what the books said just before (no counter where they know of no load), and by how much it was over them
at most until then: what a card is over the books stays with it, and is told once."""

_AHEAD = f"""
    SELECT a.card_no, a.order_no, a.moved_at AS seen_at, a.online_atc, a.books_atc, a.balance_fen, a.books_fen,
           coalesce(e.explained_by, '') AS explained_by, coalesce(e.reason, '') AS reason
    FROM ({_SIDE_BY_SIDE}) AS a LEFT JOIN card_explained e USING (card_no, online_atc)
    WHERE (a.online_atc > a.books_atc OR a.balance_fen - a.books_fen > greatest(a.over_before_fen, 0))
"""  # noqa: S608 - our own constants

CARDS_AHEAD = Check(
    "cards_not_ahead",
    "no card shows a load that the books do not know (see `tongka ledger ahead`)",
    f"SELECT card_no, online_atc, books_atc, balance_fen, books_fen FROM ({_AHEAD}) AS a WHERE explained_by = ''",  # noqa: S608
)

CARD_CHECKS = (
    Check(
        "cards_not_below_zero",
        "no card holds less than nothing on the books",
        f"SELECT card_no, sum(delta) AS books_fen FROM ({_CHANGES}) AS c GROUP BY card_no HAVING sum(delta) < 0",  # noqa: S608
    ),
    CARDS_AHEAD,
)


@dataclass(frozen=True, slots=True)
class Ahead:
    """A card that showed more than the books knew.

    Attributes:
        online_atc: its counter; `books_atc` is the one that the books expected, None where they knew of no load.
        balance_fen: what it held; `books_fen` is the most that the books allowed.

    """

    card_no: str
    order_no: str
    seen_at: datetime
    online_atc: int
    books_atc: int | None
    balance_fen: int
    books_fen: int
    explained_by: str
    reason: str


class NotAhead(Refused):
    """The card was not ahead of the books at that counter."""

    code = "card_not_ahead"


async def ahead(database: Database, *, explained: bool = False) -> list[Ahead]:
    """The cards that were ahead of the books, oldest first; with `explained` also those that people looked into."""
    rows = await database.read(f"{_AHEAD} AND ($1 OR e.explained_by IS NULL) ORDER BY moved_at", explained)
    return [Ahead(**row) for row in rows]


_EXPLAIN = f"""
WITH kept AS (
    INSERT INTO card_explained (card_no, online_atc, explained_by, reason, at)
    SELECT DISTINCT card_no, online_atc, $3, $4, $5::timestamptz FROM ({_AHEAD}) AS a
    WHERE card_no = $1 AND online_atc = $2
    ON CONFLICT (card_no, online_atc) DO UPDATE
        SET explained_by = excluded.explained_by, reason = excluded.reason, at = excluded.at
    RETURNING card_no
), audited AS (
    INSERT INTO audit (at, actor, action, subject, detail) SELECT $5, $3, 'card explained', card_no, $2 || ': ' || $4
    FROM kept
)
SELECT count(*) FROM kept
"""  # noqa: S608 - our own constants


async def explain(database: Database, card_no: str, online_atc: int, reason: str, stamp: Stamp) -> None:
    """Put down what people found out about a card that was ahead; the proof of the books is silent about it then.

    Raises:
        NotAhead: it was not.

    """
    if not await database.fetchval(_EXPLAIN, card_no, online_atc, stamp.actor, reason, stamp.at):
        raise NotAhead(f"card {card_no} was not ahead of the books at counter {online_atc}; see `tongka ledger ahead`")
