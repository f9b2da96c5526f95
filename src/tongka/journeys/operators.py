"""People who act at the command line with money: each shows a passphrase, and the audit trail says who it was."""

import asyncio
import hmac
from datetime import timedelta

from tongka.crypto.scrypt import SALT_BYTES, hashed
from tongka.errors import Malformed
from tongka.journeys.refusals import OperatorWrong, TooManyPasswords
from tongka.store import audit, guesses, operators
from tongka.store.db import Database
from tongka.store.operators import Operator
from tongka.store.stamp import Stamp

NAME_MAX, REASON_MAX = 64, 500
PASSPHRASE_MIN = 12
WRONG_PER_HOUR = 5
HOUR = timedelta(hours=1)
NOBODY = Operator("", bytes(SALT_BYTES), bytes(32), active=False)
"""Whom an unknown name is compared with, so that its answer takes as long."""


async def save(database: Database, name: str, passphrase: str, salt: bytes, stamp: Stamp) -> None:
    """Add an operator, or give one a new passphrase.

    Raises:
        Malformed: the name or the passphrase breaks its rule.

    """
    require_text("operator", name, NAME_MAX)
    if len(passphrase) < PASSPHRASE_MIN:
        raise Malformed("passphrase", f"has {PASSPHRASE_MIN} characters or more")
    await operators.save(database, Operator(name, salt, await asyncio.to_thread(hashed, passphrase, salt)), stamp)


async def authenticate(database: Database, name: str, passphrase: str, what: str, stamp: Stamp) -> str:
    """The operator's name as it is on the books. `what` is about to be done, `stamp.actor` the account that he uses.

    Raises:
        OperatorWrong: whatever is wrong.
        TooManyPasswords: too many passphrases of this name were wrong within an hour.

    """
    scope, since = [f"operator {name.lower()}"], stamp.at - HOUR
    if await guesses.wrong_passwords_since(database, scope, since) >= WRONG_PER_HOUR:
        raise TooManyPasswords(f"too many wrong passphrases of {name} within an hour; try again later")
    operator = await operators.find(database, name) or NOBODY
    given = await asyncio.to_thread(hashed, passphrase, operator.salt)
    if not (hmac.compare_digest(given, operator.digest) and operator.active):
        await guesses.count_wrong_password(database, scope, stamp.at, since, stamp.actor)
        raise OperatorWrong("the operator or the passphrase is wrong; `tongka operator` keeps both")
    await audit.record(
        database, at=stamp.at, actor=operator.name, action="operator acts", subject=what, detail=stamp.actor
    )
    return operator.name


def require_text(field: str, text: str, longest: int) -> None:
    """Refuse what would not read well in the trail."""
    if text != text.strip() or not text.isprintable() or not 1 <= len(text) <= longest:
        raise Malformed(field, f"is 1 to {longest} printable characters without spaces around them")
