"""What is kept for a time only: stored answers to requests whose own time stamp refuses them by then.

Transfers, orders and the audit trail are never removed. Nor are answers of the OneCard API, whose messages carry no
time: what they are remembered by is all that tells an old message from a new one.
"""

from datetime import datetime

from tongka.store.db import Database

BATCH = 5_000
"""Rows of one statement: its locks are short, and nobody waits for it."""

_FORGET = """
DELETE FROM reply WHERE request IN (SELECT request FROM reply WHERE at < $1 AND request LIKE 'huzhou|%' LIMIT $2)
"""


async def forget_replies(database: Database, before: datetime) -> int:
    """Remove the card front's answers from before a moment, batch by batch; how many."""
    forgotten = 0
    while True:
        gone = int((await database.execute(_FORGET, before, BATCH)).split()[-1])
        forgotten += gone
        if gone < BATCH:
            return forgotten
