"""What a rider's phone keeps for days: a signed credential for each of his cards and formats.

A code is its credential with a generation time, signed by the user's key: so a gate that remembers credentials has one
signature left to check. Codes are told apart by credential and second; a second code within one second is made of a
credential of its own, which makes no other. Each credential has a key of the rider's of its own, which the key store
derives from its serial: no key stands in the database.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tongka.code.issue import (
    NOT_YET,
    SignedCredential,
    signed_by_authority,
    signed_by_issuer,
    signed_by_user,
    unsigned_code,
    unsigned_ministry_code,
)
from tongka.code.layout import Algorithm, AlipayCode, Certificate, Credential, Format, MinistryCode
from tongka.errors import Unsupported
from tongka.journeys import ride_keys
from tongka.keys import Hsm, RideKey, RideKeyKind
from tongka.store import ride_credentials
from tongka.store.ride_credentials import Holder, KeptCredential
from tongka.system import System

AUTHORISED_FOR_S: Final = 30 * 86400
RENEWED_AFTER: Final = timedelta(days=7)
"""A phone that shows codes is given a new one then; one without a network has 23 days more."""
VALID_S: Final = 600
LIMIT_FEN: Final = 2000

ISSUER_ID: Final = bytes.fromhex("03105840")
SERVICE_ID: Final = bytes.fromhex("01000000")
CERTIFICATE_SERIAL: Final = bytes.fromhex("000001")
CARD_ACCOUNT_DIGITS: Final = 20
CERTIFICATE_EXPIRES: Final = bytes.fromhex("1299")
"""MMYY: as late as it can say, for the issuer is this platform itself."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a credential says: of whom, and what goes along with his card."""

    holder: Holder
    card_data: bytes = b""
    valid_s: int = VALID_S
    limit_fen: int = LIMIT_FEN

    @property
    def digest(self) -> bytes:
        """Another one says something else."""
        said = (self.holder.user_id, self.holder.card_type, self.holder.card_no, self.card_data.hex())
        return hashlib.sha256(json.dumps((*said, self.valid_s, self.limit_fen)).encode()).digest()


async def generate(system: System, stated: Stated, moment: datetime) -> bytes:
    """A code of the rider's current credential, generated at that moment; without an operator's prefix."""
    generated = int(moment.timestamp())
    kept = await ride_credentials.take(system.database, stated.holder, stated.digest, generated)
    if kept is None:
        kept = await _new(system, stated, moment)
        renew_at = moment + RENEWED_AFTER
        await ride_credentials.keep(system.database, stated.holder, stated.digest, generated, kept, renew_at=renew_at)
    return await _show(system.hsm, stated.holder, kept, generated)


async def _new(system: System, stated: Stated, moment: datetime) -> KeptCredential:
    serial = await ride_credentials.new_key_serial(system.database)
    authorise = _AUTHORISE[stated.holder.format]
    return KeptCredential(serial, await authorise(system.hsm, stated, _user_key(stated.holder, serial), moment))


def _user_key(holder: Holder, serial: int) -> RideKey:
    kind = RideKeyKind.MINISTRY_USER if holder.format is Format.MINISTRY else RideKeyKind.USER
    return RideKey(kind, holder.user_id, serial)


async def _show(hsm: Hsm, holder: Holder, kept: KeptCredential, generated: int) -> bytes:
    """The phone's part: the time, and the user's signature."""
    layout = MinistryCode if holder.format is Format.MINISTRY else AlipayCode
    code: AlipayCode | MinistryCode = replace(layout.parse(kept.unsigned), generated=generated)
    signature = await hsm.sign_ride(_user_key(holder, kept.key_serial), signed_by_user(code))
    return replace(code, user_signature=signature).build()


# --- Alipay and operator ----------------------------------------------------------------------------------------------


async def _authorise(hsm: Hsm, stated: Stated, user: RideKey, moment: datetime) -> bytes:
    key_id, master = ride_keys.signing_key(moment)
    credential = Credential(
        user_id=stated.holder.user_id,
        expires_at=int(moment.timestamp()) + AUTHORISED_FOR_S,
        valid_s=stated.valid_s,
        limit_fen=stated.limit_fen,
        user_key=await hsm.ride_public_key(user),
        card_type=stated.holder.card_type,
        card_no=stated.holder.card_no,
        card_data=stated.card_data,
    ).build()
    signature = await hsm.sign_ride(master, credential)
    return unsigned_code(SignedCredential(Algorithm.SECP256K1, key_id, credential, signature), generated=0).build()


# --- ministry ---------------------------------------------------------------------------------------------------------


async def _authorise_ministry(hsm: Hsm, stated: Stated, user: RideKey, moment: datetime) -> bytes:
    contents = MinistryCode(
        length=0,
        certificate=await _certificate(hsm),
        account=stated.holder.user_id,
        card_account=_card_account(stated.holder.card_no),
        card_issuer=ISSUER_ID,
        platform=ISSUER_ID,
        account_type=0,
        limit_fen=stated.limit_fen,
        user_key=await hsm.ride_public_key(user),
        expires_at=int(moment.timestamp()) + AUTHORISED_FOR_S,
        valid_s=stated.valid_s,
        custom=stated.card_data,
        issuer_signature=NOT_YET,
        generated=0,
        user_signature=NOT_YET,
    )
    code = unsigned_ministry_code(contents)
    signature = await hsm.sign_ride(ride_keys.ISSUER, signed_by_issuer(code))
    return replace(code, issuer_signature=signature).build()


async def _certificate(hsm: Hsm) -> bytes:
    certificate = Certificate(
        service_id=SERVICE_ID,
        ca_index=ride_keys.CA_INDEX,
        issuer=ISSUER_ID,
        expires=CERTIFICATE_EXPIRES,
        serial=CERTIFICATE_SERIAL,
        key=await hsm.ride_public_key(ride_keys.ISSUER),
        signature=NOT_YET,
    )
    signature = await hsm.sign_ride(ride_keys.AUTHORITY, signed_by_authority(certificate))
    return replace(certificate, signature=signature).build()


def _card_account(card_no: str) -> bytes:
    """BCD, filled up with F."""
    if card_no and not card_no.isdecimal():
        raise Unsupported("card_no: a ministry code has room for digits only")
    return bytes.fromhex(card_no.ljust(CARD_ACCOUNT_DIGITS, "F"))


_AUTHORISE: Final[dict[Format, Callable[[Hsm, Stated, RideKey, datetime], Awaitable[bytes]]]] = {
    Format.ALIPAY: _authorise,
    Format.OPERATOR: _authorise,
    Format.MINISTRY: _authorise_ministry,
}
"""What is kept of a new credential, by format."""
