"""People who act at the command line with money: each shows a passphrase, and the audit trail says who it was."""

import asyncio
import hmac
from collections.abc import Sequence
from datetime import datetime

from tongka.crypto.scrypt import SALT_BYTES, hashed
from tongka.days import ZONE
from tongka.errors import Malformed
from tongka.journeys.refusals import OperatorWrong, TooManyPasswords
from tongka.store import audit, guesses, operators
from tongka.store.db import Database
from tongka.store.guesses import HOUR, Scope
from tongka.store.operators import Operator
from tongka.store.stamp import Stamp

NAME_MAX, REASON_MAX = 64, 500
PASSPHRASE_MIN = 12
WRONG_PER_HOUR = 5
NOBODY = Operator("", bytes(SALT_BYTES), bytes(32), active=False)
"""Whom an unknown name is compared with, so that its answer takes as long."""


async def save(
    database: Database, name: str, passphrase: str, salt: bytes, stamp: Stamp, *, alone: bool = False
) -> bool:
    """Add an operator, or give one a new passphrase; whether he may act at once, see `store.operators.save`.

    Raises:
        Malformed: the name or the passphrase breaks its rule.

    """
    require_text("operator", name, NAME_MAX)
    if len(passphrase) < PASSPHRASE_MIN:
        raise Malformed("passphrase", f"has {PASSPHRASE_MIN} characters or more")
    saved = Operator(name, salt, await asyncio.to_thread(hashed, passphrase, salt))
    return await operators.save(database, saved, stamp, alone=alone)


async def authenticate(database: Database, name: str, passphrase: str, what: str, stamp: Stamp) -> str:
    """The operator's name as it is on the books. `what` is about to be done, `stamp.actor` the account that he uses.

    Raises:
        OperatorWrong: whatever is wrong.
        TooManyPasswords: too many passphrases of this name were wrong within an hour.

    """
    scope = f"operator {name.lower()}"
    _require_unlocked(name, await guesses.moments_since(database, scope, stamp.at - HOUR))
    operator = await operators.find(database, name) or NOBODY
    given = await asyncio.to_thread(hashed, passphrase, operator.salt)
    if not (hmac.compare_digest(given, operator.digest) and operator.active):
        await guesses.count_wrong(database, [Scope(scope, WRONG_PER_HOUR)], stamp.at, stamp.actor)
        raise OperatorWrong("the operator or the passphrase is wrong; `tongka operator` keeps both")
    await audit.record(
        database, at=stamp.at, actor=operator.name, action="operator acts", subject=what, detail=stamp.actor
    )
    return operator.name


def _require_unlocked(name: str, wrong: Sequence[datetime]) -> None:
    """Refuse the right passphrase too, until the first of too many wrong ones is an hour old."""
    if len(wrong) < WRONG_PER_HOUR:
        return
    until = wrong[-WRONG_PER_HOUR] + HOUR
    raise TooManyPasswords(
        f"{WRONG_PER_HOUR} passphrases of {name} were wrong within an hour; he is locked until"
        f" {until.astimezone(ZONE):%H:%M}, or until another operator lifts it: tongka operator unlock {name}"
    )


def require_text(field: str, text: str, longest: int) -> None:
    """Refuse what would not read well in the trail."""
    if text != text.strip() or not text.isprintable() or not 1 <= len(text) <= longest:
        raise Malformed(field, f"is 1 to {longest} printable characters without spaces around them")
