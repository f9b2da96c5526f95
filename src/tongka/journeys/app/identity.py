"""Who a rider is: passwords (scrypt) and bearer tokens (256 random bits, kept as hashes)."""

import asyncio
import hashlib
import hmac
from datetime import timedelta

from tongka.crypto.scrypt import SALT_BYTES, hashed
from tongka.journeys.app.refusals import LoginWrong, TokenWrong
from tongka.journeys.refusals import TooManyRequests
from tongka.store import app, guesses
from tongka.store.app import AppUser
from tongka.store.guesses import Scope
from tongka.system import System

TOKEN_BYTES = 32
TOKEN_LIFE = timedelta(hours=2)
WRONG_PER_HOUR = 20
NOBODY = AppUser("", "", bytes(SALT_BYTES), bytes(32))
"""Whom an unknown name is compared with, so that its answer takes as long."""


async def login(system: System, name: str, password: str) -> tuple[str, int]:
    """A token, and for how many seconds it is good.

    Raises:
        LoginWrong: whatever is wrong.
        TooManyRequests: too many were wrong within the hour, in whichever process.

    """
    scope = [Scope(scope_of_login(name), WRONG_PER_HOUR)]
    if await guesses.is_locked(system.database, scope, system.clock()):
        raise TooManyRequests("too many wrong passwords within an hour; try again later")
    user = await app.user_named(system.database, name)
    known = user or NOBODY
    given = await asyncio.to_thread(hashed, password, known.salt)
    if not hmac.compare_digest(given, known.password) or user is None:
        await guesses.count_wrong(system.database, scope, system.clock(), actor="")
        raise LoginWrong("the name or the password is wrong")
    token = system.random(TOKEN_BYTES).hex()
    await app.keep_token(system.database, _digest(token), user.user_id, system.clock() + TOKEN_LIFE)
    return token, int(TOKEN_LIFE.total_seconds())


async def rider(system: System, token: str) -> str:
    """The rider's id.

    Raises:
        TokenWrong: unknown or expired.

    """
    user_id = await app.user_of_token(system.database, _digest(token), system.clock())
    if user_id is None:
        raise TokenWrong("the token is unknown or expired; log in again")
    return user_id


async def forget(system: System) -> None:
    """Drop expired tokens."""
    await app.forget_tokens(system.database, system.clock())


def scope_of_login(name: str) -> str:
    """What logins of a name are counted for: one of 65,536, for anybody may send names that nobody has."""
    return f"app login {hashlib.sha256(name.encode()).hexdigest()[:4]}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
