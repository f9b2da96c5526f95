"""The blacklist of riders is signed for gates."""

from tongka.code.blacklist import Blacklist, with_sign
from tongka.store import riders
from tongka.system import System

ENDPOINT = "gates"
"""The name of the signing key whose public half gates carry."""


async def signed(system: System) -> bytes:
    """The document as of now (`tongka.code.blacklist`)."""
    listed = await riders.blacklist(system.database)
    text = Blacklist(listed.version, int(listed.at.timestamp()), listed.user_ids).to_sign()
    return with_sign(text, await system.hsm.sign(ENDPOINT, text))
