"""Passwords that can be guessed at: keyed hashes, and a limit of wrong ones for everything that a message names.

The answer to a wrong password is the same whether the card is unknown, used, expired or another's; and after too many
wrong ones a right one is refused too.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import NoReturn

from tongka.journeys.call import Call
from tongka.journeys.refusals import PasswordTooWeak, PasswordWrong, TooManyPasswords
from tongka.store import guesses, secrets
from tongka.store.guesses import Scope
from tongka.system import System

SECRET = "password hashes"  # noqa: S105 - its name
CONTEXT = b"platform secret: password hashes"
SECRET_LEN = 32

PASSWORD_MIN, PASSWORD_MAX = 6, 16
RUNS = ("01234567890", "abcdefghijklmnopqrstuvwxyz")


Hasher = Callable[[str, str], bytes]


async def digest(system: System, password: str, of: str = "") -> bytes:
    """The keyed hash of a password; `of` is what it belongs to, where one may be used for several."""
    return (await hasher(system))(password, of)


async def hasher(system: System) -> Hasher:
    """`digest` for many: (password, what it belongs to) → keyed hash."""
    key = await _key(system)
    return lambda password, of: hmac.digest(key, f"{of}\0{password}".encode(), hashlib.sha256)


async def _key(system: System) -> bytes:
    sealed = await secrets.find(system.database, SECRET)
    if sealed is None:
        await secrets.keep(system.database, SECRET, await system.hsm.seal(system.random(SECRET_LEN), CONTEXT))
        sealed = await secrets.find(system.database, SECRET)
    return await system.hsm.unseal(sealed or b"", CONTEXT)


async def require_allowed(call: Call, scopes: Sequence[Scope]) -> None:
    """Refuse before looking, where too many were wrong within the hour.

    Raises:
        TooManyPasswords: of one of the scopes.

    """
    if await guesses.is_locked(call.system.database, scopes, call.at):
        raise _too_many()


async def refuse(call: Call, scopes: Sequence[Scope]) -> NoReturn:
    """Count a wrong password and say so.

    Raises:
        PasswordWrong: always, unless
        TooManyPasswords: others were wrong at the same time, and this one is beyond the limit.

    """
    beyond = await guesses.count_wrong(call.system.database, scopes, call.at, call.actor)
    raise _too_many() if beyond else wrong()


def wrong() -> PasswordWrong:
    return PasswordWrong("the password is wrong, or the card can't be used")


def _too_many() -> TooManyPasswords:
    return TooManyPasswords("too many wrong passwords within an hour; try again later")


def require_strong(password: str, card_no: str) -> None:
    """The rules for group passwords that people choose.

    Raises:
        PasswordTooWeak: names the rule.

    """
    if not (PASSWORD_MIN <= len(password) <= PASSWORD_MAX and password.isascii() and password.isalnum()):
        raise PasswordTooWeak(f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} letters and digits")
    low = password.lower()
    if len(set(low)) == 1 or any(low in run or low[::-1] in run for run in RUNS):
        raise PasswordTooWeak("a password is neither one character repeated nor a run of them")
    if low in card_no:
        raise PasswordTooWeak("a password is not part of the card's number")
