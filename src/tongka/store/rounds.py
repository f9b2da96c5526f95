"""The rounds of IF5: the order that each gave out, for repeats, and which session has the element meanwhile."""

from dataclasses import dataclass
from datetime import datetime

from tongka.store.db import Database
from tongka.store.wallet import Standing, WalletOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """One round: the order of this number is given out, and the script stands there.

    Attributes:
        element: the chip that it has commands for, or that it is done with; empty where neither.
        held_until: how long the session may be silent before another takes the chip; None where it is done with it.
        silent_since: another session that held the chip no longer than this has lost it.
        cplc: what the chip told that has just proved its keys; where it differs from the known, both are audited.

    """

    order: WalletOrder
    report: bytes
    body: bytes
    program: bytes
    state: Standing
    reason: str
    at: datetime
    element: str = ""
    held_until: datetime | None = None
    silent_since: datetime | None = None
    cplc: bytes | None = None


_ADVANCE = """
WITH known AS (
    SELECT se_id, cplc FROM secure_element WHERE se_id = $9
), held AS (
    UPDATE secure_element
    SET holder = CASE WHEN $10::timestamptz IS NULL THEN '' ELSE $1 END, held_until = $10::timestamptz,
        cplc = coalesce($11, cplc)
    WHERE se_id = $9 AND (holder = $1 OR ($10::timestamptz IS NOT NULL AND (holder = '' OR held_until <= $12)))
    RETURNING se_id
), changed AS (
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT $7, 'wallet', 'chip changed', se_id, encode(cplc, 'hex') || ' ' || encode($11, 'hex')
    FROM known JOIN held USING (se_id) WHERE cplc <> $11
), advanced AS (
    UPDATE wallet_order
    SET round = round + 1, greeted = false, program = $4, state = $5, reason = $6, contacted_at = $7
    WHERE session_id = $1 AND round = $2 AND state NOT IN ('done', 'failed', 'cancelled')
        AND ($10::timestamptz IS NULL OR EXISTS (SELECT FROM held))
    RETURNING session_id, round
), kept AS (
    INSERT INTO wallet_round (session_id, round, report, body, at)
    SELECT session_id, round, $3, $8, $7 FROM advanced RETURNING round
)
SELECT EXISTS (SELECT FROM kept)
"""


async def advance(database: Database, step: Advance) -> bool:
    """Give out the next order; False where another request did so first, or another session took the element."""
    order = step.order
    (done,) = await database.fetch_joined(
        _ADVANCE,
        order.session_id,
        order.round,
        step.report,
        step.program,
        step.state.value,
        step.reason,
        step.at,
        step.body,
        step.element,
        step.held_until,
        step.cplc,
        step.silent_since,
    )
    return bool(done)


async def round_body(database: Database, session_id: str, number: int) -> bytes | None:
    """The order that was given out in a round."""
    body: bytes | None = await database.read_value(
        "SELECT body FROM wallet_round WHERE session_id = $1 AND round = $2", session_id, number
    )
    return body


async def round_report(database: Database, session_id: str, number: int) -> bytes | None:
    """The digest of the report that a round's order answered."""
    digest: bytes | None = await database.read_value(
        "SELECT report FROM wallet_round WHERE session_id = $1 AND round = $2", session_id, number
    )
    return digest


async def forget_rounds(database: Database, before: datetime) -> int:
    """Drop the rounds of orders that ended before a moment; how many."""
    tag = await database.execute(
        "DELETE FROM wallet_round r USING wallet_order o WHERE o.session_id = r.session_id AND o.contacted_at < $1"
        " AND o.state IN ('done', 'failed', 'cancelled')",
        before,
    )
    return int(tag.split()[-1])
