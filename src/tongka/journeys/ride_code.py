"""A rider is given a ride code: of plain bus payment, or of one of his virtual cards, in any of the three formats.

The platform signs as issuer, and with the rider's key where it shows his code itself (the code page, the sandbox).

Every code has an authorisation of its own, told apart by random bytes (`reserved`; the certificate's serial number): so
two codes of one rider and one second are two codes, and two rides.
"""

from dataclasses import dataclass, replace
from datetime import datetime
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
from tongka.code.layout import (
    OPERATOR_PREFIXES,
    PLAIN_CARD_TYPE,
    Algorithm,
    Certificate,
    Credential,
    Format,
    MinistryCode,
)
from tongka.errors import Refused, Unsupported
from tongka.journeys import ride_keys
from tongka.keys import Hsm, RideKey, RideKeyKind
from tongka.store import riders, virtual_cards
from tongka.store.riders import Rider, RiderUnknown
from tongka.store.virtual_cards import VirtualCard, VirtualCardMissing
from tongka.system import System

__all__ = ["RiderBlacklisted", "RiderUnknown", "VirtualCardDisabled", "VirtualCardMissing", "issue"]

AUTHORISED_FOR_S: Final = 30 * 86400
VALID_S: Final = 600
LIMIT_FEN: Final = 2000
NONCE_LEN: Final = 4

ISSUER_ID: Final = bytes.fromhex("03105840")
SERVICE_ID: Final = bytes.fromhex("01000000")
SERIAL_LEN: Final = 3
CARD_ACCOUNT_DIGITS: Final = 20
CERTIFICATE_EXPIRES: Final = bytes.fromhex("1299")
"""MMYY: as late as it can say, for the issuer is this platform itself."""


class RiderBlacklisted(Refused):
    """The operator has put the rider on the blacklist."""

    code = "rider_blacklisted"


class VirtualCardDisabled(Refused):
    """The card's issuer has disabled it; the text is his tips for the rider."""

    code = "virtual_card_disabled"


@dataclass(frozen=True, slots=True)
class _Holder:
    """Whose code it is: a rider, and his card or plain bus payment."""

    user_id: str
    card_type: str = PLAIN_CARD_TYPE
    card_no: str = ""
    card_data: bytes = b""


async def issue(system: System, user_id: str, kind: Format, card_no: str = "", *, at: datetime | None = None) -> bytes:
    """A fresh code of a rider, as shown.

    Args:
        system: keys and riders.
        user_id: the rider's, 16 characters.
        kind: the format.
        card_no: of one of his virtual cards; empty: plain bus payment (`ANT00001`).
        at: its generation time; now if not given.

    Raises:
        RiderUnknown: no such rider.
        RiderBlacklisted: by the operator. Riders who owe still get codes: gates refuse them by their list.
        VirtualCardMissing: no such card of this rider.
        VirtualCardDisabled: its issuer disabled it.
        Unsupported: a ministry code of a card whose number is not digits.

    """
    rider = await riders.find(system.database, user_id)
    if rider is None:
        raise RiderUnknown
    if rider.blacklisted == "operator":
        raise RiderBlacklisted("user_id: the rider is on the blacklist")
    holder = await _holder(system, rider, card_no)
    moment = at or system.clock()
    if kind is Format.MINISTRY:
        return await _ministry_code(system.hsm, holder, int(moment.timestamp()), system.random(SERIAL_LEN))
    prefix = OPERATOR_PREFIXES[0] if kind is Format.OPERATOR else b""
    return prefix + await _alipay_code(system.hsm, holder, moment, system.random(NONCE_LEN))


async def _holder(system: System, rider: Rider, card_no: str) -> _Holder:
    if not card_no:
        return _Holder(rider.user_id)
    card = await virtual_cards.of_rider(system.database, rider.user_id, card_no)
    if card is None:
        raise VirtualCardMissing("card_no: the rider has no such card")
    _require_enabled(card)
    return _Holder(rider.user_id, card.card_type, card.card_no, bytes.fromhex(card.card_data))


def _require_enabled(card: VirtualCard) -> None:
    if card.disabled:
        raise VirtualCardDisabled(f"card_no: the card is disabled: {card.disabled_tips}")


# --- Alipay and operator ----------------------------------------------------------------------------------------------


async def _alipay_code(hsm: Hsm, holder: _Holder, moment: datetime, nonce: bytes) -> bytes:
    user = RideKey(RideKeyKind.USER, holder.user_id)
    code = unsigned_code(await _authorise(hsm, holder, user, moment, nonce), int(moment.timestamp()))
    return replace(code, user_signature=await hsm.sign_ride(user, signed_by_user(code))).build()


async def _authorise(hsm: Hsm, holder: _Holder, user: RideKey, moment: datetime, nonce: bytes) -> SignedCredential:
    """The part that a phone keeps for days."""
    key_id, master = ride_keys.signing_key(moment)
    credential = Credential(
        user_id=holder.user_id,
        expires_at=int(moment.timestamp()) + AUTHORISED_FOR_S,
        valid_s=VALID_S,
        limit_fen=LIMIT_FEN,
        reserved=nonce,
        user_key=await hsm.ride_public_key(user),
        card_type=holder.card_type,
        card_no=holder.card_no,
        card_data=holder.card_data,
    ).build()
    return SignedCredential(Algorithm.SECP256K1, key_id, credential, await hsm.sign_ride(master, credential))


# --- ministry ---------------------------------------------------------------------------------------------------------


async def _ministry_code(hsm: Hsm, holder: _Holder, generated: int, serial: bytes) -> bytes:
    user = RideKey(RideKeyKind.MINISTRY_USER, holder.user_id)
    contents = MinistryCode(
        length=0,
        certificate=await _certificate(hsm, serial),
        account=holder.user_id,
        card_account=_card_account(holder.card_no),
        card_issuer=ISSUER_ID,
        platform=ISSUER_ID,
        account_type=0,
        limit_fen=LIMIT_FEN,
        user_key=await hsm.ride_public_key(user),
        expires_at=generated + AUTHORISED_FOR_S,
        valid_s=VALID_S,
        custom=holder.card_data,
        issuer_signature=NOT_YET,
        generated=generated,
        user_signature=NOT_YET,
    )
    code = unsigned_ministry_code(contents)
    code = replace(code, issuer_signature=await hsm.sign_ride(ride_keys.ISSUER, signed_by_issuer(code)))
    return replace(code, user_signature=await hsm.sign_ride(user, signed_by_user(code))).build()


async def _certificate(hsm: Hsm, serial: bytes) -> bytes:
    certificate = Certificate(
        service_id=SERVICE_ID,
        ca_index=ride_keys.CA_INDEX,
        issuer=ISSUER_ID,
        expires=CERTIFICATE_EXPIRES,
        serial=serial,
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
