"""Minting cards from master keys: what a card factory does. No randomness inside; the caller brings the keys."""

from dataclasses import dataclass, replace
from datetime import date

from tongka.card.files import EnableFlag, File05, File06, File15, File16, File17
from tongka.card.keyset import KeySet
from tongka.card.profiles import CardProfile
from tongka.crypto.pboc import SUITES
from tongka.errors import Malformed
from tongka.sandbox.card.image import CardImage, Pin

COUNTRY_CHINA = "00000156"
ZHEJIANG = "3300"
CAPP_RECORDS = tuple(bytes((record_id,)) + bytes(31) for record_id in (1, 2))
RIDE_RECORDS = tuple(bytes((0x27, number)) + bytes(30) for number in (1, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """What differs between two cards of one type before they leave the factory.

    Attributes:
        valid_from, valid_to: None until the sale writes them.
        holder_type: byte 10 of file 0017; 01 normal.

    """

    enabled: bool = True
    valid_from: date | None = None
    valid_to: date | None = None
    balance_fen: int = 0
    online_atc: int = 0
    offline_atc: int = 0
    key_version: int = 1
    holder_type: int = 0x01
    pin: Pin | None = None


def personalise(profile: CardProfile, card_no: str, masters: KeySet, blank: Blank | None = None) -> CardImage:
    """Make one card image.

    Args:
        profile: the card's type.
        card_no: the number towards partners, as many digits as the profile says.
        masters: the operator's master keys; the card gets its own, diversified.
        blank: its first balance, dates and so on; an enabled, empty card when left out.

    Raises:
        Malformed: the number is not one of the profile's, or the PIN that it needs is missing.

    """
    blank = blank or Blank()
    if profile.pin_required and blank.pin is None:
        raise Malformed("pin", f"cards of the type {profile.name} need one")
    file15 = _file15(profile, card_no, blank)
    return CardImage(
        profile=profile.name,
        balance_fen=blank.balance_fen,
        online_atc=blank.online_atc,
        offline_atc=blank.offline_atc,
        algorithm=profile.algorithm,
        key_version=blank.key_version,
        files={"0015": file15.build(), "0016": _file16().build(), "0017": _file17(file15, blank).build()},
        keys=card_keys(profile, masters, file15),
        pin=blank.pin,
    )


def card_keys(profile: CardProfile, masters: KeySet, file15: File15) -> KeySet:
    """The card's own keys, diversified as its type says."""
    suite = SUITES[profile.algorithm]

    def own(master: bytes) -> bytes:
        return profile.card_key(suite, master, file15)

    return KeySet(own(masters.load), own(masters.purchase), own(masters.tac), own(masters.maintain))


def _file15(profile: CardProfile, card_no: str, blank: Blank) -> File15:
    return File15(
        issuer=profile.issuer,
        application_type=0x02,
        enable_flag=EnableFlag.ENABLED if blank.enabled else EnableFlag.NOT_ENABLED,
        asn=profile.asn(card_no),
        valid_from=blank.valid_from,
        valid_to=blank.valid_to,
        private=bytes(2),
    )


def _file16() -> File16:
    return File16(card_type=0, staff=0, name="", id_number="", id_type=0)


def _file17(file15: File15, blank: Blank) -> File17:
    return File17(
        country=COUNTRY_CHINA,
        province=ZHEJIANG,
        city=file15.city,
        interoperability="0001",
        card_type=blank.holder_type,
        reserved=bytes(49),
    )


def furnish(image: CardImage) -> CardImage:
    """Give a card the files that Huzhou's scripts read beyond 0015 to 0017, where it lacks them.

    These are file 05 with the number on the card's face and file 06, and CAPP and ride-state records to update.
    """
    return replace(
        image,
        files=_city_files(image) | dict(image.files),
        records={"0019": CAPP_RECORDS, "001A": RIDE_RECORDS} | dict(image.records),
    )


def _city_files(image: CardImage) -> dict[str, bytes]:
    file15, profile = image.file15, image.type
    sold = file15.valid_from if file15.enabled else None
    return {
        "0005": File05(face_number=file15.asn, sale_date=sold, deposit=profile.deposit_fen, reserved=bytes(14)).build(),
        "0006": File06(group=bytes(4), concession=0, concession_until=None, reserved=bytes(7)).build(),
    }
